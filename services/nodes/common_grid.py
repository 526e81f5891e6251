"""What a worker does whose detector cannot keep up: it looks at the frames nearest to instants that all cameras share.

Workers skip frames by themselves, each at its own speed. If every one took whatever frame is the newest, cameras would
see people at instants far apart, and nobody could be triangulated. So the instants lie on a grid of the common clock,
every 2, 4, 8 ... ticks: a worker that is slower than another one looks at a part of the other's instants.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable

from multiview.data import NS_PER_S, VideoFrame

__all__ = ["DetectorPace", "GridSelection"]

TOLERATED_FRAMES = 2.0  # a detection may take so many frames: what is skipped then is interpolated well
MARGIN = 1.1  # a step of the grid is at least so many times what a detection takes
RETURN_SHARE = 0.8  # of a half as long step, which a detection must fit in before the step is halved
RECENT = 5  # detections whose median counts
MAX_LEVEL = 12


class DetectorPace:
    """The step of the grid, 2**level ticks, from how long detections take; level 0: no grid, every frame that fits."""

    def __init__(self, tick_hz: float, frame_hz: float) -> None:
        """`frame_hz` is that of the worker's fastest camera."""
        self.tick_s = 1.0 / tick_hz
        self._frame_s = 1.0 / (frame_hz or tick_hz)
        self._costs: deque[float] = deque(maxlen=RECENT)
        self.level = 0

    @property
    def cost_s(self) -> float:
        """How long a detection takes, s: the median of late."""
        return statistics.median(self._costs) if self._costs else 0.0

    @property
    def step_s(self) -> float:
        """Between two instants, s."""
        return self.tick_s * 2**self.level

    def add(self, cost_s: float) -> bool:
        """Take account of one detection (all cameras of the worker together); True if the step changes."""
        self._costs.append(cost_s)
        before, needed_s = self.level, MARGIN * self.cost_s
        if self.level == 0 and self.cost_s <= TOLERATED_FRAMES * self._frame_s:
            return False
        while self.step_s < needed_s and self.level < MAX_LEVEL:
            self.level += 1
        while self.level and needed_s <= RETURN_SHARE * self.step_s / 2:
            self.level -= 1
        if self.cost_s <= RETURN_SHARE * TOLERATED_FRAMES * self._frame_s:
            self.level = 0
        return self.level != before

    def advice(self, camera_count: int) -> str:
        """What to do about it, empty while the detector keeps up."""
        if self.level == 0:
            return ""
        whose = f"of {camera_count} cameras takes" if camera_count > 1 else "takes"
        return (
            f"the computer is too slow: a 2D detection {whose} {1e3 * self.cost_s:.0f} ms and a picture comes every "
            f"{1e3 * self._frame_s:.0f} ms, so only one every {1e3 * self.step_s:.0f} ms is used, the same in all "
            "cameras; use smaller pictures, a larger search_every or a lighter detector, fewer cameras, or record "
            "(run --video) and `multiview process` afterwards"
        )


class GridSelection:
    """One camera's frames nearest to the instants of the grid, each instant once."""

    def __init__(self, pace: DetectorPace, common_ns: Callable[[VideoFrame], int | None], frame_hz: float) -> None:
        """`common_ns` tells a frame's time on the clock of all cameras, None while that is not known."""
        self._pace, self._common_ns = pace, common_ns
        self._frame_ns = round(NS_PER_S / frame_hz) if frame_hz else round(NS_PER_S * pace.tick_s)
        self._last = 0

    @property
    def active(self) -> bool:
        """Whether frames are selected at all."""
        return self._pace.level > 0

    def takes(self, frame: VideoFrame) -> bool:
        """Whether this frame is the first one of its instant: at most half a frame before it."""
        time_ns = self._common_ns(frame)
        if not self.active or time_ns is None:
            return True
        instant = (time_ns + self._frame_ns // 2) // self._step_ns
        is_new = instant != self._last
        self._last = instant
        return is_new

    def passes(self, frame: VideoFrame) -> int:
        """How many of the frames that follow lie before the next instant for certain."""
        time_ns = self._common_ns(frame)
        if not self.active or time_ns is None:
            return 0
        left_ns = self._step_ns - (time_ns + self._frame_ns // 2) % self._step_ns
        return max(0, left_ns // self._frame_ns - 2)

    @property
    def _step_ns(self) -> int:
        return round(self._pace.step_s * NS_PER_S)
