"""The ChArUco board: its print, the positions of its corners, and its file `board.toml`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from jaxtyping import Float64, UInt8

from multiview.common.ranges import between
from multiview.common.toml import convert, decode_toml

__all__ = ["Board", "BoardTable", "dictionary_names", "load_board"]

_MAX_LENGTH_M = 1.0


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
    """

    squares: tuple[int, int]
    square_length: float
    marker_length: float
    dictionary: str
    legacy: bool | None = None
    inverted: bool | None = None

    @property
    def points(self) -> Float64[np.ndarray, "N 3"]:
        """Inner corners by their ChArUco id, m, from the board's own origin: x right, y down, z into the board."""
        columns, rows = self.squares
        y, x = np.mgrid[1:rows, 1:columns]
        return np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)]) * self.square_length

    @property
    def markers(self) -> int:
        """Number of markers: half the squares, rounded according to the colour of the first square."""
        return len(self.opencv().getIds())

    def opencv(self, legacy: bool | None = None) -> Any:
        """OpenCV's board, for detection and printing.

        Args:
            legacy: The pattern; None: the board's own.

        Returns:
            A `cv2.aruco.CharucoBoard`.
        """
        import cv2

        code = getattr(cv2.aruco, self.dictionary)
        dictionary = cv2.aruco.getPredefinedDictionary(code)
        made = cv2.aruco.CharucoBoard(self.squares, self.square_length, self.marker_length, dictionary)
        made.setLegacyPattern(bool(self.legacy if legacy is None else legacy))
        return made

    def picture(self, px_per_square: int) -> UInt8[np.ndarray, "H W"]:
        """The board as it is printed, without a margin.

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

    def __post_init__(self) -> None:
        columns, rows = self.squares
        for key in ("square_length", "marker_length"):
            if (length := getattr(self, key)) > _MAX_LENGTH_M:
                raise ValueError(
                    f"{key} must be in metres: {length:g} m looks like {length:g} mm = {length / 1000:g} m"
                )
        if self.marker_length >= self.square_length:
            raise ValueError(
                f"marker_length ({self.marker_length:g}) must be smaller than square_length ({self.square_length:g})"
            )
        if self.dictionary not in dictionary_names():
            nearest = difflib.get_close_matches(self.dictionary, dictionary_names(), n=1, cutoff=0.0)[0]
            raise ValueError(f'dictionary "{self.dictionary}" is not known; did you mean "{nearest}"?')
        if (needed := columns * rows // 2) > (available := _markers_in(self.dictionary)):
            raise ValueError(f"{columns}x{rows} squares need {needed} markers; {self.dictionary} has {available}")

    def board(self) -> Board:
        return Board((self.squares[0], self.squares[1]), *msgspec.structs.astuple(self)[1:])


def load_board(path: str | Path) -> Board:
    """Read a board file.

    Args:
        path: `board.toml`, in the format of docs/formats.md.

    Returns:
        The board.

    Raises:
        ConfigError: The file is missing or wrong; the message names the key and what was expected.
    """
    return decode_toml(path, BoardTable, "`multiview calibrate board` writes one").board()


def board_from_table(table: dict[str, Any]) -> Board:
    """Checked board values; raises ConfigError."""
    return convert(table, BoardTable, "board").board()


def _markers_in(dictionary: str) -> int:
    import cv2

    return int(cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, dictionary)).bytesList.shape[0])
