"""Real-time scheduling within a budget: a process that spins, for whatever reason, loses it and starves nobody."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time

from services.runtime.process import use_realtime_scheduling

__all__ = ["RealtimeBudget"]

MEASURED_S = 1.0
MOST, LITTLE = 0.7, 0.35  # of one core: beyond the one it loses the priority, below the other it has it again
CALM = 10  # measurements in a row


class RealtimeBudget:
    """Schedules this process in real time as long as it takes little of the processor; call `check` often."""

    def __init__(self) -> None:
        use_realtime_scheduling()
        self._realtime = _is_realtime()
        self.permitted = self._realtime  # without the permission there is nothing to give back
        self._measured_s, self._used_s, self._calm = time.monotonic(), time.process_time(), 0

    def check(self) -> None:
        now_s = time.monotonic()
        if not self.permitted or now_s < self._measured_s + MEASURED_S:
            return
        used_s = time.process_time()
        share = (used_s - self._used_s) / (now_s - self._measured_s)
        self._measured_s, self._used_s = now_s, used_s
        self._calm = self._calm + 1 if share < LITTLE else 0
        if self._realtime and share > MOST:
            logging.warning("takes %.0f %% of a core: real-time priority is off until it takes less", 100 * share)
            self._schedule(False)
        elif not self._realtime and self._calm >= CALM:
            logging.info("real-time priority is on again")
            self._schedule(True)

    def _schedule(self, realtime: bool) -> None:
        """All threads of this process, those of the sockets too."""
        self._realtime = realtime
        if sys.platform == "linux":
            policy = os.SCHED_RR if realtime else os.SCHED_OTHER
            for thread in os.listdir("/proc/self/task"):
                with contextlib.suppress(OSError):  # it has ended
                    os.sched_setscheduler(int(thread), policy, os.sched_param(int(realtime)))


def _is_realtime() -> bool:
    return sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_RR
