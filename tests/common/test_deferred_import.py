"""Modules that are loaded on use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from multiview.common.deferred_import import defer_import

SOURCE = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nANSWER = 42\n"


def test_a_deferred_module_runs_when_it_is_used_first_and_is_an_attribute_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house/__init__.py").write_text("__all__ = ['room']\n")
    (tmp_path / "house/room.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    defer_import("house.room")
    names: dict[str, Any] = {}
    exec("from house import *", names)  # as scipy does with numpy

    room, ran = names["room"], tmp_path / "house/ran"
    assert not ran.exists()
    assert room.ANSWER == 42
    assert ran.exists()
    defer_import("house.room")  # loaded already
    assert sys.modules["house.room"] is room
    defer_import("house.cellar")  # not there
    assert "house.cellar" not in sys.modules


@pytest.mark.slow
def test_kernels_do_not_load_what_compiles_fortran_and_it_can_still_be_used() -> None:
    script = (
        "import sys\n"
        "from multiview.geometry.point_batch_kernels import padded\n"
        "assert padded(17) >= 17\n"
        "assert 'scipy.linalg' in sys.modules\n"  # numba's first kernel has taken it in
        "assert 'numpy.f2py.crackfortran' not in sys.modules\n"
        "import numpy\n"
        "assert numpy.f2py.get_include().endswith('src')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)
