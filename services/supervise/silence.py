"""Which processes have stopped making progress, as far as this one was awake and could hear them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

__all__ = ["PAUSE_S", "Silence"]

PAUSE_S = 2.0  # whoever looks every 50 ms and finds so much time gone was stopped itself


class Silence:
    """How long each role has been silent; times are seconds on one clock.

    Silence counts only while it could have been broken: not while this process was stopped with the whole machine, nor
    while the hub, which passes on what is heard, did not reply.
    """

    def __init__(self, now: float) -> None:
        self._last_signals: dict[str, float] = {}
        self._listening_since = self._last = now

    def wake(self, now: float) -> float:
        """Note that this process runs.

        Args:
            now: The time.

        Returns:
            How long it stood still, if it did, else 0.
        """
        gap, self._last = now - self._last, now
        if gap < PAUSE_S:
            return 0.0
        self._listening_since = now
        return gap

    def hear(self, now: float, roles: Mapping[str, float] | None) -> None:
        """Note the hub's reply.

        Args:
            now: The time.
            roles: Seconds since each role last reported; None if the hub did not reply.
        """
        if roles is None:
            self._listening_since = now
            return
        for role, ago in roles.items():
            self._last_signals[role] = max(self._last_signals.get(role, 0.0), now - ago)

    def signalled_since(self, roles: Iterable[str], started: float) -> bool:
        """Whether one of these roles has reported since this time."""
        return any(self._last_signals.get(role, 0.0) > started for role in roles)

    def silent_s(self, roles: Iterable[str], started: float, now: float) -> float:
        """Seconds for which none of these roles of a process started then was heard, while somebody listened."""
        latest = max((self._last_signals.get(role, 0.0) for role in roles), default=0.0)
        return now - max(latest, started, self._listening_since)
