"""Structs of arrays as kernels take them, and what must hold of numba in whatever version is installed."""

import copy
import gc
import os
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from multiview.geometry.struct_kernels import as_struct
from tests.geometry.kernel_canary import Cameras, Points, Scene, move, scene

EXPECTED = "inf [[-4.0, -8.0, 12.0], [-16.0, -20.0, 24.0]] [1.5, 1.5] [[1, 1], [-1, -1], [1, 1]]"


@pytest.mark.slow
@pytest.mark.parametrize("jit", ["0", "1"])
def test_kernel_canary_gives_the_same_in_two_processes_and_compiles_once(tmp_path: Path, jit: str) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": jit}
    kept: list[dict[Path, int]] = []
    for _ in range(2):
        script = "from tests.geometry.kernel_canary import main; main()"
        command = [sys.executable, "-W", "error::RuntimeWarning", "-c", script]
        here = Path(__file__).parents[2]
        result = subprocess.run(
            command, env=os.environ | environment, cwd=here, capture_output=True, text=True, check=True
        )
        assert result.stdout.strip() == EXPECTED
        kept.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")})
    assert kept[0] == kept[1]
    assert bool(kept[0]) == (jit == "0")


def test_struct_and_namedtuple_give_the_same() -> None:
    struct, plain = scene(), scene()
    assert move(as_struct(struct), 2.0) == move(plain, 2.0) == np.inf
    np.testing.assert_array_equal(struct.points.xyz, plain.points.xyz)
    np.testing.assert_array_equal(struct.rows, plain.rows)


@pytest.mark.parametrize("weight", [np.zeros(4)[::2], np.broadcast_to(np.zeros(1), 2)])
def test_struct_refuses_arrays_that_would_be_compiled_for_anew(weight: np.ndarray) -> None:
    _, cameras, rows = scene()
    with pytest.raises(ValueError, match=r"Points\.weight"):
        as_struct(Scene(Points(np.zeros((2, 3)), weight), cameras, rows))


@pytest.mark.slow
def test_struct_keeps_its_arrays_alive_and_lets_them_go() -> None:
    arrays = scene()
    kept = weakref.ref(arrays.cameras.R)
    struct = as_struct(arrays)
    xyz = arrays.points.xyz
    del arrays
    gc.collect()
    assert kept() is not None
    move(struct, 1.0)
    np.testing.assert_array_equal(xyz, [[-1.0, -2.0, 3.0], [-4.0, -5.0, 6.0]])
    del struct
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_struct_is_not_copied(copied: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="copy the NamedTuple"):
        copied(as_struct(Cameras(np.zeros((1, 3, 3)), np.ones(1, bool))))
