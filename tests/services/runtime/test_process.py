"""How a process is scheduled: first where the system allows it, and as before where it does not."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.runtime.process import use_realtime_scheduling

linux = pytest.mark.skipif(sys.platform != "linux", reason="scheduling classes are Linux's")


def policies_after_coming_first() -> tuple[int, int]:
    """Of a thread that came first, and of one that it starts."""
    use_realtime_scheduling()
    with ThreadPoolExecutor(1) as child:
        return os.sched_getscheduler(0), child.submit(os.sched_getscheduler, 0).result()


@linux
def test_who_comes_first_takes_along_the_threads_it_starts() -> None:
    if os.geteuid() != 0 or (os.cpu_count() or 1) < 2:
        pytest.skip("only the superuser may, where there is more than one processor")
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(policies_after_coming_first).result() == (os.SCHED_RR, os.SCHED_RR)


@linux
def test_where_it_is_refused_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(policies_after_coming_first).result() == (os.SCHED_OTHER, os.SCHED_OTHER)
