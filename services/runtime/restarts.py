"""When a process that died is started again: at once, and each further time after a longer pause."""

from __future__ import annotations

__all__ = ["Restarts"]

FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 5.0  # a studio whose fault has been mended waits no longer than this
MAX_CANNOT_START_PAUSE_S = 10.0  # of a process that says itself that it cannot start (a camera that is not plugged in)
STABLE_S = 10.0  # a process that lived for so long has started well: what was before is forgotten
STARTED_S = 60.0  # likewise of one that says itself that it cannot start: to find out may take long


class Restarts:
    """The pauses between the deaths and the starts of one process; times are seconds on one clock.

    `deaths` counts those since it last ran stably.
    """

    def __init__(self) -> None:
        self.deaths = 0
        self.due = 0.0

    def died(self, started: float, now: float, cannot_start: bool) -> float:
        """Note a death, and return when to start again.

        Args:
            started: When the process was started.
            now: When it was found dead.
            cannot_start: Whether it said itself that it cannot start.

        Returns:
            The time of the next start.
        """
        if now - started > (STARTED_S if cannot_start else STABLE_S):
            self.deaths = 0
        self.deaths += 1
        doublings = min(self.deaths - 2 + cannot_start, 10)
        pause = 0.0 if doublings < 0 else FIRST_PAUSE_S * 2.0**doublings
        self.due = now + min(pause, MAX_CANNOT_START_PAUSE_S if cannot_start else MAX_PAUSE_S)
        return self.due
