"""Writes `board.toml` with a line of explanation for every key."""

from __future__ import annotations

from pathlib import Path

from calib.board.board import Board
from calib.board.chessboard import Chessboard
from calib.board.circles import Circles
from calib.board.wand import Wand, how_to_build
from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError

__all__ = ["write_board"]


def write_board(board: Board | Chessboard | Circles | Wand, path: Path) -> Path:
    """Write a board file that explains itself.

    Args:
        board: What is still unknown of it is left to `detect`, which determines it from the pictures.
        path: Where.

    Returns:
        The path.

    Raises:
        ConfigError: Another board's file is there, or this one's with a length that somebody measured.
    """
    text = _text(board) if isinstance(board, Board) else _plain_text(board)
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") != text:
        raise ConfigError(
            f"{path} is there, of another board or with a length that was measured: name another folder with --out, or "
            "remove the file"
        )
    with replacing(path) as file:
        file.write_text(text, encoding="utf-8")
    return path


def _text(board: Board) -> str:
    back = None if board.back is None else f'"{board.back}"'
    lines = [
        "# A ChArUco board: a chessboard with a marker in every white square. Lengths are in metres, measured on the",
        "# print with a ruler: they are the scale of everything that follows. Hold the board so that the first marker",
        "# is at the top left; then columns run from left to right.",
        f"squares = [{board.squares[0]}, {board.squares[1]}]  # columns, rows; count black and white ones",
        f"square_length = {board.square_length!r}  # m; measure over several squares, and divide",
        f"marker_length = {board.marker_length!r}  # m; the black square of a marker, with its border",
        f'dictionary = "{board.dictionary}"  # OpenCV\'s name; a larger one of the same family will do as well',
        _flag("legacy", board.legacy, "true for a pattern from before OpenCV 4.6; absent: found out"),
        _flag("inverted", board.inverted, "true for white on black; absent: found out"),
        _number("first_marker", board.first_marker, "id of the marker at the top left"),
        f"# back = {back or chr(34) + 'following' + chr(34)}  # the back bears a board too: the markers that follow, or"
        if back is None
        else f"back = {back}  # the back bears a board too: the markers that follow, or",
        '#   "mirrored", the mirror image of the front; each corner lies behind its place',
        _number("thickness", board.thickness, "m; from print to print"),
    ]
    return "\n".join(lines) + "\n"


def _plain_text(board: Chessboard | Circles | Wand) -> str:
    """Of a target without markers."""
    if isinstance(board, Wand):
        balls, diameters = (", ".join(repr(one) for one in list(each)) for each in (board.balls, board.diameters))
        lines = [
            *(f"# {line}" for line in how_to_build(board)),
            'kind = "wand"',
            f"balls = [{balls}]  # m, where their middles are along the stick",
            f"diameters = [{diameters}]  # m, of each ball",
        ]
    elif isinstance(board, Chessboard):
        lines = [
            "# A plain chessboard, which cameras must see as a whole, with a white edge around it. One count of",
            "# squares odd and the other even tells which way it is held.",
            'kind = "chessboard"',
            f"squares = [{board.squares[0]}, {board.squares[1]}]  # columns, rows of squares, black and white ones",
            f"square_length = {board.square_length!r}  # m; measure over several squares, and divide",
        ]
    else:
        lines = [
            "# A grid of circles, which cameras must see as a whole. Staggered in an odd number of rows, it tells",
            "# which way it is held.",
            'kind = "circles"',
            f"circles = [{board.circles[0]}, {board.circles[1]}]  # circles of one row, and all rows",
            f"spacing = {board.spacing!r}  # m; from row to row: measure over all of them, and divide",
            f"staggered = {str(board.staggered).lower()}  # every second row is shifted by one spacing",
            _flag("inverted", board.inverted, "true for white on black; absent: found out"),
        ]
    return "\n".join(lines) + "\n"


def _flag(key: str, value: bool | None, meaning: str) -> str:
    return f"# {key} = false  # {meaning}" if value is None else f"{key} = {str(value).lower()}  # {meaning}"


def _number(key: str, value: float, meaning: str) -> str:
    return f"{'' if value else '# '}{key} = {value!r}  # {meaning}"
