"""The plain chessboard: its file, where its corners are, and how it is found in a picture, whole or not at all.

Letters in shapes: N inner corners of the board, c columns and r rows of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
from jaxtyping import Float64, UInt8

from calib.board.found import Found, Identified, Samples, nothing
from calib.board.grid import in_metres, right_handed, spacing_px, upright
from calib.board.sharpness import sharp_corners
from multiview.common.ranges import between

__all__ = ["Chessboard", "ChessboardFinder", "ChessboardTable", "identify_chessboard"]

_SEARCHED_PX = 800  # width in which the board is looked for first
_WINDOW = (2, 8)  # px; half the side of the window in which a corner is refined
_OF_SQUARE = 0.3  # the window's share of a square
_SAMPLES = 4  # pictures of each camera in which other square counts are looked for
_MOST_SQUARES = 40
_FLAT_PX = 12  # side of a square in a picture of the board seen from straight in front
_SHADE = 0.35  # share of the contrast by which a square may differ from black or white
_SIDE_SEEN = 0.4  # share of the places along a side
_OF_SQUARES = 0.9  # share of the squares that have to be as they should


@dataclass(frozen=True, slots=True)
class Chessboard:
    """A plain chessboard.

    Attributes:
        squares: Columns and rows.
        square_length: Side of a square, m.
    """

    squares: tuple[int, int]
    square_length: float

    LENGTHS: ClassVar[tuple[str, ...]] = ("square_length",)
    kind: ClassVar[str] = "chessboard"

    @property
    def points(self) -> Float64[np.ndarray, "N 3"]:
        """Inner corners row by row, m: x right, y down, z into the board, from the corner of its first square."""
        columns, rows = self.squares
        y, x = np.mgrid[1:rows, 1:columns]
        return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) * self.square_length

    @property
    def front_corners(self) -> int:
        """Number of inner corners."""
        return (self.squares[0] - 1) * (self.squares[1] - 1)

    @property
    def symmetric(self) -> bool:
        """Whether it looks the same turned by half a turn."""
        return sum(self.squares) % 2 == 0

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the print, m."""
        return self.squares[0] * self.square_length, self.squares[1] * self.square_length

    def picture(self, px_per_square: int) -> UInt8[np.ndarray, "H W"]:
        """As it is printed, without a margin; the first square is black.

        Args:
            px_per_square: Its resolution.

        Returns:
            (H, W) grey levels.
        """
        columns, rows = self.squares
        y, x = np.mgrid[0:rows, 0:columns]
        return np.kron(np.where((x + y) % 2 == 0, 0, 255), np.ones((px_per_square,) * 2)).astype(np.uint8)

    def words(self) -> str:
        """Description for a user."""
        return f"a chessboard of {self.squares[0]}x{self.squares[1]} squares of {1000 * self.square_length:g} mm"


class ChessboardTable(msgspec.Struct, forbid_unknown_fields=True):
    """board.toml of kind "chessboard", with the fields of `Chessboard`."""

    kind: Literal["chessboard"]
    """`chessboard`: black and white squares, without markers."""
    squares: Annotated[
        list[Annotated[int, between(4, _MOST_SQUARES, "squares")]], msgspec.Meta(min_length=2, max_length=2)
    ]
    """Columns and rows of squares, black and white ones, not of inner corners."""
    square_length: Annotated[float, msgspec.Meta(gt=0)]
    """m. Side of a square, as measured on the print."""

    def __post_init__(self) -> None:
        in_metres("square_length", self.square_length)
        columns, rows = self.squares
        if columns == rows:
            raise ValueError(
                f"a chessboard of {columns}x{rows} squares looks alike from four sides: cover a row with white "
                f"paper, and write squares = [{columns}, {rows - 1}]"
            )

    def board(self) -> Chessboard:
        return Chessboard((self.squares[0], self.squares[1]), self.square_length)


@dataclass(slots=True)
class ChessboardFinder:
    """Detector of a chessboard that is whole in view, with a white edge around it."""

    board: Chessboard

    def find(self, grey: UInt8[np.ndarray, "H W"]) -> Found:
        """Its corners, those that are blurred left out; none where it is not seen as a whole.

        Args:
            grey: The picture.

        Returns:
            The corners.

        References:
            Duda and Frese 2018, Accurate detection and localization of checkerboard corners for calibration.
        """
        columns, rows = self.board.squares
        xy = _whole_board(grey, (columns - 1, rows - 1))
        if xy is None:
            return nothing()
        grid = right_handed(xy.reshape(rows - 1, columns - 1, 2))
        if not _is_all_of_one(grey, grid):
            return nothing()
        grid = _refined(grey, grid)
        first_is_black = _brighter_where_even(grey, grid) < 0
        turn = not upright(grid) if self.board.symmetric else not first_is_black
        grid = grid[::-1, ::-1] if turn else grid
        xy = np.ascontiguousarray(grid.reshape(-1, 2))
        sharp = sharp_corners(grey, xy, spacing_px(grid))
        return Found(np.flatnonzero(sharp), xy[sharp], 0, int((~sharp).sum()))


def identify_chessboard(samples: Samples, stated: Chessboard) -> Identified[Chessboard]:
    """The chessboard of the pictures: as stated, or with other numbers of squares.

    Args:
        samples: A few pictures of each camera.
        stated: What its file says.

    Returns:
        The board, and what its file has wrong.
    """
    finder = ChessboardFinder(stated)
    if any(len(finder.find(grey).corner) for own in samples.values() for grey in own):
        return Identified(stated, frozenset(), _half_turn(stated), True)
    pictures = [grey for own in samples.values() for grey in own[:: max(1, len(own) // _SAMPLES)]]
    if hint := _markers_hint(pictures):
        return Identified(stated, frozenset(), (), False, hint)
    shown = Counter(squares for grey in pictures if (squares := _squares_shown(grey)) is not None)
    if not shown:
        return Identified(stated, frozenset(), (), False)
    columns, rows = max(shown, key=lambda squares: (squares[0] * squares[1], shown[squares]))  # others are of parts
    if (columns > rows) != (stated.squares[0] > stated.squares[1]):
        columns, rows = rows, columns
    said = f"{stated.squares[0]}x{stated.squares[1]}"
    if columns == rows or min(columns, rows) < 4:
        return Identified(stated, frozenset(), (), False, f"the images show {columns}x{rows} squares")
    board = replace(stated, squares=(columns, rows))
    inner = " (it counts the inner corners)" if (columns - 1, rows - 1) == stated.squares else ""
    remark = f"the board file says {said}, the images show {columns}x{rows}{inner}"
    return Identified(board, frozenset(), (remark, *_half_turn(board)), True)


def _half_turn(board: Chessboard) -> tuple[str, ...]:
    if not board.symmetric:
        return ()
    return (
        f"{board.squares[0]}x{board.squares[1]} squares look alike turned by half a turn: which way the board was held "
        "is taken from its motion and from other cameras; a board with one row more or less tells it by itself",
    )


def _whole_board(grey: UInt8[np.ndarray, "H W"], inner: tuple[int, int]) -> Float64[np.ndarray, "N 2"] | None:
    """Roughly where the corners are: looked for in a smaller picture first, then in all of it if promising."""
    import cv2

    scale = max(1.0, max(grey.shape) / _SEARCHED_PX)
    xy = _search(cv2.resize(grey, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA), inner, scale)
    if xy is None and scale > 1 and cv2.checkChessboard(grey, inner):
        xy = _search(grey, inner, 1.0)
    return xy


def _search(grey: UInt8[np.ndarray, "H W"], inner: tuple[int, int], scale: float) -> Float64[np.ndarray, "N 2"] | None:
    import cv2

    found, xy = cv2.findChessboardCornersSB(grey, inner, flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
    return (np.asarray(xy, np.float64).reshape(-1, 2) + 0.5) * scale - 0.5 if found else None


def _squares_shown(grey: UInt8[np.ndarray, "H W"]) -> tuple[int, int] | None:
    """Columns and rows of whatever chessboard a picture shows, the longer side first."""
    import cv2

    scale = max(1.0, max(grey.shape) / _SEARCHED_PX)
    small = cv2.resize(grey, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    flags = cv2.CALIB_CB_LARGER | cv2.CALIB_CB_NORMALIZE_IMAGE
    found, _, shape = cv2.findChessboardCornersSBWithMeta(small, (3, 3), flags)
    if not found or shape is None:
        return None
    rows, columns = sorted(shape.shape[:2])
    board = Chessboard((columns + 1, rows + 1), 1.0)
    xy = _whole_board(grey, (columns, rows))
    if xy is None:
        return None
    grid = right_handed(xy.reshape(rows, columns, 2))
    return board.squares if _is_all_of_one(grey, grid, all_round=True) else None


def _markers_hint(pictures: list[UInt8[np.ndarray, "_ _"]]) -> str:
    """What to do where the squares bear markers."""
    import cv2

    detector = cv2.aruco.ArucoDetector(cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_1000))
    most = max((0 if (ids := detector.detectMarkers(grey)[1]) is None else len(ids) for grey in pictures), default=0)
    if most < 4:
        return ""
    return (
        "the images show a board with markers: leave kind out of the board file, and say marker_length and dictionary"
    )


def _is_all_of_one(grey: UInt8[np.ndarray, "H W"], grid: Float64[np.ndarray, "r c 2"], all_round: bool = False) -> bool:
    """Whether plain squares of a chessboard lie around these corners, and no more of them outside.

    With `all_round` what is outside must be in the picture on each side: where it is cut off, there may be more.
    """
    import cv2

    rows, columns = grid.shape[0] + 1, grid.shape[1] + 1
    y, x = np.mgrid[2 : rows + 1, 2 : columns + 1]  # with one more square on each side
    flat = np.stack([x, y], axis=-1).reshape(-1, 2) * float(_FLAT_PX) - 0.5
    H, _ = cv2.findHomography(grid.reshape(-1, 2), flat)
    if H is None:
        return False
    size = (columns + 2) * _FLAT_PX, (rows + 2) * _FLAT_PX
    seen = cv2.warpPerspective(np.ones_like(grey), H, size, flags=cv2.INTER_NEAREST)
    straight = cv2.warpPerspective(grey, H, size, flags=cv2.INTER_LINEAR).astype(np.float64)

    def middles(picture: Float64[np.ndarray, "H W"]) -> Float64[np.ndarray, "R C"]:
        cells = picture.reshape(rows + 2, _FLAT_PX, columns + 2, _FLAT_PX)[:, 3:-3, :, 3:-3]
        return np.asarray(cells.mean(axis=(1, 3)))

    shade, there = middles(straight), middles(seen.astype(np.float64)) == 1
    row, column = np.indices(shade.shape)
    even = (row + column) % 2 == 0
    inside = np.zeros_like(even)
    inside[1:-1, 1:-1] = True
    levels = np.median(shade[inside & even]), np.median(shade[inside & ~even])
    contrast = levels[0] - levels[1]
    if abs(contrast) < 1:
        return False
    right = np.abs(shade - np.where(even, *levels)) < _SHADE * abs(contrast)
    if right[inside].mean() < _OF_SQUARES:
        return False
    around = there & ~inside
    sides = there[0], there[-1], there[:, 0], there[:, -1]
    if all_round and min(side.mean() for side in sides) < _SIDE_SEEN:
        return False
    if not (around & even).any() or not (around & ~even).any():
        return True
    return bool(abs(shade[around & even].mean() - shade[around & ~even].mean()) < _SHADE * abs(contrast))


def _refined(grey: UInt8[np.ndarray, "H W"], grid: Float64[np.ndarray, "r c 2"]) -> Float64[np.ndarray, "r c 2"]:
    """To a fraction of a pixel, by the gradients around each corner (Foerstner and Guelch 1987)."""
    import cv2

    reach = int(np.clip(round(_OF_SQUARE * spacing_px(grid)), *_WINDOW))
    start = np.ascontiguousarray(grid.reshape(-1, 1, 2), np.float32)
    steps = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-3)
    xy = cv2.cornerSubPix(grey, start, (reach, reach), (-1, -1), steps)
    return np.asarray(xy, np.float64).reshape(grid.shape)


def _brighter_where_even(grey: UInt8[np.ndarray, "H W"], grid: Float64[np.ndarray, "r c 2"]) -> float:
    """By how much the squares between corners whose column and row are both even or both odd are the brighter ones."""
    middle = (grid[:-1, :-1] + grid[1:, :-1] + grid[:-1, 1:] + grid[1:, 1:]) / 4
    x, y = np.rint(middle).astype(int).transpose(2, 0, 1)
    shade = grey[np.clip(y, 0, grey.shape[0] - 1), np.clip(x, 0, grey.shape[1] - 1)].astype(np.float64)
    row, column = np.indices(shade.shape)
    even = (row + column) % 2 == 0
    return float(shade[even].mean() - shade[~even].mean())
