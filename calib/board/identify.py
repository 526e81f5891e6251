"""Identification of the board in a recording: determines what the board file leaves open or states wrongly.

Tried in order of likelihood: as stated, inverted, mirrored, legacy, other square counts, another dictionary. A camera
that sees the board both mirrored and not sees a board that bears its mirror image on the back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from calib.board.board import Board
from calib.board.finder import Finder, shows_copies
from calib.board.found import Identified, Samples

__all__ = ["identify"]

_MIN_MARKERS = 4  # per picture, before it counts as a board; fewer come from texture by chance
_MIN_MARKER_SHARE = 0.5  # of the board's markers in one picture
_MAX_SQUARES = 24  # squares along a side
_LARGEST_OF_FAMILY = (
    "DICT_4X4_1000",
    "DICT_5X5_1000",
    "DICT_6X6_1000",
    "DICT_7X7_1000",
    "DICT_ARUCO_ORIGINAL",
    "DICT_ARUCO_MIP_36h12",
)


def identify(samples: Samples, stated: Board) -> Identified[Board]:
    """Identify the board from a few images of every camera."""
    remarks: list[str] = []
    board, ways = _markers_found(samples, stated)
    if not ways:
        board, ways = _other_dictionary(samples, stated)
        if not ways:
            return Identified(
                replace(stated, legacy=bool(stated.legacy), inverted=bool(stated.inverted)), frozenset(), (), False
            )
        remarks.append(f"the board file says {stated.dictionary}, the images show {board.dictionary}")
    inverted = Counter(way[0] for way in ways.values()).most_common(1)[0][0]
    if board.back is None and _shows_both_ways(samples, replace(board, inverted=inverted), ways):
        board = replace(board, back="mirrored")
        remarks.append(
            'the board bears its mirror image on the back: write back = "mirrored" into the board file, and thickness, '
            "the distance of the two prints in m (0 until then)"
        )
    # A camera that mirrors cannot be told from one that sees the mirrored back.
    mirrored = frozenset(name for name, way in ways.items() if way[1] and board.back != "mirrored")
    if stated.inverted is None and inverted:
        remarks.append("the board is printed inverted (white on black)")
    elif stated.inverted is not None and stated.inverted != inverted:
        remarks.append(f"the board file says inverted = {str(stated.inverted).lower()}, the images show the opposite")
    remarks += [f"the images of {name} are mirrored" for name in sorted(mirrored)]
    board = replace(board, inverted=inverted)
    board, found = _layout(samples, board, mirrored)
    if board.squares != stated.squares:
        shown = f"{board.squares[0]}x{board.squares[1]}"
        remarks.append(f"the board file says {stated.squares[0]}x{stated.squares[1]}, the images show {shown}")
    if stated.legacy is None and board.legacy:
        remarks.append("the board has the legacy pattern (as printed before OpenCV 4.6)")
    elif stated.legacy is not None and stated.legacy != board.legacy:
        shown = "the" if board.legacy else "no"
        remarks.append(
            f"the board file says legacy = {str(stated.legacy).lower()}, the images show {shown} legacy pattern"
        )
    return Identified(board, mirrored, tuple(remarks), found > 0)


def _markers_found(samples: Samples, board: Board) -> tuple[Board, dict[str, tuple[bool, bool]]]:
    """For every camera that sees markers, the way (inverted, mirrored) in which it sees most."""
    ways: dict[str, tuple[bool, bool]] = {}
    likely = [(bool(board.inverted), False), (not board.inverted, False), (bool(board.inverted), True)]
    options = [*likely, (not board.inverted, True)]
    finders = {way: Finder(replace(board, inverted=way[0]), way[1]) for way in options}
    for name, pictures in samples.items():
        best, most = options[0], 0
        for way in options:
            counts = [_plausible(finders[way].markers(grey)[1]) for grey in pictures]
            if sum(counts) > most:
                best, most = way, sum(counts)
            if max(counts, default=0) >= _MIN_MARKER_SHARE * board.markers:
                break  # so many markers are not decoded by chance: the other ways need not be tried
        if most >= _MIN_MARKERS:
            ways[name] = best
    return board, ways


def _shows_both_ways(samples: Samples, board: Board, ways: dict[str, tuple[bool, bool]]) -> bool:
    """Whether some camera sees the board mirrored in one picture and not in another; far from what chance decodes."""
    least = max(_MIN_MARKERS, _MIN_MARKER_SHARE * board.markers)
    finders = {mirrored: Finder(board, mirrored) for mirrored in (False, True)}
    for name, (_, mirrored) in ways.items():
        counts = [(grey, _plausible(finders[mirrored].markers(grey)[1])) for grey in samples[name]]
        if max(count for _, count in counts) < least:
            continue
        other = finders[not mirrored]
        if any(count == 0 and _plausible(other.markers(grey)[1]) >= least for grey, count in counts):
            return True
    return False


def _plausible(ids: Any) -> int:
    """Markers of one picture, if they look like a board, or two of one print: several, hardly any or most twice."""
    if ids is None:
        return 0
    different = len(np.unique(ids))
    once = different >= 0.8 * len(ids) or shows_copies(np.asarray(ids, np.int32).reshape(-1, 1))
    return different if different >= _MIN_MARKERS and once else 0


def _other_dictionary(samples: Samples, stated: Board) -> tuple[Board, dict[str, tuple[bool, bool]]]:
    """Try the largest dictionary of each family, and name the smallest that has all the ids seen."""
    few = {name: pictures[:: max(1, len(pictures) // 2)][:2] for name, pictures in samples.items()}
    best, best_ways, best_score = stated, {}, 0
    for name in _LARGEST_OF_FAMILY:
        board = replace(stated, dictionary=name)
        _, ways = _markers_found(few, board)
        seen = [
            Finder(replace(board, inverted=w[0]), w[1]).markers(grey)[1] for c, w in ways.items() for grey in few[c]
        ]
        score = sum(map(_plausible, seen))
        if score > best_score:
            highest = max(int(ids.max()) for ids in seen if ids is not None)
            needed = max(highest + 1, stated.squares[0] * stated.squares[1] // 2)
            best, best_ways, best_score = replace(stated, dictionary=_smallest(name, needed)), ways, score
    return best, best_ways


def _smallest(dictionary: str, markers: int) -> str:
    """The smallest of a family's dictionaries, which contain each other, that has so many markers."""
    family = dictionary.removesuffix("1000")
    if family == dictionary:
        return dictionary
    return f"{family}{next(size for size in (50, 100, 250, 1000) if size >= min(markers, 1000))}"


def _layout(samples: Samples, board: Board, mirrored: frozenset[str]) -> tuple[Board, int]:
    """The legacy flag and square counts that explain most corners, the stated ones preferred."""
    rows = board.squares[1]
    markers = {
        name: [(grey, Finder(board, name in mirrored).markers(grey)) for grey in pictures]
        for name, pictures in samples.items()
    }
    seen = [(name, grey, found) for name, pairs in markers.items() for grey, found in pairs if _plausible(found[1])]
    seen = sorted(seen, key=lambda entry: -len(entry[2][1]))[:12]
    if not seen:
        return replace(board, legacy=bool(board.legacy)), 0

    def corners(candidate: Board) -> int:
        finders = {flag: Finder(candidate, flag) for flag in (False, True)}
        return sum(len(finders[name in mirrored].find(grey, found).corner) for name, grey, found in seen)

    flags = (bool(board.legacy), not board.legacy) if rows % 2 == 0 else (bool(board.legacy),)
    counts = {flag: corners(replace(board, legacy=flag)) for flag in flags}
    best = max(flags, key=lambda flag: counts[flag])
    total = sum(_expected_corners(len(found[1]), board) for _, _, found in seen)
    if counts[best] >= 0.5 * total:
        return replace(board, legacy=best), counts[best]
    other, count = _other_squares(board, seen, corners)
    return (other, count) if count > 1.2 * counts[best] else (replace(board, legacy=best), counts[best])


def _expected_corners(markers: int, board: Board) -> float:
    """Roughly how many corners a picture with so many markers of this board should give."""
    columns, rows = board.squares
    return markers / max(board.markers, 1) * (columns - 1) * (rows - 1)


def _other_squares(board: Board, seen: list[tuple[str, Any, Any]], corners: Any) -> tuple[Board, int]:
    """Search square counts by whether the markers' places fit a plane; rows follow from the largest id."""
    import cv2

    most = max(int(found[1].max()) for _, _, found in seen)
    swapped = (board.squares[1], board.squares[0])
    fits: list[tuple[float, Board]] = []
    for columns in range(3, _MAX_SQUARES):
        min_rows = max(3, int(np.ceil(2 * (most - board.first_marker) / columns)))
        for rows in range(min_rows, min_rows + 3):
            if board.back == "following" and (columns, rows) != swapped:
                continue  # the highest id is one of the back, and tells nothing of the front's size
            for legacy in (False, True) if rows % 2 == 0 else (False,):
                candidate = replace(board, squares=(columns, rows), legacy=legacy)
                try:
                    made = candidate.opencv()
                except cv2.error:
                    continue
                fits.append((_marker_fit(made, seen), candidate))
    fits.sort(key=lambda fit: (-round(fit[0], 2), fit[1].squares != swapped, fit[1].squares))
    best, best_count = board, 0
    for _, candidate in fits[:6]:
        count = corners(candidate)
        if count > best_count:
            best, best_count = candidate, count
    return best, best_count


def _marker_fit(made: Any, seen: list[tuple[str, Any, Any]]) -> float:
    """The share of marker corners that one homography per picture explains."""
    import cv2

    place = dict(zip(made.getIds().ravel().tolist(), made.getObjPoints(), strict=True))
    fits = []
    for _, _, (corners, ids) in seen[:3]:
        known = [i for i, marker in enumerate(ids.ravel().tolist()) if marker in place]
        if len(known) < 3:
            fits.append(0.0)
            continue
        source = np.concatenate([np.asarray(place[int(ids.ravel()[i])])[:, :2] for i in known])
        target = np.concatenate([np.asarray(corners[i]).reshape(4, 2) for i in known])
        reach = 0.02 * float(np.linalg.norm(np.ptp(target, axis=0)))
        _, mask = cv2.findHomography(source, target, cv2.RANSAC, max(reach, 2.0))
        fits.append(0.0 if mask is None else float(mask.sum()) / (4 * len(ids)))
    return float(np.mean(fits))
