"""The server of the pages starts without what only some of them need."""

from __future__ import annotations

import subprocess
import sys

import pytest

SLOW = ("matplotlib", "networkx", "numba", "onnxruntime", "open3d", "pyarrow", "scipy", "torch")


@pytest.mark.slow
def test_server_begins_without_packages_that_are_slow_to_import() -> None:
    pytest.importorskip("nicegui")
    script = f"import sys, services.dashboard.server\nprint(*[name for name in {SLOW} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
