"""When a process that died is started again."""

from __future__ import annotations

import itertools

from services.runtime.restarts import MAX_CANNOT_START_PAUSE_S, MAX_PAUSE_S, STABLE_S, STARTED_S, Restarts


def pauses(restarts: Restarts, count: int, lives_s: float, cannot_start: bool) -> list[float]:
    """The pauses of a process that dies so often, `lives_s` after each start."""
    now, found = 100.0, []
    for _ in range(count):
        started, now = now, now + lives_s
        due = restarts.died(started, now, cannot_start)
        found.append(round(due - now, 6))
        now = due
    return found


def test_restarts_begin_at_once_and_grow_to_a_limit() -> None:
    found = pauses(Restarts(), 12, 0.5, cannot_start=False)
    assert found[0] == 0.0
    assert all(later >= earlier for earlier, later in itertools.pairwise(found))
    assert found[-1] == MAX_PAUSE_S


def test_restarts_never_try_at_once_what_cannot_start() -> None:
    found = pauses(Restarts(), 12, 0.5, cannot_start=True)
    assert found[0] > 0.0
    assert found[-1] == MAX_CANNOT_START_PAUSE_S


def test_restarts_forget_what_was_before_a_stable_life() -> None:
    restarts = Restarts()
    pauses(restarts, 8, 0.5, cannot_start=False)
    assert pauses(restarts, 3, STABLE_S + 1.0, cannot_start=False) == [0.0, 0.0, 0.0]


def test_restarts_grow_though_a_slow_machine_takes_long_to_find_out() -> None:
    found = pauses(Restarts(), 12, STABLE_S + 1.0, cannot_start=True)
    assert found[-1] == MAX_CANNOT_START_PAUSE_S
    assert len(set(pauses(Restarts(), 3, STARTED_S + 1.0, cannot_start=True))) == 1
