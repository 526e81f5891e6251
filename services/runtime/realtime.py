"""Real-time scheduling within a budget: a process that spins, for whatever reason, loses it and starves nobody."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable

from services.runtime.process import RealtimePriority, use_realtime_scheduling

__all__ = ["RealtimeBudget"]

MEASURED_S = 1.0
MOST, PATIENCE = 0.9, 5  # of one core, beyond which, measured so often in a row, it loses the priority
MOST_OF_ONLY, PATIENCE_OF_ONLY = 0.7, 1  # the same where there is one core only
LITTLE, CALM = 0.35, 10  # of one core, below which, measured so often in a row, it has it again


class RealtimeBudget:
    """Schedules this process in real time, where permitted, as long as it takes little of the processor."""

    def __init__(self, schedule: Callable[[bool], bool] | None = None, cores: int = 0) -> None:
        """`schedule` switches real time on or off, and says whether it is on; `cores` are the machine's (0: ask it)."""
        self._schedule = schedule or _schedule
        others = (cores or _cores()) > 1
        self._most, self._patience = (MOST, PATIENCE) if others else (MOST_OF_ONLY, PATIENCE_OF_ONLY)
        self.permitted = self.realtime = self._schedule(True)
        self._measured_s, self._used_s, self._calm, self._over = -MEASURED_S, 0.0, 0, 0

    def check(self, now_s: float, used_s: float) -> None:
        """Call often, with the time and the processor time of this process so far."""
        if not self.permitted or now_s < self._measured_s + MEASURED_S:
            return
        first = self._measured_s < 0
        share = (used_s - self._used_s) / (now_s - self._measured_s)
        self._measured_s, self._used_s = now_s, used_s
        if first:
            return
        self._calm = self._calm + 1 if share < LITTLE else 0
        self._over = self._over + 1 if share > self._most else 0
        if self.realtime and self._over >= self._patience:
            logging.warning("takes %.0f %% of a core: real-time priority is off until it takes less", 100 * share)
            self.realtime = self._schedule(False)
        elif not self.realtime and self._calm >= CALM:
            logging.info("real-time priority is on again")
            self.realtime = self._schedule(True)


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _schedule(realtime: bool) -> bool:
    """All threads of this process, those of the sockets too; the calling one comes before the others.

    The sockets' threads take in what is sent as fast as it comes, and the calling thread bounds it: at one priority it
    would wait while two of them each use up their time slice (100 ms).
    """
    if sys.platform != "linux":
        return False
    if realtime:
        use_realtime_scheduling()
    policy = os.sched_getscheduler(0) if realtime else os.SCHED_OTHER
    for thread in map(int, os.listdir("/proc/self/task")):
        with contextlib.suppress(ProcessLookupError):  # it has ended
            if policy == os.SCHED_RR:
                use_realtime_scheduling(thread=thread)
            else:
                os.sched_setscheduler(thread, policy, os.sched_param(0))
    if policy == os.SCHED_RR:
        use_realtime_scheduling(RealtimePriority.HUB)
    return policy == os.SCHED_RR
