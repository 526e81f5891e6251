"""The board that a recording shows, beside the one that the board file states."""

from __future__ import annotations

from dataclasses import replace

from calib.board.board import Board
from calib.corners.corners import Corners
from multiview.errors import ConfigError

__all__ = ["board_of"]

_LENGTHS = ("square_length", "marker_length", "thickness")  # that no picture shows: the board file alone knows them
_PATTERN = ("squares", "dictionary", "legacy", "inverted", "first_marker", "back")


def board_of(corners: Corners, stated: Board | None) -> tuple[Board, tuple[str, ...]]:
    """The board of a corner table: its pattern as `detect` found it, its lengths as the board file states them now.

    Args:
        corners: The table.
        stated: The board file; None if none was given.

    Returns:
        The board, and what differs from the board file, in words.

    Raises:
        ConfigError: Neither the table nor a file says what the board is.
    """
    found = corners.board
    if found is None:
        if stated is None:
            raise ConfigError("the corner table does not say which board it shows: give --board board.toml")
        return stated, ()
    if stated is None:
        return found, ()
    board = replace(found, **{name: getattr(stated, name) for name in _LENGTHS})
    notes = [
        f"the pictures show {name} = {_words(getattr(found, name))}, the board file says "
        f"{_words(getattr(stated, name))}: what the pictures show is used"
        for name in _PATTERN
        if getattr(stated, name) is not None and getattr(stated, name) != getattr(found, name)
    ]
    notes += [
        f"{name} is {_mm(getattr(stated, name))} mm in the board file, and was {_mm(getattr(found, name))} mm when the "
        "corners were detected: that of the board file is used"
        for name in _LENGTHS
        if getattr(stated, name) != getattr(found, name)
    ]
    return board, tuple(notes)


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mm(metres: float) -> str:
    return f"{1000 * metres:g}"
