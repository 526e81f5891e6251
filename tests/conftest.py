"""Shapes and types of public functions are checked while the tests run; real data is found or the test skips."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hypothesis
import msgspec
import pytest
from jaxtyping import install_import_hook

from multiview.common.kernel_cache import use_kernel_cache
from tests.source_files import REPOSITORY, repository_files

use_kernel_cache()


def _checked_modules() -> list[str]:
    """Every module but the kernels: numba compiles those from their plain source."""
    modules = (path.removesuffix(".py") for path in repository_files())
    return [m.replace("/", ".") for m in modules if not m.endswith(("/__init__", "_kernels"))]


# Stays installed for the whole session: the modules are imported later, by the tests. The tower lets an int be a float.
# `make quick` does without: to check every function takes nine seconds at the start of each worker.
_CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
if os.environ.get("SHAPES") != "unchecked":
    install_import_hook(_checked_modules(), _CHECKER)

# A first call imports libraries: how long an example takes says nothing.
hypothesis.settings.register_profile("multiview", deadline=None)
hypothesis.settings.load_profile("multiview")

from multiview.synthetic import Studio, StudioOptions, make_studio  # noqa: E402  (checked, so after the hook)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several workers (`make test`) a file's tests stay together, and live ones, which fill the machine, too.

    pytest 9.2 no longer lets pytest-xdist 3.8 mark tests for `--dist loadgroup`: it spreads them without a word.
    """
    from xdist.scheduler import LoadScopeScheduling

    class FilesTogether(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return "tests/live" if path.startswith("tests/live/") else path

    return FilesTogether(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def small_studio() -> Studio:
    """Two people before three cameras, 20 frames: enough to follow somebody."""
    return make_studio(StudioOptions(cameras=3, people=2, seconds=0.8, fps=25.0, skeleton="body25"))


@pytest.fixture(scope="session")
def fair_studio() -> Studio:
    """Three people before five cameras, 60 frames with a fair day's faults: enough to judge how well."""
    return make_studio(StudioOptions(cameras=5, people=3, seconds=2.0, skeleton="body25"))


@pytest.fixture(scope="session")
def perfect_studio(fair_studio: Studio) -> Studio:
    """The same people and cameras without any fault, a quarter as long."""
    return make_studio(msgspec.structs.replace(fair_studio.options, seconds=0.5).perfect())


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings outside the project: the folder MULTIVIEW_DATA, or shared/data beside the repository."""
    folder = Path(os.environ.get("MULTIVIEW_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set MULTIVIEW_DATA to a folder that has them)")
    return folder
