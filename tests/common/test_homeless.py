"""A service may run as a user without a home, from an installation that it cannot write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from multiview.body.actor import actor_names, actors_folder
from multiview.common import kernel_cache, user_folders
from multiview.common.kernel_cache import VARIABLE, kernel_digest, use_kernel_cache
from multiview.errors import ConfigError
from multiview.models.card import cache_folder
from tests.source_files import REPOSITORY


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a compiled kernel, beside which nobody may write, as in a read-only image."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "a_kernels.py").write_text("X = 1")
    monkeypatch.setattr(kernel_cache, "PACKAGE", package)
    monkeypatch.delenv(VARIABLE, raising=False)
    from importlib import metadata

    compiled = package / "__pycache__" / kernel_digest(package, metadata.version("numba"))
    compiled.mkdir(parents=True)
    (compiled / "kernel.nbc").write_text("machine code")
    writable = kernel_cache._is_writable
    monkeypatch.setattr(kernel_cache, "_is_writable", lambda folder: package not in folder.parents and writable(folder))
    return compiled


def test_kernels_of_a_read_only_installation_are_copied_to_the_user(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernel_cache, "user_cache", lambda: tmp_path / "home")
    use_kernel_cache()
    folder = Path(os.environ[VARIABLE])
    assert folder == tmp_path / "home" / installed.name
    assert (folder / "kernel.nbc").read_text() == "machine code"
    assert capsys.readouterr().err == ""


def test_kernels_of_a_user_without_a_home_last_as_long_as_the_process(
    installed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kernel_cache, "user_cache", lambda: None)
    use_kernel_cache()
    folder = Path(os.environ[VARIABLE])
    assert (folder / "kernel.nbc").read_text() == "machine code"
    assert capsys.readouterr().err.count("compiled kernels cannot be kept") == 1
    use_kernel_cache()  # a child finds it chosen, and says nothing
    assert capsys.readouterr().err == ""
    shutil.rmtree(folder)


def no_home() -> Path:
    raise RuntimeError("could not determine the home directory")


@pytest.mark.parametrize("find", [no_home, lambda: Path("~/.cache/multiview")])
def test_folders_of_a_user_without_a_home_are_none(find: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: find())
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: find())
    monkeypatch.delenv("MULTIVIEW_ACTORS", raising=False)
    monkeypatch.delenv("MULTIVIEW_CACHE", raising=False)
    assert user_folders.user_cache() is None
    assert user_folders.user_config() is None
    assert actor_names() == ()
    for ask in (actors_folder, cache_folder):
        with pytest.raises(ConfigError, match="this user has no home: set MULTIVIEW_"):
            ask()


HOMELESS = """
import os, pwd, sys

def unknown(user):
    raise KeyError(user)

pwd.getpwuid = unknown
from multiview.body.actor import actor_names, actors_folder
from multiview.common import kernel_cache
writable = kernel_cache._is_writable
kernel_cache._is_writable = lambda folder: kernel_cache.PACKAGE not in folder.parents and writable(folder)
from multiview.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="users without a home are those of POSIX systems")
@pytest.mark.parametrize(
    "words", ["doctor", "models list", "actor", "synthesize --out new --seconds 0.2 --cameras 2 --people 1"]
)
def test_commands_run_for_a_user_without_a_home(words: str, tmp_path: Path) -> None:
    """In an empty environment, as a user whom the system does not know, from an installation that is read-only."""
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS, *words.split()],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr.count("compiled kernels cannot be kept") == 1
    assert done.returncode == 0 or words == "doctor", done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"new"}
