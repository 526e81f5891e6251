"""The ChArUco board: what is printed, where its corners are, and the file that says so, `board.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, UInt8

from multiview.errors import ConfigError

__all__ = ["Board", "dictionary_names", "load_board"]

_KEYS = ("squares", "square_length", "marker_length", "dictionary", "legacy", "inverted")
_LONGEST_M = 1.0


@dataclass(frozen=True, slots=True)
class Board:
    """A ChArUco board: `squares` columns, rows; lengths in m; `legacy`, `inverted` None where yet to be found out."""

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
        """How many markers the board bears: half its squares, rounded as the colour of the first square says."""
        return len(self.opencv().getIds())

    def opencv(self, legacy: bool | None = None) -> Any:
        """OpenCV's board, on which detection and printing rest."""
        import cv2

        code = getattr(cv2.aruco, self.dictionary)
        dictionary = cv2.aruco.getPredefinedDictionary(code)
        made = cv2.aruco.CharucoBoard(self.squares, self.square_length, self.marker_length, dictionary)
        made.setLegacyPattern(bool(self.legacy if legacy is None else legacy))
        return made

    def picture(self, px_per_square: int) -> UInt8[np.ndarray, "H W"]:
        """The board as it is printed, without a margin."""
        columns, rows = self.squares
        image = self.opencv().generateImage((columns * px_per_square, rows * px_per_square), marginSize=0)
        return 255 - image if self.inverted else image

    def words(self) -> str:
        """As a person would say it."""
        kind = f"{self.squares[0]}x{self.squares[1]} squares of {1000 * self.square_length:g} mm, {self.dictionary}"
        flags = [name for name in ("legacy", "inverted") if getattr(self, name)]
        return ", ".join([kind, *flags])


@cache
def dictionary_names() -> tuple[str, ...]:
    """The marker dictionaries there are, as OpenCV names them."""
    import cv2

    return tuple(sorted(name for name in dir(cv2.aruco) if name.startswith("DICT_")))


def load_board(path: str | Path) -> Board:
    """Read board.toml; raises ConfigError that names the key and what was expected."""
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such board file; `multiview calibrate board` writes one") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a board file: {error}") from None
    try:
        return board_from_table(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def board_from_table(table: dict[str, Any]) -> Board:
    """Checked board values; raises ConfigError."""
    import difflib

    for key in table:
        if key not in _KEYS:
            nearest = difflib.get_close_matches(key, _KEYS, n=1, cutoff=0.0)[0]
            raise ConfigError(f"unknown key {key!r}; did you mean {nearest!r}?")
    for key in _KEYS[:4]:
        if key not in table:
            raise ConfigError(f"{key} is missing")
    squares = table["squares"]
    if not (
        isinstance(squares, list | tuple) and len(squares) == 2 and all(type(n) is int and n >= 2 for n in squares)
    ):
        raise ConfigError(f"squares must be [columns, rows], whole numbers from 2 up, not {squares!r}")
    if min(squares) < 3:
        raise ConfigError(f"squares {squares}: a board needs at least 3x3 squares, or its corners lie on one line")
    lengths = table["square_length"], table["marker_length"]
    for key, length in zip(("square_length", "marker_length"), lengths, strict=True):
        if isinstance(length, bool) or not isinstance(length, int | float) or not length > 0:
            raise ConfigError(f"{key} must be a positive number of metres, not {length!r}")
        if length > _LONGEST_M:
            raise ConfigError(f"{key} must be in metres: {length:g} m looks like {length:g} mm = {length / 1000:g} m")
    if lengths[1] >= lengths[0]:
        raise ConfigError(f"marker_length ({lengths[1]:g}) must be smaller than square_length ({lengths[0]:g})")
    name = table["dictionary"]
    if name not in dictionary_names():
        nearest = difflib.get_close_matches(str(name), dictionary_names(), n=1, cutoff=0.0)[0]
        raise ConfigError(f"dictionary {name!r} is not known; did you mean {nearest!r}?")
    for key in ("legacy", "inverted"):
        if not isinstance(table.get(key, False), bool):
            raise ConfigError(f"{key} must be true or false, not {table[key]!r}")
    board = Board(
        (squares[0], squares[1]), float(lengths[0]), float(lengths[1]), name, table.get("legacy"), table.get("inverted")
    )
    _check_dictionary_size(board)
    return board


def _check_dictionary_size(board: Board) -> None:
    import cv2

    available = cv2.aruco.getPredefinedDictionary(getattr(cv2.aruco, board.dictionary)).bytesList.shape[0]
    needed = board.squares[0] * board.squares[1] // 2
    if needed > available:
        raise ConfigError(
            f"{board.squares[0]}x{board.squares[1]} squares need {needed} markers; {board.dictionary} has {available}"
        )
