"""The board that a recording shows, beside the one that the board file states."""

from __future__ import annotations

from dataclasses import fields, replace

from calib.board.several import Several
from calib.board.target import Target, together
from calib.corners.corners import Corners
from multiview.errors import ConfigError

__all__ = ["board_of"]


def board_of(corners: Corners, stated: Target | None) -> tuple[Target, tuple[str, ...]]:
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
    if found.kind != stated.kind:
        raise ConfigError(
            f"the corners are of {found.words()}, the board file says {stated.words()}: give the board file of the "
            "recording"
        )
    if isinstance(found, Several) and isinstance(stated, Several):
        if len(found.boards) != len(stated.boards):
            raise ConfigError(f"the corners are of {len(found.boards)} boards, the board files of {len(stated.boards)}")
        pairs = [board_of(replace(corners, board=a), b) for a, b in zip(found.boards, stated.boards, strict=True)]
        numbered = [f"board {i}: {note}" for i, (_, notes) in enumerate(pairs, 1) for note in notes]
        return together([board for board, _ in pairs], "the boards"), tuple(numbered)
    lengths = found.LENGTHS  # that no picture shows: the board file alone knows them
    pattern = [field.name for field in fields(found) if field.name not in lengths]
    board = replace(found, **{name: getattr(stated, name) for name in lengths})
    notes = [
        f"the pictures show {name} = {_words(getattr(found, name))}, the board file says "
        f"{_words(getattr(stated, name))}: what the pictures show is used"
        for name in pattern
        if getattr(stated, name) is not None and getattr(stated, name) != getattr(found, name)
    ]
    notes += [
        f"{name} is {_mm(getattr(stated, name))} mm in the board file, and was {_mm(getattr(found, name))} mm when the "
        "corners were detected: that of the board file is used"
        for name in lengths
        if getattr(stated, name) != getattr(found, name)
    ]
    return board, tuple(notes)


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mm(metres: float | tuple[float, ...]) -> str:
    return ", ".join(f"{1000 * one:g}" for one in (metres if isinstance(metres, tuple) else (metres,)))
