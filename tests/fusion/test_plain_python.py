"""Kernels are plain Python: without the compiler they give the same poses. That is the reference that can be read."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.fusion.plain_poses import poses


def test_kernels_give_the_same_poses_without_the_compiler(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from tests.fusion.plain_poses import main; main()", str(tmp_path / "plain.npz")]
    root = Path(__file__).parents[2]
    subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, cwd=root, check=True)
    compiled = poses()
    assert len(compiled["xyz"]) >= 40  # 2 people in 12 frames, causal and smoothed, less those not yet confirmed
    with np.load(tmp_path / "plain.npz") as plain:
        for name, expected in compiled.items():
            np.testing.assert_allclose(plain[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)
