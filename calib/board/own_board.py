"""A board file for a board that one has already, from what one measured and from pictures of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from calib.board.board import Board, board_from_table
from calib.board.finder import Finder
from calib.board.identify import identify
from multiview.common.foreign_errors import foreign_errors
from multiview.common.picture_file import decode_picture
from multiview.errors import ConfigError, SourceError

__all__ = ["describe", "read_pictures"]

_USUAL_MARKER = 0.75  # of a square


def read_pictures(paths: list[Path]) -> list[UInt8[np.ndarray, "H W"]]:
    """Pictures as grey levels; raises SourceError for one that cannot be read."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors reach users in our words
    pictures = []
    for path in paths:
        if not path.is_file():
            raise SourceError(f"{path}: no such picture")
        with foreign_errors(path, "a picture"):
            grey = decode_picture(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise SourceError(f"{path}: cannot be read as a picture")
        pictures.append(grey)
    return pictures


def describe(
    pictures: list[UInt8[np.ndarray, "H W"]],
    squares: tuple[int, int] | None,
    square_mm: float | None,
    marker_mm: float | None,
    dictionary: str,
) -> tuple[Board, tuple[str, ...]]:
    """The board of which one knows so much.

    Args:
        pictures: Of the board, sharp and from near; none: the file says what was given.
        squares: Columns and rows; None: from the pictures.
        square_mm: Side of a square, mm.
        marker_mm: Side of a marker, mm; None: from the pictures, else the usual share of a square.
        dictionary: OpenCV's name; the pictures may show another.

    Returns:
        The board, and remarks in words.

    Raises:
        ConfigError: Something is missing or impossible.
    """
    if square_mm is None:
        raise ConfigError("--own: measure a square of your board, and give it with --square MM")
    if squares is None and not pictures:
        raise ConfigError("--own: count the squares (--squares COLUMNSxROWS), or name a picture of the board")
    marker = marker_mm if marker_mm is not None else _USUAL_MARKER * square_mm
    table = {
        "squares": list(squares or (7, 5)),
        "square_length": round(square_mm / 1000, 6),
        "marker_length": round(marker / 1000, 6),
        "dictionary": dictionary,
    }
    board = board_from_table(table)
    if not pictures:
        guessed = "marker_length is a guess (0.75 of a square): measure it, and correct it in the file"
        return board, (guessed,) if marker_mm is None else ()
    found = identify({"the picture": pictures}, board)
    if not found.seen:
        raise ConfigError(
            f"no picture shows {board.words()} or a board like it: take it from near, sharp and whole in view"
        )
    remarks = tuple(remark for remark in found.remarks if squares is not None or "board file says 7x5" not in remark)
    if marker_mm is not None:
        return found.board, remarks
    share = _marker_share(pictures, found.board, bool(found.mirrored))
    return replace(found.board, marker_length=round(share * found.board.square_length, 6)), remarks


def _marker_share(pictures: list[UInt8[np.ndarray, "H W"]], board: Board, mirrored: bool) -> float:
    """Side of a marker in squares: markers' corners, carried to the board by the homography of its corners."""
    import cv2

    finder, sides = Finder(board.one_side(), mirrored), []
    for grey in pictures:
        corners, ids = finder.markers(grey)
        found = finder.find(grey, (corners, ids))
        if len(found.corner) < 6:
            continue
        xy = found.xy.copy()
        if mirrored:
            xy[:, 0] = grey.shape[1] - 1 - xy[:, 0]
        H, _ = cv2.findHomography(xy, finder.board.points[found.corner, :2], cv2.RANSAC, 0.05 * board.square_length)
        if H is None:
            continue
        on_board = cv2.perspectiveTransform(np.concatenate([np.reshape(c, (1, 4, 2)) for c in corners]), H)
        sides.append(np.linalg.norm(on_board - np.roll(on_board, 1, axis=1), axis=-1).ravel())
    return float(np.median(np.concatenate(sides))) / board.square_length if sides else _USUAL_MARKER
