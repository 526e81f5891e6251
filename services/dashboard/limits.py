"""How often somebody may ask: a token bucket for each, bounded in number."""

from __future__ import annotations

import time
from collections import OrderedDict

__all__ = ["RateLimit"]

MAX_KNOWN = 4096


class RateLimit:
    """At most `burst` at once, and `rate_hz` on average, for each of those who ask.

    Args:
        burst: Requests.
        rate_hz: Requests per second.
    """

    def __init__(self, burst: float, rate_hz: float) -> None:
        self._burst, self._rate_hz = burst, rate_hz
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests, and when

    def allows(self, who: str, now_s: float | None = None) -> bool:
        """Whether this request may pass; it counts if it does."""
        now_s = time.monotonic() if now_s is None else now_s
        left, then_s = self._left.pop(who, (self._burst, now_s))
        left = min(self._burst, left + (now_s - then_s) * self._rate_hz)
        allowed = left >= 1.0
        self._left[who] = (left - allowed, now_s)
        if len(self._left) > MAX_KNOWN:
            self._left.popitem(last=False)
        return allowed
