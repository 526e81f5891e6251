"""Grids of circles: their file, where their middles are, and how they are found in a picture.

A picture shows a circle as an ellipse, whose middle is not the picture of the circle's middle: that is corrected by the
grid's homography. Letters in shapes: N circles in c columns and r rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from jaxtyping import Float64, UInt8

from calib.board.found import Found, Identified, Samples, nothing
from calib.board.grid import in_metres, right_handed, upright
from multiview.common.ranges import between

__all__ = ["Circles", "CirclesFinder", "CirclesTable", "identify_circles"]

_USUAL_DIAMETER = 0.6  # of the distance of the nearest two circles
_SMALLEST_PX2, _LARGEST_SHARE = 12.0, 0.02  # of a circle's area in a picture
_MIN_CONTRAST = 25  # grey levels
_MAX_BLUR = 0.6  # share of a circle's area that is neither light nor dark
_FIT_PX, _FIT_SHARE = 1.5, 0.02  # by which middles may miss one homography; the latter of the grid's size
_SAMPLES = 6  # pictures of each camera in which other grids are looked for


@dataclass(frozen=True, slots=True)
class Circles:
    """A grid of circles.

    Attributes:
        circles: Columns and rows.
        spacing: From one row to the next, m.
        staggered: Every second row is shifted by `spacing`, and circles of one row are twice `spacing` apart
            ("asymmetric" in OpenCV); else columns are as far apart as rows.
        inverted: White circles on black.
    """

    circles: tuple[int, int]
    spacing: float
    staggered: bool = True
    inverted: bool | None = None

    LENGTHS: ClassVar[tuple[str, ...]] = ("spacing",)
    kind: ClassVar[str] = "circles"

    @property
    def points(self) -> Float64[np.ndarray, "N 3"]:
        """Middles row by row, m: x right, y down, z into the board, from the middle of the first circle."""
        columns, rows = self.circles
        y, x = np.mgrid[0:rows, 0:columns]
        x = 2 * x + y % 2 if self.staggered else x
        return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) * self.spacing

    @property
    def front_corners(self) -> int:
        """Number of circles."""
        return self.circles[0] * self.circles[1]

    @property
    def symmetric(self) -> bool:
        """Whether it looks the same turned by half a turn."""
        return not self.staggered or self.circles[1] % 2 == 0

    @property
    def diameter(self) -> float:
        """Of a circle in a print of ours, m; of another it is seen."""
        return _USUAL_DIAMETER * self.spacing * (np.sqrt(2) if self.staggered else 1.0)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the print, with a margin of one spacing around the middles, m."""
        x, y = np.ptp(self.points[:, :2], axis=0) + 2 * self.spacing
        return float(x), float(y)

    def picture(self, px_per_spacing: int) -> UInt8[np.ndarray, "H W"]:
        """As it is printed; the middle of the first circle is one spacing from the left and the upper edge.

        Args:
            px_per_spacing: Its resolution.

        Returns:
            (H, W) grey levels.
        """
        import cv2

        per_m, fine = px_per_spacing / self.spacing, 16
        width, height = (round(side * per_m) for side in self.size)
        image = np.full((height, width), 255, np.uint8)
        radius = round(self.diameter / 2 * per_m * fine)
        for x, y in (self.points[:, :2] + self.spacing) * per_m - 0.5:
            cv2.circle(image, (round(x * fine), round(y * fine)), radius, 0, -1, cv2.LINE_AA, 4)
        return np.asarray(255 - image if self.inverted else image)

    def words(self) -> str:
        """Description for a user."""
        columns, rows = self.circles
        kind = "a staggered grid" if self.staggered else "a grid"
        white = ", white on black" if self.inverted else ""
        return f"{kind} of {columns}x{rows} circles, rows {1000 * self.spacing:g} mm apart{white}"


class CirclesTable(msgspec.Struct, forbid_unknown_fields=True):
    """board.toml of kind "circles", with the fields of `Circles`."""

    kind: Literal["circles"]
    """`circles`: a grid of circles."""
    circles: Annotated[list[Annotated[int, between(2, 60, "circles")]], msgspec.Meta(min_length=2, max_length=2)]
    """Columns and rows: of a staggered grid, the circles of one row, and all rows."""
    spacing: Annotated[float, msgspec.Meta(gt=0)]
    """m. From one row to the next; in a staggered grid half of the distance of two circles of one row."""
    staggered: bool = True
    """Every second row is shifted by `spacing` (OpenCV's asymmetric grid); false: columns and rows at right angles."""
    inverted: bool | None = None
    """White circles on black; absent: `detect` determines it."""

    def __post_init__(self) -> None:
        in_metres("spacing", self.spacing)
        columns, rows = self.circles
        if not self.staggered and columns == rows:
            raise ValueError(
                f"a grid of {columns}x{rows} circles looks alike from four sides: cover a row with paper, and write "
                f"circles = [{columns}, {rows - 1}]"
            )
        if columns * rows < 8:
            raise ValueError(f"{columns}x{rows} circles are too few: a grid needs 8, better 40")

    def board(self) -> Circles:
        return Circles((self.circles[0], self.circles[1]), self.spacing, self.staggered, self.inverted)


@dataclass(slots=True)
class CirclesFinder:
    """Detector of a grid of circles that is whole in view."""

    board: Circles
    _blobs: Any = field(init=False)

    def __post_init__(self) -> None:
        self._blobs = None

    def find(self, grey: UInt8[np.ndarray, "H W"]) -> Found:
        """The middles of all circles; none where the grid is not seen as a whole.

        Args:
            grey: The picture.

        Returns:
            The middles.

        References:
            Heikkila and Silven 1997, A four-step camera calibration procedure with implicit image correction, section 3
            (the middle of an ellipse).
        """
        dark = 255 - grey if self.board.inverted else grey
        rough = self._rough(dark)
        if rough is None:
            return nothing()
        reach = 0.45 * _nearest_px(rough)
        middles, area, blurred = _centroids(dark, rough, reach)
        if blurred > _MAX_BLUR:
            return nothing(rejected=len(rough))
        xy = _corrected(self.board.points[:, :2], middles, area)
        return Found(np.arange(len(xy)), xy, 0, 0)

    def _rough(self, dark: UInt8[np.ndarray, "H W"]) -> Float64[np.ndarray, "N 2"] | None:
        """Roughly where the middles are, in the order of `points`."""
        import cv2

        kind = cv2.CALIB_CB_ASYMMETRIC_GRID if self.board.staggered else cv2.CALIB_CB_SYMMETRIC_GRID
        detector = self._detector(dark.shape[0] * dark.shape[1])
        for way in (0, cv2.CALIB_CB_CLUSTERING):
            found, xy = cv2.findCirclesGrid(dark, self.board.circles, None, kind | way, detector)
            if found:
                return self._in_order(np.asarray(xy, np.float64).reshape(-1, 2))
        return None

    def _detector(self, pixels: int) -> Any:
        import cv2

        if self._blobs is None:
            made: Any = cv2  # whose stubs lack this detector
            parameters = made.SimpleBlobDetector_Params()
            parameters.minArea, parameters.maxArea = _SMALLEST_PX2, _LARGEST_SHARE * pixels
            parameters.minDistBetweenBlobs = 3.0
            parameters.minThreshold, parameters.maxThreshold, parameters.thresholdStep = 30, 230, 20
            parameters.filterByColor, parameters.blobColor = True, 0
            parameters.filterByInertia, parameters.minInertiaRatio = True, 0.08
            parameters.filterByConvexity, parameters.minConvexity = True, 0.85
            self._blobs = made.SimpleBlobDetector_create(parameters)
        return self._blobs

    def _in_order(self, xy: Float64[np.ndarray, "N 2"]) -> Float64[np.ndarray, "N 2"] | None:
        """Of the orders in which the grid may have been counted, one that a front fits; upright, if two do."""
        columns, rows = self.board.circles
        grid = xy.reshape(rows, columns, 2)
        if self.board.staggered:
            ways = [grid, grid[:, ::-1], grid[::-1], grid[::-1, ::-1]]
        else:
            front = right_handed(grid)
            ways = [front, front[::-1, ::-1]]
        fitting = [way for way in ways if _is_front(self.board.points[:, :2], way.reshape(-1, 2))]
        if not fitting:
            return None
        best = max(fitting, key=upright) if self.board.symmetric else fitting[0]
        return np.ascontiguousarray(best.reshape(-1, 2))


def identify_circles(samples: Samples, stated: Circles) -> Identified[Circles]:
    """The grid of the pictures: black on white or white on black, columns and rows exchanged, staggered or not.

    Args:
        samples: A few pictures of each camera.
        stated: What its file says.

    Returns:
        The grid, and what its file has wrong.
    """
    pictures = [grey for own in samples.values() for grey in own[:: max(1, len(own) // _SAMPLES)]]
    columns, rows = stated.circles
    shapes = [(stated.circles, stated.staggered), ((rows, columns), stated.staggered)]
    shapes.append((stated.circles, not stated.staggered))
    for circles, staggered in shapes:
        if not staggered and circles[0] == circles[1]:
            continue
        for inverted in (bool(stated.inverted), not stated.inverted):
            board = Circles(circles, stated.spacing, staggered, inverted)
            finder = CirclesFinder(board)
            if any(len(finder.find(grey).corner) for grey in pictures):
                return Identified(board, frozenset(), _remarks(stated, board), True)
    hint = f"count its circles (columns, rows: {columns}x{rows} in the file), and record it whole in view and sharp"
    return Identified(replace(stated, inverted=bool(stated.inverted)), frozenset(), (), False, hint)


def _remarks(stated: Circles, shown: Circles) -> tuple[str, ...]:
    said: list[str] = []
    if shown.circles != stated.circles:
        a, b = (f"{columns}x{rows}" for columns, rows in (stated.circles, shown.circles))
        said.append(f"the board file says {a} circles, the images show {b}")
    if shown.staggered != stated.staggered:
        said.append(f"the board file says staggered = {str(stated.staggered).lower()}, the images show the opposite")
    if shown.inverted and not stated.inverted:
        said.append("the board has white circles on black")
    if shown.inverted is False and stated.inverted:
        said.append("the board file says inverted = true, the images show the opposite")
    if shown.symmetric:
        said.append(
            "this grid looks alike turned by half a turn: which way the board was held is taken from its motion and "
            "from other cameras; a staggered grid with an odd number of rows tells it by itself"
        )
    return tuple(said)


def _is_front(plane: Float64[np.ndarray, "N 2"], xy: Float64[np.ndarray, "N 2"]) -> bool:
    """Whether a homography that does not mirror takes the grid to the picture."""
    import cv2

    H, _ = cv2.findHomography(plane, xy)
    if H is None or np.linalg.det(H[:2, :2] - np.outer(H[:2, 2], H[2, :2])) <= 0:
        return False
    missed = np.linalg.norm(cv2.perspectiveTransform(plane[:, None], H)[:, 0] - xy, axis=1)
    return bool(missed.max() < max(_FIT_PX, _FIT_SHARE * float(np.linalg.norm(np.ptp(xy, axis=0)))))


def _nearest_px(xy: Float64[np.ndarray, "N 2"]) -> Float64[np.ndarray, " N"]:
    """From each middle to the nearest other one."""
    apart = np.linalg.norm(xy[:, None] - xy, axis=-1)
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1))


def _centroids(
    dark: UInt8[np.ndarray, "H W"], rough: Float64[np.ndarray, "N 2"], reach: Float64[np.ndarray, " N"]
) -> tuple[Float64[np.ndarray, "N 2"], Float64[np.ndarray, " N"], float]:
    """Middles of darkness within reach, the area that is dark (px^2), and the share of it that is blurred."""
    middles, area, blurred = rough.copy(), np.zeros(len(rough)), np.zeros(len(rough))
    height, width = dark.shape
    for i, far in enumerate(reach.tolist()):
        for _ in range(2):
            x0, y0 = np.maximum(np.floor(middles[i] - far).astype(int), 0)
            x1, y1 = np.minimum(np.ceil(middles[i] + far).astype(int) + 1, (width, height))
            y, x = np.mgrid[y0:y1, x0:x1]
            patch = dark[y0:y1, x0:x1].astype(np.float64)
            inside = np.hypot(x - middles[i, 0], y - middles[i, 1]) <= far
            if inside.sum() < 9:
                blurred[i] = 1.0
                break
            black, white = np.percentile(patch[inside], [4, 96])
            if white - black < _MIN_CONTRAST:
                blurred[i] = 1.0
                break
            weight = np.clip((white - patch) / (white - black) * 1.25 - 0.125, 0, 1) * inside
            area[i] = weight.sum()
            middles[i] = (weight * x).sum() / area[i], (weight * y).sum() / area[i]
            blurred[i] = ((weight > 0.15) & (weight < 0.85)).sum() / area[i] - 4 / np.sqrt(area[i])
    return middles, area, float(np.median(blurred))


def _corrected(
    plane: Float64[np.ndarray, "N 2"], middles: Float64[np.ndarray, "N 2"], area: Float64[np.ndarray, " N"]
) -> Float64[np.ndarray, "N 2"]:
    """Pictures of the circles' middles, from the middles of the ellipses."""
    import cv2

    xy = middles
    for _ in range(2):
        H, _ = cv2.findHomography(plane, xy)
        at = np.column_stack([plane, np.ones(len(plane))])
        seen = at @ H.T
        scale = np.linalg.det(H) / seen[:, 2] ** 3  # of areas
        radius = float(np.median(np.sqrt(area / (np.pi * np.abs(scale)))))
        # The dual conic of a circle at p, which is p p' - r^2 diag(1, 1, 0), becomes H . H'.
        flat = np.diag([1.0, 1.0, 0.0])
        dual = H @ (at[:, :, None] * at[:, None] - radius**2 * flat) @ H.T
        ellipse = dual[:, :2, 2] / dual[:, 2:, 2]
        xy = middles - (ellipse - seen[:, :2] / seen[:, 2:])
    return np.asarray(xy)
