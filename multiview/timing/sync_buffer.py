"""Cameras that run each at their own pace, brought to common instants, the ticks.

A tick is given out when every live camera has passed it, or when its deadline has. Deadlines are judged on the hub's
times of arrival, which are part of a recording, and never on a clock read here: the same messages give the same views.
All times are integer nanoseconds; stamps are on one clock, arrivals on the hub's, and the two may differ by a constant.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from multiview.data import NS_PER_S, Keypoints2D, Views
from multiview.timing.interpolate import interpolate

__all__ = ["Counts", "SyncBuffer", "SyncOptions"]


class SyncOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How cameras are brought together."""

    rate_hz: float = 0.0  # ticks per second; 0: the frame rate of the sources
    budget_s: float = (
        0.08  # the longest wait for a camera after a tick, or two steps of slow cameras; later is not used
    )
    bracket_frames: float = 2.5  # keypoints are interpolated between two frames at most so many of its steps apart
    missed_ticks: int = 3  # a camera that misses so many ticks is not waited for until it is back in time
    horizon_s: float = 10.0  # a stamp further ahead than this is a mistake, not a frame
    by_trigger: bool = False  # cameras fired by one trigger are brought together by its count, not by their stamps
    lossless: bool = False  # wait for every camera however long it takes: for sources that do not run in real time


_DEFAULT = SyncOptions()


class Counts(NamedTuple):
    """What became of one camera's messages."""

    used: int  # ticks that had keypoints of this camera
    missed: int  # ticks given out without waiting longer
    late: int  # frames that came after their tick had been given out
    duplicate: int
    ahead: int


class _Camera:
    """What is remembered of one camera."""

    def __init__(self, offset_ns: int, period_ns: int) -> None:
        self.offset_ns = offset_ns
        self.times: list[int] = []
        self.frames: list[Keypoints2D] = []
        self.live = True
        self.missing = 0  # ticks missed one after the other
        self.steps: deque[int] = deque([period_ns], maxlen=15)  # between stamps, of late
        self.period_ns = period_ns  # the step of its pictures: of short ones, since dropped frames only lengthen a step
        self.pace_ns = period_ns  # at which keypoints come, where a detector cannot take every picture: of long ones
        self.lags: deque[int] = deque(maxlen=15)  # arrival less stamp
        self.lag_ns = 0  # their median
        self.peak_ns = 0  # how long after a tick this camera reaches it: a maximum that slowly forgets
        self.used = self.missed = self.late = self.duplicate = self.ahead = 0

    @property
    def head(self) -> int | None:
        return self.times[-1] if self.times else None

    def reaches(self, time_ns: int) -> bool:
        return bool(self.times) and self.times[-1] >= time_ns

    def insert(self, time_ns: int, keypoints: Keypoints2D) -> bool:
        place = bisect_left(self.times, time_ns)
        if place < len(self.times) and self.times[place] == time_ns:
            return False
        if self.times and place == len(self.times):
            self.steps.append(time_ns - self.times[-1])
            steps = sorted(self.steps)
            self.period_ns, self.pace_ns = steps[len(steps) // 4], steps[len(steps) * 3 // 4]
        self.times.insert(place, time_ns)
        self.frames.insert(place, keypoints)
        return True

    def at(self, time_ns: int, bracket_frames: float) -> Keypoints2D | None:
        """The keypoints at an instant: a frame's own, between two frames, or of one less than half a frame away."""
        after = bisect_left(self.times, time_ns)
        if after < len(self.times) and self.times[after] == time_ns:
            return self.frames[after]
        before, period = after - 1, self.period_ns
        if before >= 0 and after < len(self.times):
            span = self.times[after] - self.times[before]
            if span <= bracket_frames * self.pace_ns:
                weight = (time_ns - self.times[before]) / span
                return interpolate(self.frames[before], self.frames[after], weight)
        near = [i for i in (before, after) if 0 <= i < len(self.times) and 2 * abs(self.times[i] - time_ns) <= period]
        return self.frames[min(near, key=lambda i: abs(self.times[i] - time_ns))] if near else None

    def forget_all(self) -> None:
        self.times.clear()
        self.frames.clear()
        self.lags.clear()

    def forget_before(self, time_ns: int) -> None:
        """Keep the last frame at or before an instant: it may be one end of the next bracket."""
        drop = bisect_right(self.times, time_ns) - 1
        if drop > 0:
            del self.times[:drop], self.frames[:drop]


class SyncBuffer:
    """Frames of all cameras in, in any order; views at the ticks out, in order, each tick once."""

    def __init__(self, cameras: int, rate_hz: float, options: SyncOptions = _DEFAULT, offsets_s: Sequence[float] = ()):
        """`offsets_s` is added to each camera's stamps (the rig's `time_offset_s`)."""
        self.rate_hz = rate_hz
        self.options = options
        self.restarts = 0  # how often time began again, because every camera's stamps did
        offsets = [round(s * NS_PER_S) for s in offsets_s] or [0] * cameras
        self._cameras = [_Camera(offset, round(NS_PER_S / rate_hz)) for offset in offsets]
        self._budget_ns = round(options.budget_s * NS_PER_S)
        self._horizon_ns = round(options.horizon_s * NS_PER_S)
        self._next: int | None = None  # the tick to give out next; None before the first frame
        self._last_ns: int | None = None  # the time of the last tick given out
        self.delay_ns = 0
        self._pace_ns = round(NS_PER_S / rate_hz)  # the step at which the live cameras' keypoints come
        self._astray = 0  # frames, one after the other, from long before that or long after
        self._last_waited = self._cameras[0]  # who was waited for last, and so is asked first

    def tick_time_ns(self, tick: int) -> int:
        return round(tick * NS_PER_S / self.rate_hz)

    def first_tick_at(self, time_ns: int) -> int:
        """The first tick at or after an instant."""
        tick = round(time_ns * self.rate_hz / NS_PER_S)
        while self.tick_time_ns(tick) < time_ns:
            tick += 1
        while self.tick_time_ns(tick - 1) >= time_ns:
            tick -= 1
        return tick

    def live(self) -> list[bool]:
        """Which cameras are waited for."""
        return [camera.live for camera in self._cameras]

    def offset_s(self, camera: int) -> float:
        """What is added to this camera's stamps."""
        return self._cameras[camera].offset_ns / NS_PER_S

    def shift(self, camera: int, by_ns: int) -> None:
        """Add so much more to this camera's stamps, from now on and to the frames that are waiting."""
        c = self._cameras[camera]
        c.offset_ns += by_ns
        c.times = [time_ns + by_ns for time_ns in c.times]
        c.lags = deque((lag_ns - by_ns for lag_ns in c.lags), maxlen=c.lags.maxlen)

    def counts(self) -> list[Counts]:
        return [Counts(c.used, c.missed, c.late, c.duplicate, c.ahead) for c in self._cameras]

    def add(self, camera: int, time_ns: int, keypoints: Keypoints2D, arrival_ns: int) -> list[Views]:
        """A frame of a camera that arrived at the hub at `arrival_ns`; what it completes is returned."""
        self._take(self._cameras[camera], time_ns, keypoints, arrival_ns)
        return self.advance(arrival_ns)

    def goodbye(self, camera: int, arrival_ns: int) -> list[Views]:
        """A camera ends on purpose; when the last one has, every tick that any camera reached is returned."""
        self._cameras[camera].live = False
        return self.advance(arrival_ns)

    def advance(self, arrival_ns: int) -> list[Views]:
        """The ticks that are complete, or past their deadline, at this time of the hub's clock."""
        views = []
        while self._next is not None:
            time_ns = self.tick_time_ns(self._next)
            if self._waits_for(self._last_waited, time_ns, arrival_ns):
                break
            waiting = [c for c in self._cameras if c.live and not c.reaches(time_ns)]
            waited = next((c for c in waiting if self._waits_for(c, time_ns, arrival_ns)), None)
            if waited is not None:
                self._last_waited = waited
                break
            if not waiting and not any(c.reaches(time_ns) for c in self._cameras):
                break  # nobody is here: time stands still
            views.append(self._give_out(self._next, time_ns, waiting))
            self._skip_emptiness()
        return views

    def _waits_for(self, camera: _Camera, tick_ns: int, arrival_ns: int) -> bool:
        return camera.live and not camera.reaches(tick_ns) and arrival_ns < self._deadline_ns(camera, tick_ns)

    def _skip_emptiness(self) -> None:
        """When nobody is waited for, go on where the next frame is: a gap in all stamps is no row of empty ticks."""
        last_ns = self._last_ns
        assert last_ns is not None
        if any(c.live and not c.reaches(last_ns + 1) for c in self._cameras):
            return
        coming = [c.times[bisect_right(c.times, last_ns)] for c in self._cameras if c.reaches(last_ns + 1)]
        if coming and min(coming) > last_ns + NS_PER_S:
            self._next = self.first_tick_at(min(coming))

    def _take(self, camera: _Camera, time_ns: int, keypoints: Keypoints2D, arrival_ns: int) -> None:
        time_ns += camera.offset_ns
        self._begin_or_jump(time_ns)
        assert self._next is not None
        late = self._last_ns is not None and time_ns <= self._last_ns
        if not self.options.lossless and time_ns > self.tick_time_ns(self._next) + self._horizon_ns:
            camera.ahead += 1
            return
        head = camera.head
        if not camera.insert(time_ns, keypoints):
            camera.duplicate += 1
            return
        self._note_lag(camera, arrival_ns - time_ns)
        if head is None or time_ns > head:
            self._learn(camera, head, time_ns, arrival_ns)
        if late:
            camera.late += 1
            camera.forget_before(self._last_ns or 0)
        elif time_ns <= self.tick_time_ns(self._next - 1):  # it had been skipped as emptiness
            self._next = self.first_tick_at(time_ns)
        if not late or arrival_ns - time_ns <= self.delay_ns + self._budget_ns:
            camera.live, camera.missing = True, 0

    def _begin_or_jump(self, time_ns: int) -> None:
        """Where time starts: at the first frame, at a return after everyone was silent, or anew."""
        if self._next is None:
            self._next = self.first_tick_at(time_ns)
        if self._last_ns is None:
            return
        behind = time_ns < self._last_ns - self._horizon_ns
        ahead = not self.options.lossless and time_ns > self.tick_time_ns(self._next) + self._horizon_ns
        self._astray = self._astray + 1 if behind or ahead else 0
        if self._astray > 3 * len(self._cameras):
            self.restarts += 1
            self._last_ns, self._next, self._astray = None, self.first_tick_at(time_ns), 0
            for c in self._cameras:
                c.forget_all()
        elif not any(c.live or c.reaches(self._last_ns + 1) for c in self._cameras):
            self._next = max(self._next, self.first_tick_at(time_ns))

    def _learn(self, camera: _Camera, head: int | None, time_ns: int, arrival_ns: int) -> None:
        """How long after a tick this camera reaches it, seen at the last tick that it has just passed."""
        tick_ns = self.tick_time_ns(self.first_tick_at(time_ns + 1) - 1)
        if head is None or tick_ns > head:
            wait = max(0, arrival_ns - tick_ns - self.delay_ns)
            camera.peak_ns = max(wait, camera.peak_ns - (camera.peak_ns - wait) // 256)

    def _note_lag(self, camera: _Camera, lag_ns: int) -> None:
        """What the hub's clock shows at a stamp, less the stamp: the lower median of the live cameras' medians.

        And the step at which their keypoints come, likewise.
        """
        camera.lags.append(lag_ns)
        camera.lag_ns = sorted(camera.lags)[len(camera.lags) // 2]
        here = [c for c in self._cameras if c.lags and (c.live or c is camera)]
        self.delay_ns = sorted([c.lag_ns for c in here])[(len(here) - 1) // 2]
        self._pace_ns = sorted([c.pace_ns for c in here])[(len(here) - 1) // 2]

    def _deadline_ns(self, camera: _Camera, tick_ns: int) -> int:
        """Until when a tick waits for a camera: twice its usual lateness, within the budget.

        At the least half the budget, or a step and a quarter, so that a dropped frame is bridged by the next one. Where
        most cameras are slow (one that is slow among others holds nobody up) the budget grows to two of their steps.
        """
        if self.options.lossless:
            return 2**63
        longest = max(self._budget_ns, 2 * self._pace_ns)
        wait = max(2 * camera.peak_ns, self._budget_ns // 2, camera.pace_ns * 5 // 4)
        if not camera.times:
            wait = longest
        return tick_ns + self.delay_ns + min(wait, longest)

    def _give_out(self, tick: int, time_ns: int, waiting: list[_Camera]) -> Views:
        for camera in waiting:
            camera.missed += 1
            camera.missing += 1
            silent = camera.head is None or time_ns - camera.head > 2 * self._pace_ns
            camera.live = camera.missing < self.options.missed_ticks or not silent
        keypoints = tuple(camera.at(time_ns, self.options.bracket_frames) for camera in self._cameras)
        for camera, seen in zip(self._cameras, keypoints, strict=True):
            camera.used += seen is not None
            camera.forget_before(time_ns)
        self._next, self._last_ns = tick + 1, time_ns
        return Views(tick, time_ns, keypoints)
