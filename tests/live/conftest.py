"""Every test of real processes is slow; what it starts ends with it.

One that fails is tried again, twice at most, and named at the end: a machine that stalls for half a minute is no
fault of the software, and a fault that is one in ten runs shows in that list.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.processes import Processes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session", autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail where live tests run on two workers: they would starve each other."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / "live.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    started = Processes(tmp_path)
    yield started
    started.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of pages that fails says what its page showed and what its server printed."""
    report = yield
    found = getattr(item, "funcargs", {})
    if report.failed and "page" in found:
        page, server = found["page"], found["server"]
        report.sections.append(("the page", f"{page.url}\n{page.locator('body').inner_text(timeout=10_000.0)}"))
        report.sections.append(("the server's log", server.log.read_text()[-8000:]))
    return report
