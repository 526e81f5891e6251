"""Detection of one board in one image: markers, then corners to a fraction of a pixel; blur and glare are rejected."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, UInt8

from calib.board.board import Board
from calib.board.found import Found
from calib.board.poses import MIN_CORNERS, consistent_with_plane
from calib.board.sharpness import sharp_corners

__all__ = ["Finder", "shows_copies"]

_MIN_BOARD_CORNERS = 4  # that determine the pose of a board
_MIN_COPIES, _COPIED_SHARE = 3, 0.25  # markers that come up twice, and their share of those found


def shows_copies(ids: Int32[np.ndarray, "m 1"]) -> bool:
    """Whether so many markers come up twice in one image that two boards bear them.

    Args:
        ids: (m, 1), as OpenCV gives them.

    Returns:
        False for a marker or two that chance has decoded.
    """
    _, count = np.unique(ids, return_counts=True)
    return bool((count == 2).sum() >= max(_MIN_COPIES, _COPIED_SHARE * len(count)))


@dataclass(slots=True)
class Finder:
    """Detector of a board whose `legacy` and `inverted` are known; `mirrored` for mirrored images.

    Of a board with a back, the side that shows more corners is found. One finder per thread: OpenCV's detectors are not
    shared.
    """

    board: Board
    mirrored: bool = False
    _aruco: Any = field(init=False)
    _charuco: Any = field(init=False)
    _points: Float64[np.ndarray, "N 3"] = field(init=False)
    _back: Finder | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        import cv2

        parameters = cv2.aruco.DetectorParameters()
        parameters.cornerRefinementMethod = cv2.aruco.CORNER_REFINE_NONE
        if self.board.back is not None:
            self._back = Finder(self.board.one_side(back=True), self.mirrored != (self.board.back == "mirrored"))
        made = self.board.opencv()
        self._aruco = cv2.aruco.ArucoDetector(made.getDictionary(), parameters)
        self._charuco = cv2.aruco.CharucoDetector(made, cv2.aruco.CharucoParameters(), parameters)
        self._points = self.board.one_side().points

    def upright(self, grey: UInt8[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W"]:
        """The picture as OpenCV expects it: dark markers on light, not mirrored."""
        grey = 255 - grey if self.board.inverted else grey
        return np.ascontiguousarray(grey[:, ::-1]) if self.mirrored else grey

    def markers(self, grey: UInt8[np.ndarray, "H W"]) -> tuple[Any, Any]:
        """Marker corners and ids in the upright picture."""
        corners, ids, _ = self._aruco.detectMarkers(self.upright(grey))
        return corners, ids

    def find(self, grey: UInt8[np.ndarray, "H W"], markers: tuple[Any, Any] | None = None) -> Found:
        """The board's corners; none if too few markers are found. `markers` are those of the front, if known."""
        if self._back is None:
            return self._find_front(grey, markers)
        markers = self.markers(grey) if markers is None else markers
        front = self._find_front(grey, markers)
        if 2 * len(front.corner) >= self.board.front_corners:
            return front
        back = self._back.find(grey, markers if self._back.mirrored == self.mirrored else None)
        if len(back.corner) <= len(front.corner):
            return front
        return replace(back, corner=back.corner + self.board.front_corners)

    def _find_front(self, grey: UInt8[np.ndarray, "H W"], markers: tuple[Any, Any] | None) -> Found:
        upright = self.upright(grey)
        corners, ids = self._aruco.detectMarkers(upright)[:2] if markers is None else markers
        if ids is None or len(ids) < 2:
            return Found(np.empty(0, np.int64), np.empty((0, 2)), 0 if ids is None else len(ids), 0)
        if shows_copies(np.asarray(ids, np.int32).reshape(-1, 1)):
            return Found(np.empty(0, np.int64), np.empty((0, 2)), len(ids), 0, copies=True)
        xy, found, _, _ = self._charuco.detectBoard(upright, markerCorners=corners, markerIds=ids)
        if found is None or len(found) < _MIN_BOARD_CORNERS:
            return Found(np.empty(0, np.int64), np.empty((0, 2)), len(ids), 0)
        corner, xy = found.ravel().astype(np.int64), xy.reshape(-1, 2).astype(np.float64)
        square = self._square_px(corner, xy)
        sharp = sharp_corners(upright, xy, square)
        kept = self._planar(corner[sharp], xy[sharp])
        corner, xy = corner[sharp][kept], xy[sharp][kept]
        if self.mirrored:
            xy[:, 0] = grey.shape[1] - 1 - xy[:, 0]
        return Found(corner, xy, len(ids), int((~sharp).sum()))

    def _planar(self, corner: Int64[np.ndarray, " n"], xy: Float64[np.ndarray, "n 2"]) -> Bool[np.ndarray, " n"]:
        """The corners consistent with one homography, with a tolerance for lens distortion over the board.

        Four or five corners always fit a homography: the solver judges them.
        """
        if len(corner) < MIN_CORNERS:
            return np.full(len(corner), len(corner) >= _MIN_BOARD_CORNERS)
        extent = float(np.linalg.norm(np.ptp(xy, axis=0)))
        seen = np.ones((1, len(corner)), dtype=bool)
        return consistent_with_plane(
            self._points[corner], xy[None], seen, max(2.0, 0.02 * extent), _MIN_BOARD_CORNERS + 1
        )[0]

    def _square_px(self, corner: Int64[np.ndarray, " n"], xy: Float64[np.ndarray, "n 2"]) -> float:
        """The side of a square in the picture, shortest direction: distances between corners that are neighbours."""
        columns = self.board.squares[0] - 1
        place = np.full((self.board.squares[1] - 1, columns, 2), np.nan)
        place[corner // columns, corner % columns] = xy
        across = np.linalg.norm(np.diff(place, axis=1), axis=-1), np.linalg.norm(np.diff(place, axis=0), axis=-1)
        sides = [float(np.nanmedian(side)) for side in across if np.isfinite(side).any()]
        return min(sides) if sides else 10.0
