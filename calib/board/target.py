"""What calibrations can be made with: which kinds of target there are, their files, and who finds them in pictures.

A target is points at known places, `points`, found in a picture by their number. To add a kind, write a file beside
this one with its description, its table and its finder, and a line in each function here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from jaxtyping import Float64, Int64

from calib.board.board import Board, BoardTable
from calib.board.chessboard import Chessboard, ChessboardFinder, ChessboardTable, identify_chessboard
from calib.board.circles import Circles, CirclesFinder, CirclesTable, identify_circles
from calib.board.finder import Finder
from calib.board.found import Identified, Samples, TargetFinder
from calib.board.identify import identify
from calib.board.markers import Markers, MarkersFinder, MarkersTable, identify_markers
from calib.board.poses import MIN_CORNERS
from calib.board.several import Member, Several, SeveralFinder, SeveralTable, checked, identified_together
from calib.board.wand import Wand, WandFinder, WandTable, identify_wand
from multiview.common.toml import convert, read_toml
from multiview.errors import ConfigError

__all__ = [
    "Target",
    "bodies_of",
    "finder_of",
    "identify_target",
    "least_corners",
    "load_target",
    "load_targets",
    "middles_of",
    "target_from_json",
    "target_from_table",
    "target_to_json",
    "together",
]

Target: TypeAlias = Board | Chessboard | Circles | Several | Markers | Wand

_TABLES = {
    "charuco": BoardTable,
    "chessboard": ChessboardTable,
    "circles": CirclesTable,
    "several": SeveralTable,
    "markers": MarkersTable,
    "wand": WandTable,
}


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
    if isinstance(target, Markers):
        return MarkersFinder(target)
    if isinstance(target, Wand):
        return WandFinder(target)
    if isinstance(target, Several):
        first = np.cumsum([0, *(len(board.points) for board in target.boards[:-1])])
        return SeveralFinder(tuple(finder_of(board, mirrored) for board in target.boards), tuple(first.tolist()))
    return Finder(target, mirrored)


def identify_target(samples: Samples, stated: Target) -> Identified[Target]:
    """The target that pictures show.

    Args:
        samples: A few pictures of each camera.
        stated: What its file says.

    Returns:
        The target with what the file leaves open, or has wrong.
    """
    if isinstance(stated, Markers):
        return identify_markers(samples, stated)
    if isinstance(stated, Wand):
        return identify_wand(samples, stated)
    if isinstance(stated, Several):
        return identified_together(stated, [_identify_board(samples, board) for board in stated.boards])
    return _identify_board(samples, stated)


def _identify_board(samples: Samples, board: Member) -> Identified[Member]:
    if isinstance(board, Chessboard):
        return identify_chessboard(samples, board)
    return identify_circles(samples, board) if isinstance(board, Circles) else identify(samples, board)


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


def load_targets(paths: Sequence[Path]) -> Target:
    """One board file, or several of boards that are shown together.

    Args:
        paths: One at least.

    Returns:
        The target.

    Raises:
        ConfigError: As `load_target`, and where two boards could not be told apart.
    """
    targets = [load_target(path) for path in paths]
    return targets[0] if len(targets) == 1 else together(targets, ", ".join(map(str, paths)))


def together(targets: Sequence[Target], where: str) -> Several:
    """Boards as one target; `where` begins the ConfigError that says why they cannot be."""
    boards: list[Member] = []
    for one in targets:
        if isinstance(one, Several | Markers | Wand):
            raise ConfigError(f"{where}: {one.kind} cannot be one of several boards: use them alone")
        boards.append(one)
    try:
        return checked(boards)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def bodies_of(target: Target) -> Int64[np.ndarray, " N"]:
    """Which board each point is on.

    Args:
        target: Any.

    Returns:
        (N,) numbers from 0.
    """
    if isinstance(target, Several):
        return np.repeat(np.arange(len(target.boards)), [len(board.points) for board in target.boards])
    if isinstance(target, Markers):
        return np.repeat(np.arange(len(target.markers)), 4)
    return np.zeros(len(target.points), dtype=np.int64)


def least_corners(target: Target) -> int:
    """How many corners of a board a view must show: a marker has no more than four, a wand as many as it has balls.

    Args:
        target: Any.

    Returns:
        The number.
    """
    if isinstance(target, Wand):
        return len(target.balls)
    return 4 if isinstance(target, Markers) else MIN_CORNERS


def middles_of(target: Target) -> Float64[np.ndarray, "N 3"]:
    """For each point the middle of the points of its board.

    Args:
        target: Any.

    Returns:
        (N, 3) m, in the axes of each board.
    """
    points, body = target.points, bodies_of(target)
    return np.stack([points[body == b].mean(axis=0) for b in range(int(body.max()) + 1)])[body]


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
    if not isinstance(kind, str) or kind not in _TABLES:
        raise ConfigError(f"{where}: kind {kind!r} is not known; there are {', '.join(_TABLES)}")
    if kind == "several":
        boards = convert(table, SeveralTable, where).boards
        return together([target_from_table(one, f"{where}: board {i}") for i, one in enumerate(boards, 1)], where)
    table_type: Any = _TABLES[kind]
    target: Target = convert(table, table_type, where).board()
    return target


def target_to_json(target: Target) -> bytes:
    """The target with the keys of board.toml."""
    return msgspec.json.encode(_keys(target))


def _keys(target: Target) -> dict[str, Any]:
    if isinstance(target, Several):
        return {"kind": target.kind, "boards": [_keys(board) for board in target.boards]}
    return {name: getattr(target, name) for name in _TABLES[target.kind].__struct_fields__}


def target_from_json(text: bytes) -> Target:
    """What `target_to_json` wrote; raises ConfigError."""
    try:
        table = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"board: {error}") from None
    return target_from_table(table)
