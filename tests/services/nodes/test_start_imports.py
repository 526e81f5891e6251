"""What a process needs to start again soon: it loads no library that it may never use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.source_files import REPOSITORY

HEAVY = {
    "numba",
    "cv2",
    "torch",
    "scipy.optimize",
    "networkx",
    "av",
    "h5py",
    "pyarrow",
    "pandas",
    "multiview.lifting.lifter",
}


@pytest.mark.parametrize(("node", "needed"), [("hub", set()), ("worker", set()), ("fusion", {"numba"})])
def test_start_of_a_process_loads_no_library_that_it_may_never_use(node: str, needed: set[str]) -> None:
    """A worker loads compiled loops and pictures with the source that has them."""
    code = f"import sys, services.nodes.{node}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.split()) == needed
