"""Real-time priority is lost by a spin, and comes back after calm."""

from __future__ import annotations

from services.runtime.realtime import RealtimeBudget


class Scheduler:
    """Notes what it was told."""

    def __init__(self, permitted: bool = True) -> None:
        self.permitted, self.calls = permitted, list[bool]()

    def __call__(self, realtime: bool) -> bool:
        self.calls.append(realtime)
        return realtime and self.permitted


def test_realtime_priority_ends_with_a_spin_and_returns_after_calm() -> None:
    scheduler = Scheduler()
    budget, used_s = RealtimeBudget(scheduler), 5.0
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
