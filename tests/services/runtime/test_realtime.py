"""Real-time priority is lost by a spin, and comes back after calm."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services.runtime.realtime import RealtimeBudget

SHOW_PRIORITIES = """
import os, threading
from services.runtime.realtime import RealtimeBudget
ending = threading.Event()
threading.Thread(target=ending.wait).start()
budget = RealtimeBudget()
own = os.sched_getparam(0).sched_priority
others = [os.sched_getparam(int(t)).sched_priority for t in os.listdir("/proc/self/task") if int(t) != os.getpid()]
print(int(budget.realtime), own, *others)
ending.set()
"""


class Scheduler:
    """Notes what it was told."""

    def __init__(self, permitted: bool = True) -> None:
        self.permitted, self.calls = permitted, list[bool]()

    def __call__(self, realtime: bool) -> bool:
        self.calls.append(realtime)
        return realtime and self.permitted


@pytest.mark.parametrize(
    ("cores", "share", "seconds", "kept"),
    [(2, 0.85, 20, True), (2, 1.0, 4, True), (2, 1.0, 6, False), (1, 0.65, 20, True), (1, 0.85, 2, False)],
)
def test_realtime_priority_leaves_others_a_core(cores: int, share: float, seconds: int, kept: bool) -> None:
    """A hub under attack takes most of a core and needs the priority then; where it is the only one it may not."""
    budget = RealtimeBudget(Scheduler(), cores)
    for second in range(100, 101 + seconds):
        budget.check(second, share * second)
    assert budget.realtime == kept


def test_realtime_priority_ends_with_a_spin_and_returns_after_calm() -> None:
    scheduler = Scheduler()
    budget, used_s = RealtimeBudget(scheduler, cores=1), 5.0
    for second in range(100, 110):  # a fifth of a core
        used_s += 0.2
        budget.check(second, used_s)
    assert scheduler.calls == [True]
    for tenth in range(30):  # all of it
        used_s += 0.1
        budget.check(110 + tenth / 10, used_s)
    assert scheduler.calls == [True, False]
    assert not budget.realtime
    for second in range(113, 118):
        used_s += 0.1
        budget.check(second, used_s)
    used_s += 1.0  # not calm yet
    budget.check(118, used_s)
    for second in range(119, 128):
        used_s += 0.1
        budget.check(second, used_s)
    assert scheduler.calls == [True, False]
    budget.check(128, used_s + 0.1)
    assert scheduler.calls == [True, False, True]


def test_realtime_priority_that_is_not_permitted_is_not_asked_for_again() -> None:
    scheduler = Scheduler(permitted=False)
    budget = RealtimeBudget(scheduler)
    for second in range(100):
        budget.check(second, float(second))
    assert scheduler.calls == [True]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="scheduling classes are Linux's")
def test_thread_that_bounds_what_comes_is_before_those_that_take_it_in() -> None:
    if os.geteuid() != 0 or (os.cpu_count() or 1) < 2:
        pytest.skip("only the superuser may, where there is more than one processor")
    shown = subprocess.run([sys.executable, "-c", SHOW_PRIORITIES], capture_output=True, text=True, check=True).stdout
    realtime, own, *others = map(int, shown.split())
    if not realtime:
        pytest.skip("this system gives nobody real-time priority")
    assert len(others) == 1
    assert own > others[0] > 0
