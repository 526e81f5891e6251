"""When a video's frames were taken, from the stamps of its container, the first frame at 0."""

from __future__ import annotations

__all__ = ["ContainerTimes"]

ROUNDING_NS = 1_000_000  # containers round to 1 ms, or finer
USUAL_FPS = 25.0
NS_PER_S = 1_000_000_000


class ContainerTimes:
    """Times of frames in order, from stamps that may be rounded, delayed, missing or 0.

    Where a stamp agrees with the constant rate to a container's rounding, the rate is exact. Where stamps do not rise
    (AVI with B-frames ends with zeros, some containers have none), the rate goes on from the last.

    Args:
        fps: The container's rate; 0 if unknown.
    """

    def __init__(self, fps: float) -> None:
        self._step_ns = NS_PER_S / fps if fps > 0 else NS_PER_S / USUAL_FPS
        self._first_ns = 0
        self._index = -1
        self._last_ns, self._last_index = 0, 0  # of the last stamp that was believed

    def next_ns(self, stamp_ms: float) -> int:
        """Time of the next frame.

        Args:
            stamp_ms: What the container says of it.

        Returns:
            ns since the first frame.
        """
        self._index += 1
        stamp = round(stamp_ms * 1e6)
        if self._index == 0:
            self._first_ns = stamp
            return 0
        since_first = stamp - self._first_ns
        by_rate = round(self._index * self._step_ns)
        if since_first <= self._last_ns:
            return self._last_ns + round((self._index - self._last_index) * self._step_ns)
        near = abs(since_first - by_rate) <= ROUNDING_NS and by_rate > self._last_ns
        self._last_ns, self._last_index = by_rate if near else since_first, self._index
        return self._last_ns
