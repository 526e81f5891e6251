"""What calibrations can be made with: which kinds of target there are, their files, and who finds them in pictures.

A target is points at known places, `points`, found in a picture by their number. To add a kind, write a file beside
this one with its description, its table and its finder, and a line in each function here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from calib.board.board import Board, BoardTable
from calib.board.chessboard import Chessboard, ChessboardFinder, ChessboardTable, identify_chessboard
from calib.board.circles import Circles, CirclesFinder, CirclesTable, identify_circles
from calib.board.finder import Finder
from calib.board.found import Identified, Samples, TargetFinder
from calib.board.identify import identify
from multiview.common.toml import convert, read_toml
from multiview.errors import ConfigError

__all__ = [
    "Target",
    "finder_of",
    "identify_target",
    "load_target",
    "target_from_json",
    "target_from_table",
    "target_to_json",
]

Target: TypeAlias = Board | Chessboard | Circles

_TABLES = {"charuco": BoardTable, "chessboard": ChessboardTable, "circles": CirclesTable}


def finder_of(target: Target, mirrored: bool = False) -> TargetFinder:
    """Who finds a target in pictures.

    Args:
        target: With nothing left open.
        mirrored: The pictures are mirrored, where the target can tell.

    Returns:
        A finder, for one thread.
    """
    if isinstance(target, Chessboard):
        return ChessboardFinder(target)
    if isinstance(target, Circles):
        return CirclesFinder(target)
    return Finder(target, mirrored)


def identify_target(samples: Samples, stated: Target) -> Identified[Target]:
    """The target that pictures show.

    Args:
        samples: A few pictures of each camera.
        stated: What its file says.

    Returns:
        The target with what the file leaves open, or has wrong.
    """
    if isinstance(stated, Chessboard):
        return identify_chessboard(samples, stated)
    if isinstance(stated, Circles):
        return identify_circles(samples, stated)
    return identify(samples, stated)


def load_target(path: str | Path) -> Target:
    """Read a board file of any kind.

    Args:
        path: `board.toml`, in the format of docs/formats.md.

    Returns:
        The target.

    Raises:
        ConfigError: The file is missing or wrong; the message names the key and what was expected.
    """
    return target_from_table(read_toml(path, "`multiview calibrate board` writes one"), str(path))


def target_from_table(table: dict[str, Any], where: str = "board") -> Target:
    """The target of a board file's keys.

    Args:
        table: As TOML or JSON gives them.
        where: Begins what an error says.

    Returns:
        The target.

    Raises:
        ConfigError: A key is wrong.
    """
    kind = table.get("kind", "charuco")
    if kind == "charuco":
        return convert({key: value for key, value in table.items() if key != "kind"}, BoardTable, where).board()
    if kind not in _TABLES:
        raise ConfigError(f"{where}: kind {kind!r} is not known; there are {', '.join(_TABLES)}")
    table_type: Any = _TABLES[kind]
    target: Target = convert(table, table_type, where).board()
    return target


def target_to_json(target: Target) -> bytes:
    """The target with the keys of board.toml."""
    names = _TABLES[target.kind].__struct_fields__
    return msgspec.json.encode({name: getattr(target, name) for name in names})


def target_from_json(text: bytes) -> Target:
    """What `target_to_json` wrote; raises ConfigError."""
    try:
        table = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"board: {error}") from None
    return target_from_table(table)
