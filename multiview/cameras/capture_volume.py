"""The capture volume: where people may appear, and how many. Who is already known may leave it and be followed."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.common.ranges import between, unlimited

__all__ = ["Volume"]

Limit = Annotated[float, unlimited("m")]
Point = tuple[Limit, Limit, Limit]


class Volume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A box in the world, for births alone; ValueError if it is none."""

    min: Point = (-math.inf, -math.inf, -math.inf)
    """m. The lowest corner; -inf: no limit."""
    max: Point = (math.inf, math.inf, math.inf)
    """m. The highest corner."""
    max_people: Annotated[int, between(0, 1024, "people")] = 0
    """At most so many people at a time; 0: any number."""

    def __post_init__(self) -> None:
        if not all(low < high for low, high in zip(self.min, self.max, strict=True)):
            raise ValueError(f"min {list(self.min)} must be below max {list(self.max)}")
        if self.max_people < 0:  # given in a program, where no file's type was checked
            raise ValueError(f"max_people {self.max_people}: a number of people, 0 for any")

    @property
    def is_bounded(self) -> bool:
        """Whether there is a place where nobody may appear."""
        return (self.min, self.max) != (Volume().min, Volume().max)

    def contains(self, point: Float64[np.ndarray, " 3"]) -> bool:
        """Whether a point lies in the box.

        Args:
            point: (3,) m, world.

        Returns:
            True inside and on the border.
        """
        return all(low <= x <= high for low, x, high in zip(self.min, point.tolist(), self.max, strict=True))
