"""How a process is scheduled: first where the system allows it, and as before where it does not."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.runtime.process import RealtimePriority, realtime_scheduling, use_realtime_scheduling

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


def priorities_inside_and_after(priority: RealtimePriority) -> tuple[int, int]:
    with realtime_scheduling(priority):
        inside = os.sched_getparam(0).sched_priority
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    return inside, os.sched_getparam(0).sched_priority


@linux
def test_cameras_come_after_fusion_and_fusion_after_the_hub_and_each_only_while_it_asks() -> None:
    if os.geteuid() != 0 or (os.cpu_count() or 1) < 2:
        pytest.skip("only the superuser may, where there is more than one processor")
    with ThreadPoolExecutor(1) as thread:
        inside, after = zip(*thread.map(priorities_inside_and_after, RealtimePriority), strict=True)
    assert sorted(inside) == list(inside)
    assert len(set(inside)) == 3
    assert set(after) == {0}


@linux
def test_a_lower_priority_is_taken_where_a_higher_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def limited(_: int, policy: int, param: os.sched_param) -> None:
        asked.append((policy, param.sched_priority))
        if param.sched_priority > os.sched_get_priority_min(os.SCHED_RR):  # RLIMIT_RTPRIO is 1
            raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", limited)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    use_realtime_scheduling(RealtimePriority.HUB)
    assert asked == [(os.SCHED_RR, 3), (os.SCHED_RR, 2), (os.SCHED_RR, 1)]
