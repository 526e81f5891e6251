from typing import NamedTuple

import numba
import numpy as np
import pytest
from jaxtyping import Bool, Float64, Int64
from numba.core.runtime import _nrt_python, rtsys

from multiview.fusion.pipeline import Pipeline
from multiview.geometry.handles import handle_of, opener
from multiview.geometry.jit import Array, kernel
from multiview.synthetic import Options, make_studio


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


def test_what_a_handle_lends_is_not_counted() -> None:
    compiled = numba.njit(change.py_func, no_cpython_wrapper=True)
    compiled.compile((numba.int64[::1],))
    (code,) = compiled.inspect_llvm().values()
    assert "call void @NRT_decref" not in code


def test_what_kernels_make_is_freed() -> None:
    studio = make_studio(Options(cameras=4, people=3, seconds=1.0))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    _nrt_python.memsys_enable_stats()
    before = rtsys.get_allocation_stats()
    for frame in range(studio.frames):
        pipeline.step(studio.views(frame))
    after = rtsys.get_allocation_stats()
    assert after.alloc - before.alloc == after.free - before.free > 0
