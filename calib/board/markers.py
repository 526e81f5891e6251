"""A set of markers, ArUco or AprilTag, in the room or on a box: where they are need not be known.

Each marker is a small board of its own, of which only the size is known; its places are solved with the rig.
Letters in shapes: N corners, four of each marker.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from jaxtyping import Float64, UInt8

from calib.board.board import dictionary_names
from calib.board.found import Found, Identified, Samples, nothing
from calib.board.grid import in_metres

__all__ = ["Markers", "MarkersFinder", "MarkersTable", "identify_markers"]

_CORNERS = np.array([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])  # from the top left, clockwise
_SMALLEST_PX = 14.0  # side of a marker, below which its corners tell little
_SMALLEST_CELL_PX = 1.7
_ALONG = (0.12, 0.88)  # of a side, where its edge is looked for
_PROFILES, _SAMPLES = 16, 25  # across each side, and samples of each
_REACH = 0.7  # of a cell of the marker, to either side of the edge
_PLATEAU_PX = 5.0  # of a cell, within which grey levels reach dark and bright
_MIN_CONTRAST = 25  # grey levels
_STRAIGHT = 0.8  # share of the profiles across a side that lie on one line
_SEEN_TWICE = 2  # pictures that show a marker, or it was decoded by chance
_LIKELY = (
    *("DICT_APRILTAG_36h11", "DICT_4X4_1000", "DICT_5X5_1000", "DICT_6X6_1000", "DICT_ARUCO_ORIGINAL"),
    *("DICT_APRILTAG_25h9", "DICT_APRILTAG_16h5", "DICT_7X7_1000", "DICT_ARUCO_MIP_36h12"),
)


@dataclass(frozen=True, slots=True)
class Markers:
    """Markers of one size.

    Attributes:
        dictionary: OpenCV's name of the marker dictionary.
        marker_length: Side of a marker's black square, m.
        markers: Their ids; empty: all that are seen.
        fixed: They stay where they are during the recording; else each may move, alone or with others.
    """

    dictionary: str
    marker_length: float
    markers: tuple[int, ...] = ()
    fixed: bool = False

    LENGTHS: ClassVar[tuple[str, ...]] = ("marker_length",)
    kind: ClassVar[str] = "markers"
    symmetric: ClassVar[bool] = False

    @property
    def points(self) -> Float64[np.ndarray, "N 3"]:
        """Four corners of each marker, clockwise from its top left, m, from its middle: z into the marker."""
        return np.tile(_CORNERS * self.marker_length, (len(self.markers), 1))

    @property
    def front_corners(self) -> int:
        """Number of corners."""
        return 4 * len(self.markers)

    def words(self) -> str:
        """Description for a user."""
        count = f"{len(self.markers)} markers" if self.markers else "markers"
        where = " at rest" if self.fixed else ""
        return f"{count} of {1000 * self.marker_length:g} mm, {self.dictionary}{where}"


class MarkersTable(msgspec.Struct, forbid_unknown_fields=True):
    """board.toml of kind "markers", with the fields of `Markers`."""

    kind: Literal["markers"]
    """`markers`: single markers, whose places are found out."""
    dictionary: str
    """OpenCV's name of the marker dictionary, such as `DICT_APRILTAG_36h11`."""
    marker_length: Annotated[float, msgspec.Meta(gt=0)]
    """m. Side of the black square of a marker, with its border; the same for all."""
    markers: list[Annotated[int, msgspec.Meta(ge=0)]] = []
    """Ids of the markers; absent: all that the pictures show."""
    fixed: bool = False
    """All stay where they are while the recording lasts, so that all pictures of a marker show one place; false: each
    may move, as on a box that is carried about."""

    def __post_init__(self) -> None:
        in_metres("marker_length", self.marker_length)
        if self.dictionary not in dictionary_names():
            raise ValueError(f'dictionary "{self.dictionary}" is not known; there are {", ".join(dictionary_names())}')
        if len(set(self.markers)) < len(self.markers):
            raise ValueError("markers has an id twice: print each marker once")

    def board(self) -> Markers:
        return Markers(self.dictionary, self.marker_length, tuple(sorted(self.markers)), self.fixed)


@dataclass(slots=True)
class MarkersFinder:
    """Detector of single markers."""

    board: Markers
    _aruco: Any = field(init=False)
    _cells: int = field(init=False)
    _place: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        import cv2

        dictionary = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, self.board.dictionary))
        self._cells = dictionary.markerSize + 2
        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_NONE
        self._aruco = cv2.aruco.ArucoDetector(dictionary, parameters)
        self._place = {marker: i for i, marker in enumerate(self.board.markers)}

    def ids(self, grey: UInt8[np.ndarray, "H W"]) -> list[int]:
        """Of all markers in a picture.

        Args:
            grey: The picture.

        Returns:
            Ids of the dictionary, whether they are of the set or not.
        """
        ids = self._aruco.detectMarkers(grey)[1]
        return [] if ids is None else np.asarray(ids).ravel().tolist()

    def find(self, grey: UInt8[np.ndarray, "H W"]) -> Found:
        """The corners of the markers: where straight lines along their edges meet.

        Args:
            grey: The picture.

        Returns:
            The corners; of a marker that is seen twice none.
        """
        quads, ids, _ = self._aruco.detectMarkers(grey)
        if ids is None:
            return nothing()
        found, rejected = [], 0
        counts = Counter(np.asarray(ids).ravel().tolist())
        for quad, marker in zip(quads, np.asarray(ids).ravel().tolist(), strict=True):
            if marker not in self._place or counts[marker] > 1:
                continue
            xy = _corners(grey, np.asarray(quad, np.float64).reshape(4, 2), self._cells)
            if xy is None:
                rejected += 4
            else:
                found.append((4 * self._place[marker] + np.arange(4), xy))
        if not found:
            return nothing(rejected)
        found.sort(key=lambda one: int(one[0][0]))
        corner, xy = (np.concatenate(column) for column in zip(*found, strict=True))
        return Found(corner, xy, len(ids), rejected)


def identify_markers(samples: Samples, stated: Markers) -> Identified[Markers]:
    """Which markers the pictures show.

    Args:
        samples: A few pictures of each camera.
        stated: What the file says.

    Returns:
        The set with its ids; of another dictionary, where the pictures show one.
    """
    pictures = [grey for own in samples.values() for grey in own]
    remarks: list[str] = []
    board, seen = stated, _seen(pictures, stated.dictionary)
    if not seen:
        others = {
            name: _seen(pictures[:: max(1, len(pictures) // 8)], name) for name in _LIKELY if name != stated.dictionary
        }
        best = max(others, key=lambda name: len(others[name]))
        if len(others[best]) < 2:
            return Identified(
                stated, frozenset(), (), False, "bring the markers nearer, whole in view, with white around"
            )
        remarks.append(f"the board file says {stated.dictionary}, the images show {best}")
        board, seen = replace(stated, dictionary=best), _seen(pictures, best)
    if stated.markers:
        missing = [marker for marker in stated.markers if marker not in seen]
        if missing:
            remarks.append(f"markers {_listed(missing)} are in none of the pictures that were looked at first")
        more = sorted(set(seen) - set(stated.markers))
        if more:
            remarks.append(f"markers {_listed(more)} are seen, but are not in the board file: they are left out")
    else:
        board = replace(board, markers=tuple(sorted(seen)))
    return Identified(board, frozenset(), tuple(remarks), True)


def _listed(markers: list[int]) -> str:
    return ", ".join(map(str, markers[:8])) + (f" and {len(markers) - 8} more" if len(markers) > 8 else "")


def _seen(pictures: list[UInt8[np.ndarray, "_ _"]], dictionary: str) -> list[int]:
    """Ids of markers that are not decoded by chance."""
    finder = MarkersFinder(Markers(dictionary, 1.0))
    counts = Counter(marker for grey in pictures for marker in set(finder.ids(grey)))
    least = min(_SEEN_TWICE, len(pictures))
    return [marker for marker, count in counts.items() if count >= least]


def _corners(
    grey: UInt8[np.ndarray, "H W"], quad: Float64[np.ndarray, "4 2"], cells: int
) -> Float64[np.ndarray, "4 2"] | None:
    """Where lines along the edges meet; None for a marker that is too small, blurred or cut off."""
    for _ in range(2):
        sides = [_across(grey, np.roll(quad, -i, axis=0), cells) for i in range(4)]
        known = [side for side in sides if side is not None]
        if len(known) < 4:
            return None
        # Dark and bright as the whole marker shows them: cells of few pixels reach neither everywhere.
        half = _half_way(np.concatenate([side.levels for side in known]))
        lines = [_line(side, half if side.cell < _PLATEAU_PX else _half_way(side.levels)) for side in known]
        if any(line is None for line in lines):
            return None
        normals, distances = (np.array(column) for column in zip(*[line for line in lines if line], strict=True))
        moved = np.stack([np.linalg.solve(normals[[i - 1, i]], distances[[i - 1, i]]) for i in range(4)])
        if np.linalg.norm(moved - quad, axis=1).max() > 0.15 * np.linalg.norm(quad[1] - quad[0]) + 2:
            return None
        quad = moved
    return quad


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """Grey levels (profile, sample) along lines across a side, from within the marker outwards.

    Attributes:
        levels: Grey levels.
        across: Of each sample, px from the side.
        base: Where each profile meets the side, px.
        outwards: Unit vector.
        cell: Size of a cell across the side, px.
    """

    levels: Float64[np.ndarray, "p s"]
    across: Float64[np.ndarray, " s"]
    base: Float64[np.ndarray, "p 2"]
    outwards: Float64[np.ndarray, " 2"]
    cell: float


def _across(grey: UInt8[np.ndarray, "H W"], quad: Float64[np.ndarray, "4 2"], cells: int) -> _Side | None:
    """Across the first side; None where it is too small."""
    import cv2

    a, b, *opposite = quad
    side = float(np.linalg.norm(b - a))
    if side < _SMALLEST_PX:
        return None
    along = (b - a) / side
    outwards = np.array([along[1], -along[0]])  # of corners that follow each other clockwise in the picture
    cell = float(np.mean((a - opposite) @ outwards)) / cells  # across this side
    if cell < _SMALLEST_CELL_PX:
        return None
    reach = max(_REACH * cell, 1.5)
    across = np.linspace(-reach, reach, _SAMPLES)
    base = a + np.linspace(*_ALONG, _PROFILES)[:, None] * (b - a)
    places = (base[:, None] + across[:, None] * outwards).astype(np.float32)
    levels = cv2.remap(grey, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _Side(levels.astype(np.float64), across, base, outwards, cell)


def _half_way(levels: Float64[np.ndarray, "p s"]) -> float:
    """Between dark and bright."""
    middle = levels.shape[1] // 2
    return float(np.percentile(levels[:, :middle], 5) + np.percentile(levels[:, middle:], 95)) / 2


def _line(side: _Side, half: float) -> tuple[Float64[np.ndarray, " 2"], float] | None:
    """The line (unit normal, distance) along a side, by where grey levels are half way from dark to bright.

    White cells a cell away within the marker, and what is beyond its white edge, change the levels there hardly at all,
    while they draw the middle of the rise to the other side by a tenth of a pixel where cells are small.
    """
    levels, across = side.levels, side.across
    rises = (levels[:, :-1] < half) & (levels[:, 1:] >= half)
    share = (half - levels[:, :-1]) / np.where(rises, levels[:, 1:] - levels[:, :-1], 1.0)
    place = np.where(rises, across[:-1] + share * (across[1] - across[0]), np.inf)
    nearest = np.abs(place).argmin(axis=1)
    crossing = place[np.arange(len(place)), nearest]
    good = np.isfinite(crossing) & (np.maximum(np.diff(levels, axis=1), 0).sum(axis=1) > _MIN_CONTRAST)
    if good.sum() < _PROFILES / 2:
        return None
    points = side.base + np.where(good, crossing, 0.0)[:, None] * side.outwards
    for _ in range(2):
        origin = points[good].mean(axis=0)
        normal = np.linalg.svd(points[good] - origin)[2][1]
        missed = np.abs((points - origin) @ normal)
        good = good & (missed <= max(3 * float(np.median(missed[good])), 0.1))
    if good.mean() < _STRAIGHT:  # something hides a part of the edge
        return None
    return normal, float(normal @ origin)
