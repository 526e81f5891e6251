from typing import NamedTuple

import numpy as np
import pytest
from jaxtyping import Bool, Float64, Int64

from multiview.geometry.handles import handle_of, opener
from multiview.geometry.jit import Array, kernel


class Inside(NamedTuple):
    numbers: Int64[np.ndarray, " N"]


class Both(NamedTuple):
    grid: Float64[np.ndarray, "N M"]
    inside: Inside
    flags: Bool[np.ndarray, " N"]


both_of = opener(Both)


@kernel
def change(handle: Array) -> float:
    """Reads and writes through a handle."""
    both = both_of(handle)
    both.grid[1, 2] = both.inside.numbers[2]
    both.flags[0] = True
    return float(both.grid.shape[1] + both.inside.numbers.sum())


def test_a_kernel_reads_and_writes_the_arrays_of_a_handle() -> None:
    both = Both(np.zeros((2, 3)), Inside(np.array([5, 6, 7])), np.zeros(2, dtype=bool))
    assert change(handle_of(both)) == 3 + 18
    assert both.grid[1, 2] == 7
    assert both.flags.tolist() == [True, False]


@pytest.mark.parametrize(
    "grid", [np.zeros((2, 3), np.float32), np.zeros(3), np.zeros((3, 2)).T, np.broadcast_to(np.zeros(3), (2, 3))]
)
def test_arrays_that_are_not_as_annotated_are_refused(grid: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"Both\.grid"):
        handle_of(Both(grid, Inside(np.zeros(1, np.int64)), np.zeros(1, bool)))
