"""What workers do whose detectors cannot keep up: they look at the frames nearest to instants that all cameras share.

If every one took whatever frame is the newest, cameras would see people at instants far apart, and nobody could be
triangulated. So the instants lie on a grid of the common clock, every 2, 4, 8 ... ticks. Workers of one machine share
its cores, so they go by one step, that of the slowest (`shared_level`); one on a slower machine looks at a part of the
others' instants.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterable

from multiview.data import NS_PER_S, VideoFrame
from multiview.wire.messages import CameraHealth

__all__ = ["DetectorPace", "GridSelection", "shared_level"]

TOLERATED_FRAMES = 1.2  # a detection may take so many frames: five of six are then looked at
MARGIN = 1.1  # a step of the grid is at least so many times what a detection takes
RETURN_SHARE = 0.7  # of a half as long step, which a detection must fit in before the step is halved
RECENT, RECENT_S = 5, 4.0  # at least so many detections, and so long, whose mean counts; half as long is a beginning
MOST = 3.0  # times the median, that one detection counts for: the machine may have stalled
LOADS = 60  # detections, whose mean load counts
MAX_LEVEL = 12


class DetectorPace:
    """The step of the grid, 2**level ticks, from how long detections take; level 0: no grid, every frame that fits.

    `needed` is the level that this worker's own detections ask for, `level` the one that it goes by.
    """

    def __init__(self, tick_hz: float, frame_hz: float) -> None:
        """`frame_hz` is that of the worker's fastest camera."""
        self.tick_s = 1.0 / tick_hz
        self._frame_s = 1.0 / (frame_hz or tick_hz)
        self._costs: deque[float] = deque()
        self._loads: deque[float] = deque(maxlen=LOADS)
        self.needed = self._shared = 0

    def pictures_come(self, frame_hz: float) -> None:
        """At the rate of the worker's fastest camera, as measured; 0: that is not known yet."""
        if frame_hz > 0:
            self._frame_s = 1.0 / frame_hz

    @property
    def level(self) -> int:
        """The larger one of what this worker and what the others of its machine need."""
        return max(self.needed, self._shared)

    @property
    def cost_s(self) -> float:
        """How long a detection takes, s: the mean of late."""
        if not self._costs:
            return 0.0
        most = MOST * statistics.median(self._costs)
        return statistics.fmean(min(cost, most) for cost in self._costs)

    @property
    def step_s(self) -> float:
        """Between two instants, s."""
        return self.tick_s * 2**self.level

    def add(self, cost_s: float, load_s: float = 0.0) -> bool:
        """Take account of one detection (all cameras of the worker together); True if the step changes.

        `load_s` is how long it keeps all cores of the machine busy, with those of the other workers. On a grid
        detections are quick, as cores have time between two instants: that alone is no reason to look more often.
        """
        costs, before = self._costs, self.level
        costs.append(cost_s)
        self._loads.append(load_s)
        enough = max(RECENT, round(RECENT_S / max(self.step_s, self._frame_s)))
        while len(costs) > RECENT and (len(costs) > enough or sum(costs) - costs[0] >= RECENT_S):
            costs.popleft()
        if len(costs) >= RECENT and (2 * len(costs) >= enough or 2 * sum(costs) >= RECENT_S):
            self.needed = self._needed(self.needed)
        return self.level != before

    def clear(self) -> None:
        """No picture has come for a while: nothing is known of how long a detection takes."""
        self._costs.clear()
        self._loads.clear()
        self.needed = 0

    def share(self, level: int) -> bool:
        """Go by the level that the workers of this machine share; True if the step changes."""
        before, self._shared = self.level, level
        return self.level != before

    def _needed(self, level: int) -> int:
        cost_s = self.cost_s
        returning_s = max(cost_s, RETURN_SHARE * statistics.fmean(self._loads)) if level else cost_s
        if returning_s <= TOLERATED_FRAMES * self._frame_s * (RETURN_SHARE if level else 1.0):
            return 0
        while self.tick_s * 2**level < MARGIN * cost_s and level < MAX_LEVEL:
            level += 1
        while level and MARGIN * returning_s <= RETURN_SHARE * self.tick_s * 2 ** (level - 1):
            level -= 1
        return level

    def advice(self, camera_count: int) -> str:
        """What to do about it, empty while the detector keeps up."""
        if self.level == 0:
            return ""
        whose = f"of {camera_count} cameras takes" if camera_count > 1 else "takes"
        of_another = "; a camera beside it needs that" if self.needed < self.level else ""
        return (
            f"the computer is too slow: a 2D detection {whose} {1e3 * self.cost_s:.0f} ms and a picture comes every "
            f"{1e3 * self._frame_s:.0f} ms, so only one every {1e3 * self.step_s:.0f} ms is used, the same in all "
            f"cameras{of_another}; use smaller pictures, a larger search_every or a lighter detector, fewer cameras, "
            "or record (run --video) and `multiview process` afterwards"
        )


def shared_level(healths: Iterable[CameraHealth], machine: str) -> int:
    """The level that all workers of a machine go by: the largest one that any of them needs."""
    return max((one.skip for one in healths if one.machine == machine and one.state == "running"), default=0)


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
