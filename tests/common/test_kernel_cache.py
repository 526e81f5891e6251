"""Compiled kernels are kept by what they were compiled from, and importing multiview chooses nothing for numba."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from multiview.common import kernel_cache
from multiview.common.kernel_cache import PACKAGE, UNUSED_S, VARIABLE, kernel_digest, use_kernel_cache
from tests.source_files import repository_files
from tests.test_arrows import imported_files, read_imports


@pytest.fixture
def package(tmp_path: Path) -> Path:
    sources = {
        "a_kernels.py": "X = 1",
        "state.py": "class A(NamedTuple): ...",
        "jit.py": "import numba",
        "b.py": "",
    }
    for name, source in sources.items():
        (tmp_path / name).write_text(source)
    return tmp_path


@pytest.mark.parametrize("changed", ["a_kernels.py", "state.py", "jit.py"])
def test_kernel_digest_changes_with_what_kernels_are_compiled_from(package: Path, changed: str) -> None:
    before = kernel_digest(package, "0.1")
    (package / changed).write_text((package / changed).read_text() + "\n")
    assert kernel_digest(package, "0.1") != before


def test_kernel_digest_is_that_of_the_sources_and_the_version_of_numba(package: Path) -> None:
    before = kernel_digest(package, "0.1")
    (package / "b.py").write_text("Y = 2")
    assert kernel_digest(package, "0.1") == before
    assert kernel_digest(package, "0.2") != before


def test_kernel_digest_reads_every_file_that_a_kernel_imports(tmp_path: Path) -> None:
    files = repository_files()
    kernels = {path: text for path, text in files.items() if path.endswith("_kernels.py")}
    imports = [found for path, text in kernels.items() for found in read_imports(path, text)]
    needed = {target for _, target in imported_files(files, imports)} - {"multiview/__init__.py"}
    assert "multiview/geometry/jit.py" in needed
    for path in needed:
        source = tmp_path / Path(path).name
        source.write_text(files[path])
        assert kernel_digest(tmp_path, "") != kernel_digest(tmp_path / "none", ""), path
        source.unlink()


def test_use_kernel_cache_removes_what_nobody_used_for_a_month(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = tmp_path / "__pycache__"
    lately, long_ago, other = (beside / name for name in ("1" * 12, "a" * 12, "other"))
    for folder, age in ((lately, 0.9), (long_ago, 1.1), (other, 1.1)):
        folder.mkdir(parents=True)
        (folder / "file").touch()
        os.utime(folder, (time.time() - age * UNUSED_S,) * 2)
    monkeypatch.setattr(kernel_cache, "PACKAGE", tmp_path)
    monkeypatch.delenv(VARIABLE)
    use_kernel_cache()
    own = Path(os.environ[VARIABLE])
    assert own.parent == beside
    assert {folder.name for folder in beside.iterdir()} == {own.name, lately.name, other.name}


def test_use_kernel_cache_leaves_the_users_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/of/the/user")
    use_kernel_cache()
    assert os.environ[VARIABLE] == "/of/the/user"


@pytest.mark.slow
def test_import_chooses_no_folder_and_the_command_line_does() -> None:
    script = (
        "import os, sys\n"
        "import multiview.fusion.pipeline, numba\n"
        "print(numba.config.CACHE_DIR or None, os.environ.get('NUMBA_CACHE_DIR'))\n"
        "from multiview.__main__ import main\n"
        "main(['models', 'list'])\n"
        "print(os.environ['NUMBA_CACHE_DIR'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    lines = result.stdout.splitlines()
    assert lines[0] == "None None"
    assert Path(lines[-1]).parent == PACKAGE / "__pycache__"
