"""What is found of a target in one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float64, Int64, UInt8

__all__ = ["Found", "Identified", "Samples", "TargetFinder", "nothing"]

T_co = TypeVar("T_co", covariant=True)
Samples = dict[str, list[UInt8[np.ndarray, "_ _"]]]  # a few pictures of each camera


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Corners of a board in one image: ids, px; `markers` decoded, `rejected` corners that were blurred or glared.

    Of `copies`, two boards of one print in view at once, none is found: nobody could say which is which.
    """

    corner: Int64[np.ndarray, " n"]
    xy: Float64[np.ndarray, "n 2"]
    markers: int
    rejected: int
    copies: bool = False


def nothing(rejected: int = 0) -> Found:
    """No corner; so many were rejected."""
    return Found(np.empty(0, np.int64), np.empty((0, 2)), 0, rejected)


@runtime_checkable
class TargetFinder(Protocol):
    """Finds one target in pictures; one finder per thread, as OpenCV's detectors are not shared."""

    def find(self, grey: UInt8[np.ndarray, "H W"]) -> Found:
        """The target's points in a picture.

        Args:
            grey: The picture.

        Returns:
            Its points; none where it is not seen well enough.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Identified(Generic[T_co]):
    """The target with what its file leaves open determined, the cameras whose images are mirrored, and remarks.

    `seen` is false where no picture shows it; `hint` then says what they show instead, where that is known.
    """

    board: T_co
    mirrored: frozenset[str]
    remarks: tuple[str, ...]
    seen: bool
    hint: str = ""
