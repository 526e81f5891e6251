"""The ChArUco board: its print, the positions of its corners, and its file `board.toml`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from jaxtyping import Float64, UInt8

from calib.board.grid import in_metres
from multiview.common.ranges import between
from multiview.common.toml import convert

__all__ = ["Back", "Board", "BoardTable", "board_from_table", "dictionary_names"]

_MAX_THICKNESS_M = 0.1

Back = Literal["following", "mirrored"]


@dataclass(frozen=True, slots=True)
class Board:
    """A ChArUco board.

    Attributes:
        squares: Columns and rows.
        square_length: Side of a square, m.
        marker_length: Side of a marker, m.
        dictionary: OpenCV's name of the marker dictionary.
        legacy: True for OpenCV's pattern before 4.6; None if unknown.
        inverted: True if white and black are exchanged; None if unknown.
        first_marker: Id of the first marker.
        back: What the back of the plate shows: the same grid with the markers that follow ("following"), or the front's
            mirror image, as if the plate were of glass ("mirrored"); None: nothing.
        thickness: From the front's print to the back's, m.
    """

    squares: tuple[int, int]
    square_length: float
    marker_length: float
    dictionary: str
    legacy: bool | None = None
    inverted: bool | None = None
    first_marker: int = 0
    back: Back | None = None
    thickness: float = 0.0

    LENGTHS: ClassVar[tuple[str, ...]] = ("square_length", "marker_length", "thickness")
    kind: ClassVar[str] = "charuco"
    symmetric: ClassVar[bool] = False

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the print, m."""
        return self.squares[0] * self.square_length, self.squares[1] * self.square_length

    @property
    def points(self) -> Float64[np.ndarray, "N 3"]:
        """Inner corners by their id, m, from the front's origin: x right, y down, z into the board.

        The front's corners have their ChArUco ids; those of the back follow, each at its place behind the front.
        """
        columns, rows = self.squares
        y, x = np.mgrid[1:rows, 1:columns]
        front = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) * self.square_length
        if self.back is None:
            return front
        behind = front + np.array([0.0, 0.0, self.thickness])
        if self.back == "following":  # its rows run from right to left, seen from the front
            behind[:, 0] = columns * self.square_length - behind[:, 0]
        return np.concatenate([front, behind])

    @property
    def front_corners(self) -> int:
        """Number of inner corners of one side."""
        return (self.squares[0] - 1) * (self.squares[1] - 1)

    def one_side(self, back: bool = False) -> Board:
        """The front or the back as a board of one side; that of a mirrored back is the front itself.

        Args:
            back: The back.

        Returns:
            The board.
        """
        follows = back and self.back == "following"
        first = self.first_marker + (self.markers if follows else 0)
        return replace(self, first_marker=first, back=None, thickness=0.0)

    @property
    def markers(self) -> int:
        """Number of markers on one side: half the squares, rounded according to the colour of the first square."""
        return len(self.opencv().getIds())

    def opencv(self, legacy: bool | None = None) -> Any:
        """OpenCV's board of the front, for detection and printing.

        Args:
            legacy: The pattern; None: the board's own.

        Returns:
            A `cv2.aruco.CharucoBoard`.
        """
        import cv2

        code = getattr(cv2.aruco, self.dictionary)
        dictionary = cv2.aruco.getPredefinedDictionary(code)
        made = cv2.aruco.CharucoBoard(self.squares, self.square_length, self.marker_length, dictionary)
        if self.first_marker:
            ids = np.asarray(made.getIds()) + self.first_marker
            made = cv2.aruco.CharucoBoard(self.squares, self.square_length, self.marker_length, dictionary, ids)
        made.setLegacyPattern(bool(self.legacy if legacy is None else legacy))
        return made

    def picture(self, px_per_square: int) -> UInt8[np.ndarray, "H W"]:
        """The front as it is printed, without a margin.

        Args:
            px_per_square: Its resolution.

        Returns:
            (H, W) grey levels.
        """
        columns, rows = self.squares
        image = self.opencv().generateImage((columns * px_per_square, rows * px_per_square), marginSize=0)
        return 255 - image if self.inverted else image

    def words(self) -> str:
        """Description for a user."""
        kind = f"{self.squares[0]}x{self.squares[1]} squares of {1000 * self.square_length:g} mm, {self.dictionary}"
        flags = [name for name in ("legacy", "inverted") if getattr(self, name)]
        if self.first_marker:
            flags.append(f"markers from {self.first_marker}")
        if self.back is not None:
            shows = "its mirror image" if self.back == "mirrored" else "the markers that follow"
            behind = f", {1000 * self.thickness:g} mm behind" if self.thickness else ""
            flags.append(f"on its back {shows}{behind}")
        return ", ".join([kind, *flags])


@cache
def dictionary_names() -> tuple[str, ...]:
    """Names of OpenCV's marker dictionaries."""
    import cv2

    return tuple(sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_")))


class BoardTable(msgspec.Struct, forbid_unknown_fields=True):
    """board.toml, with the fields of `Board`."""

    squares: Annotated[list[Annotated[int, between(3, 200, "squares")]], msgspec.Meta(min_length=2, max_length=2)]
    """Columns and rows."""
    square_length: Annotated[float, msgspec.Meta(gt=0)]
    """m. Side of a square, as measured on the print."""
    marker_length: Annotated[float, msgspec.Meta(gt=0)]
    """m. Side of a marker."""
    dictionary: str
    """OpenCV's name of the marker dictionary, such as `DICT_4X4_1000`."""
    legacy: bool | None = None
    """OpenCV's pattern before 4.6; absent: `detect` determines it."""
    inverted: bool | None = None
    """White and black are exchanged; absent: `detect` determines it."""
    first_marker: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Id of the first marker, row by row."""
    back: Back | None = None
    """What the back shows: `following` (the same grid, with the markers that follow those of the front) or `mirrored`
    (the front's mirror image, each corner behind itself); absent: nothing."""
    thickness: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """m. From the front's print to the back's."""

    def __post_init__(self) -> None:
        columns, rows = self.squares
        for key in ("square_length", "marker_length"):
            in_metres(key, getattr(self, key))
        if self.marker_length >= self.square_length:
            raise ValueError(
                f"marker_length ({self.marker_length:g}) must be smaller than square_length ({self.square_length:g})"
            )
        if self.dictionary not in dictionary_names():
            nearest = difflib.get_close_matches(self.dictionary, dictionary_names(), n=1, cutoff=0.0)[0]
            raise ValueError(f'dictionary "{self.dictionary}" is not known; did you mean "{nearest}"?')
        if self.thickness > _MAX_THICKNESS_M:
            raise ValueError(
                f"thickness must be in metres: {self.thickness:g} m looks like {self.thickness:g} mm "
                f"= {self.thickness / 1000:g} m"
            )
        needed = self.first_marker + columns * rows // 2 * (2 if self.back == "following" else 1)
        if needed > (available := _markers_in(self.dictionary)):
            raise ValueError(f"{columns}x{rows} squares need {needed} markers; {self.dictionary} has {available}")

    def board(self) -> Board:
        return Board((self.squares[0], self.squares[1]), *msgspec.structs.astuple(self)[1:])


def board_from_table(table: dict[str, Any]) -> Board:
    """Checked board values; raises ConfigError."""
    return convert(table, BoardTable, "board").board()


def _markers_in(dictionary: str) -> int:
    import cv2

    return int(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary)).bytesList.shape[0])
