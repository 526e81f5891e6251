"""When a video's frames were taken, from the stamps of its container, the first frame at 0."""

from __future__ import annotations

from multiview.data import NS_PER_S, TimeNs

__all__ = ["ContainerTimes"]

ROUNDING_NS = 1_000_000  # the coarsest that containers round to; a coarser unit is that of one frame
USUAL_FPS = 25.0


class ContainerTimes:
    """Times of frames in order, from stamps that may be rounded, delayed, missing or 0.

    As long as stamps agree with the constant rate to a container's rounding, the rate is exact; from the first other
    one on, they are taken as they are. Where stamps do not rise (some containers have none, or lack the last ones), the
    rate goes on from the last.

    Args:
        fps: The container's rate; 0 if unknown.
        unit_s: Of its stamps, which are rounded to whole ones, s; 0 if unknown.
    """

    def __init__(self, fps: float, unit_s: float = 0.0) -> None:
        self._rounding_ns = min(ROUNDING_NS, round(unit_s * NS_PER_S) + 1) if unit_s else ROUNDING_NS
        self._is_constant = True
        self._step_ns = NS_PER_S / fps if fps > 0 else NS_PER_S / USUAL_FPS
        self._first_ns = 0
        self._index = -1
        self._last_ns, self._last_index = 0, 0  # of the last stamp that was believed

    def next_ns(self, stamp_s: float | None) -> TimeNs:
        """Time of the next frame.

        Args:
            stamp_s: What the container says of it; None: nothing.

        Returns:
            ns since the first frame.
        """
        self._index += 1
        stamp = 0 if stamp_s is None else round(stamp_s * NS_PER_S)
        if self._index == 0:
            self._first_ns = stamp
            return TimeNs(0)
        since_first = stamp - self._first_ns
        by_rate = round(self._index * self._step_ns)
        if since_first <= self._last_ns:
            return TimeNs(self._last_ns + round((self._index - self._last_index) * self._step_ns))
        self._is_constant &= abs(since_first - by_rate) <= self._rounding_ns and by_rate > self._last_ns
        self._last_ns, self._last_index = by_rate if self._is_constant else since_first, self._index
        return TimeNs(self._last_ns)
