"""Several boards at once: each moves by itself, and each tells of the cameras that see it.

Their points are numbered on from board to board, each in its board's own axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec
import numpy as np
from jaxtyping import Float64, UInt8

from calib.board.board import Board
from calib.board.chessboard import Chessboard
from calib.board.circles import Circles
from calib.board.found import Found, Identified, TargetFinder

__all__ = ["Member", "Several", "SeveralFinder", "SeveralTable", "checked", "identified_together"]

Member: TypeAlias = Board | Chessboard | Circles


@dataclass(frozen=True, slots=True)
class Several:
    """Boards that are shown together.

    Attributes:
        boards: Two or more.
    """

    boards: tuple[Member, ...]

    LENGTHS: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[str] = "several"
    symmetric: ClassVar[bool] = False

    @property
    def points(self) -> Float64[np.ndarray, "N 3"]:
        """Of all boards, one after the other, m, each in its own axes."""
        return np.concatenate([board.points for board in self.boards])

    @property
    def front_corners(self) -> int:
        """Number of points; boards of two sides cannot be among several."""
        return len(self.points)

    def words(self) -> str:
        """Description for a user."""
        return " and ".join(board.words() for board in self.boards)


class SeveralTable(msgspec.Struct, forbid_unknown_fields=True):
    """board.toml of kind "several"."""

    kind: Literal["several"]
    """`several`: boards that are shown together, each moved by itself."""
    boards: list[dict[str, Any]]
    """Each with the keys of a board file of its own kind, as `[[boards]]` tables; ChArUco boards with different markers
    (`first_marker`, or another dictionary), and no board with two sides."""


def checked(boards: Sequence[Member]) -> Several:
    """The boards together.

    Args:
        boards: Each as its file says.

    Returns:
        The target.

    Raises:
        ValueError: Nobody could tell two of them apart, or one cannot be among several.
    """
    if len(boards) < 2:
        raise ValueError("several boards are two or more")
    for number, board in enumerate(boards, 1):
        if isinstance(board, Board) and board.back is not None:
            raise ValueError(f"board {number} has two sides: it can be used alone, not among several")
        if board.symmetric:
            raise ValueError(
                f"board {number}, {board.words()}, looks alike turned by half a turn: it can be used alone, not "
                "among several"
            )
    for (i, a), (j, b) in combinations(enumerate(boards, 1), 2):
        if isinstance(a, Board) and isinstance(b, Board):
            same = _family(a) == _family(b)
            if same and _last(a) >= b.first_marker and _last(b) >= a.first_marker:
                raise ValueError(
                    f"boards {i} and {j} bear the same markers: print the second with --first-marker {_last(a) + 1}"
                )
        elif _look_alike(a, b):
            raise ValueError(f"boards {i} and {j} look alike ({a.words()}): give them different numbers of columns")
    return Several(tuple(boards))


def _look_alike(a: Member, b: Member) -> bool:
    if isinstance(a, Chessboard) and isinstance(b, Chessboard):
        return sorted(a.squares) == sorted(b.squares)
    return isinstance(a, Circles) and isinstance(b, Circles) and a.circles == b.circles


def _family(board: Board) -> str:
    return board.dictionary.rpartition("_")[0]


def _last(board: Board) -> int:
    return board.first_marker + board.markers - 1


@dataclass(slots=True)
class SeveralFinder:
    """Finds each of several boards.

    Attributes:
        finders: One for each.
        first: Number of each one's first point.
    """

    finders: tuple[TargetFinder, ...]
    first: tuple[int, ...]

    def find(self, grey: UInt8[np.ndarray, "H W"]) -> Found:
        """The points of all boards that are seen.

        Args:
            grey: The picture.

        Returns:
            The points.
        """
        found = [finder.find(grey) for finder in self.finders]
        return Found(
            np.concatenate([one.corner + first for one, first in zip(found, self.first, strict=True)]),
            np.concatenate([one.xy for one in found]),
            sum(one.markers for one in found),
            sum(one.rejected for one in found),
            any(one.copies for one in found),
        )


def identified_together(stated: Several, found: Sequence[Identified[Member]]) -> Identified[Several]:
    """What was identified of each board, as one.

    Args:
        stated: As the file says.
        found: Of each board.

    Returns:
        The boards; those that were not seen are said.
    """
    boards: list[Member] = []
    remarks: list[str] = []
    for number, (own, one) in enumerate(zip(stated.boards, found, strict=True), 1):
        shown = one.board
        if isinstance(own, Board) and isinstance(shown, Board):
            other = shown.squares != own.squares or shown.dictionary != own.dictionary  # by the other boards' markers
            shown = replace(own, legacy=bool(shown.legacy), inverted=bool(shown.inverted))
            remarks += [] if other else [f"board {number}: {remark}" for remark in one.remarks]
        elif isinstance(own, Chessboard) and shown != own:  # a part of another board
            shown = own
        else:
            remarks += [f"board {number}: {remark}" for remark in one.remarks]
        boards.append(shown)
        if not one.seen:
            remarks.append(f"board {number} ({own.words()}) is in none of the pictures that were looked at first")
    mirrored = frozenset[str]().union(*(one.mirrored for one in found))
    return Identified(Several(tuple(boards)), mirrored, tuple(remarks), any(one.seen for one in found))
