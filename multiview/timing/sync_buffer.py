"""Frames of cameras that are not in step, synchronised to common instants, the ticks.

A tick is emitted when every live camera has passed it, or at its deadline. Deadlines are judged on the hub's times of
arrival, which are part of a recording, and never on a clock read here: the same messages give the same views. All times
are integer nanoseconds; stamps are on one clock, arrivals on the hub's, and the two may differ by a constant.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from multiview.common.ranges import above, between
from multiview.data import NS_PER_S, Keypoints2D, TimeNs, Views
from multiview.timing.interpolate import interpolate

__all__ = ["Counts", "SyncBuffer", "SyncOptions"]


class SyncOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How cameras are synchronised."""

    rate_hz: Annotated[float, between(0, 1000, "ticks per second")] = 0.0
    """Ticks per second; 0: the frame rate of the sources."""
    max_wait_s: Annotated[float, between(0, 3600, "s")] = 0.08
    """s. The longest wait for a camera after a tick, or two steps of slow cameras if longer."""
    max_gap_frames: Annotated[float, between(0, 1e6, "frames")] = 2.5
    """Keypoints are interpolated between two frames at most so many of the camera's steps apart."""
    missed_ticks: Annotated[int, between(1, 1_000_000, "ticks")] = 3
    """A camera that misses so many ticks is not waited for until it is back in time."""
    max_skew_s: Annotated[float, above(0, 1e6, "s")] = 10.0
    """s. A stamp further ahead than this is an error, and its frame is not used."""
    by_trigger: bool = False
    """Cameras fired by one trigger are synchronised by its count, not by their stamps."""
    lossless: bool = False
    """Wait for every camera however long it takes: for sources that do not run in real time."""


_DEFAULT = SyncOptions()


class Counts(NamedTuple):
    """Counts of one camera's frames and ticks."""

    used: int  # ticks with keypoints of this camera
    missed: int  # ticks emitted without it
    late: int  # frames that came after their tick had been emitted
    duplicate: int
    ahead: int  # frames stamped beyond `max_skew_s`


class _Camera:
    """State of one camera."""

    def __init__(self, offset_ns: int, period_ns: int) -> None:
        self.offset_ns = offset_ns
        self.times: list[int] = []
        self.frames: list[Keypoints2D] = []
        self.live = True
        self.consecutive_misses = 0
        self.steps: deque[int] = deque([period_ns], maxlen=15)  # between recent stamps
        self.period_ns = period_ns  # the step of its pictures: of short ones, since dropped frames only lengthen a step
        self.pace_ns = period_ns  # at which keypoints come, where a detector cannot take every picture: of long ones
        self.lags: deque[int] = deque(maxlen=15)  # arrival less stamp
        self.lag_ns = 0  # their median
        self.peak_ns = 0  # how long after a tick this camera reaches it: a slowly decaying maximum
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

    def at(self, time_ns: int, max_gap_frames: float) -> Keypoints2D | None:
        """The keypoints at an instant: a frame's own, between two frames, or of one less than half a frame away."""
        after = bisect_left(self.times, time_ns)
        if after < len(self.times) and self.times[after] == time_ns:
            return self.frames[after]
        before, period = after - 1, self.period_ns
        if before >= 0 and after < len(self.times):
            span = self.times[after] - self.times[before]
            if span <= max_gap_frames * self.pace_ns:
                weight = (time_ns - self.times[before]) / span
                return interpolate(self.frames[before], self.frames[after], weight)
        near = [i for i in (before, after) if 0 <= i < len(self.times) and 2 * abs(self.times[i] - time_ns) <= period]
        return self.frames[min(near, key=lambda i: abs(self.times[i] - time_ns))] if near else None

    def clear(self) -> None:
        self.times.clear()
        self.frames.clear()
        self.lags.clear()

    def discard_before(self, time_ns: int) -> None:
        """Keep the last frame at or before an instant: the next interpolation may start there."""
        drop = bisect_right(self.times, time_ns) - 1
        if drop > 0:
            del self.times[:drop], self.frames[:drop]


class SyncBuffer:
    """Frames of all cameras in, in any order; views at the ticks out, in order, each tick once."""

    def __init__(self, cameras: int, rate_hz: float, options: SyncOptions = _DEFAULT, offsets_s: Sequence[float] = ()):
        """`offsets_s` is added to each camera's stamps (the rig's `time_offset_s`)."""
        self.rate_hz = rate_hz
        self.options = options
        self.restarts = 0  # how often ticks restarted because every camera's stamps did
        offsets = [round(s * NS_PER_S) for s in offsets_s] or [0] * cameras
        self._cameras = [_Camera(offset, round(NS_PER_S / rate_hz)) for offset in offsets]
        self._max_wait_ns = round(options.max_wait_s * NS_PER_S)
        self._max_skew_ns = round(options.max_skew_s * NS_PER_S)
        self._next: int | None = None  # the tick to emit next; None before the first frame
        self._last_ns: int | None = None  # the time of the last tick emitted
        self.delay_ns = 0  # of arrivals behind stamps
        self._pace_ns = round(NS_PER_S / rate_hz)  # the step at which the live cameras' keypoints come
        self._out_of_range = 0  # consecutive frames far before that or far after
        self._last_waited = self._cameras[0]  # the camera waited for last, checked first

    def tick_time_ns(self, tick: int) -> TimeNs:
        return TimeNs(round(tick * NS_PER_S / self.rate_hz))

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

    def add_offset(self, camera: int, offset_ns: int) -> None:
        """Add more to this camera's time offset, from now on and for the frames that are waiting."""
        c = self._cameras[camera]
        c.offset_ns += offset_ns
        c.times = [time_ns + offset_ns for time_ns in c.times]
        c.lags = deque((lag_ns - offset_ns for lag_ns in c.lags), maxlen=c.lags.maxlen)

    def counts(self) -> list[Counts]:
        return [Counts(c.used, c.missed, c.late, c.duplicate, c.ahead) for c in self._cameras]

    def add(self, camera: int, time_ns: TimeNs, keypoints: Keypoints2D, arrival_ns: int) -> list[Views]:
        """A frame of a camera that arrived at the hub at `arrival_ns`; what it completes is returned."""
        self._insert(self._cameras[camera], time_ns, keypoints, arrival_ns)
        return self.advance(arrival_ns)

    def end_of_stream(self, camera: int, arrival_ns: int) -> list[Views]:
        """A camera's stream has ended; after the last one, every tick that any camera reached is returned."""
        self._cameras[camera].live = False
        return self.advance(arrival_ns)

    def advance(self, arrival_ns: int) -> list[Views]:
        """The ticks that are complete, or past their deadline, at this time of the hub's clock."""
        views = []
        while self._next is not None:
            time_ns = self.tick_time_ns(self._next)
            if self._is_waited_for(self._last_waited, time_ns, arrival_ns):
                break
            waiting = [c for c in self._cameras if c.live and not c.reaches(time_ns)]
            waited = next((c for c in waiting if self._is_waited_for(c, time_ns, arrival_ns)), None)
            if waited is not None:
                self._last_waited = waited
                break
            if not waiting and not any(c.reaches(time_ns) for c in self._cameras):
                break  # no camera has a frame: wait for one
            views.append(self._emit_tick(self._next, time_ns, waiting))
            self._skip_gap()
        return views

    def _is_waited_for(self, camera: _Camera, tick_ns: int, arrival_ns: int) -> bool:
        return camera.live and not camera.reaches(tick_ns) and arrival_ns < self._deadline_ns(camera, tick_ns)

    def _skip_gap(self) -> None:
        """Where no camera is waited for, continue at the next frame: a gap in all stamps gives no empty ticks."""
        last_ns = self._last_ns
        assert last_ns is not None
        if any(c.live and not c.reaches(last_ns + 1) for c in self._cameras):
            return
        coming = [c.times[bisect_right(c.times, last_ns)] for c in self._cameras if c.reaches(last_ns + 1)]
        if coming and min(coming) > last_ns + NS_PER_S:
            self._next = self.first_tick_at(min(coming))

    def _insert(self, camera: _Camera, time_ns: int, keypoints: Keypoints2D, arrival_ns: int) -> None:
        time_ns += camera.offset_ns
        self._start_or_restart(time_ns)
        assert self._next is not None
        late = self._last_ns is not None and time_ns <= self._last_ns
        if not self.options.lossless and time_ns > self.tick_time_ns(self._next) + self._max_skew_ns:
            camera.ahead += 1
            return
        head = camera.head
        if not camera.insert(time_ns, keypoints):
            camera.duplicate += 1
            return
        self._update_lag(camera, arrival_ns - time_ns)
        if head is None or time_ns > head:
            self._update_peak(camera, head, time_ns, arrival_ns)
        if late:
            camera.late += 1
            camera.discard_before(self._last_ns or 0)
        elif time_ns <= self.tick_time_ns(self._next - 1):  # it had been skipped as a gap
            self._next = self.first_tick_at(time_ns)
        if not late or arrival_ns - time_ns <= self.delay_ns + self._max_wait_ns:
            camera.live, camera.consecutive_misses = True, 0

    def _start_or_restart(self, time_ns: int) -> None:
        """Choose the next tick at the first frame, after all cameras were silent, or where all stamps have jumped."""
        if self._next is None:
            self._next = self.first_tick_at(time_ns)
        if self._last_ns is None:
            return
        behind = time_ns < self._last_ns - self._max_skew_ns
        ahead = not self.options.lossless and time_ns > self.tick_time_ns(self._next) + self._max_skew_ns
        self._out_of_range = self._out_of_range + 1 if behind or ahead else 0
        if self._out_of_range > 3 * len(self._cameras):
            self.restarts += 1
            self._last_ns, self._next, self._out_of_range = None, self.first_tick_at(time_ns), 0
            for c in self._cameras:
                c.clear()
        elif not any(c.live or c.reaches(self._last_ns + 1) for c in self._cameras):
            self._next = max(self._next, self.first_tick_at(time_ns))

    def _update_peak(self, camera: _Camera, head: int | None, time_ns: int, arrival_ns: int) -> None:
        """Update how long after a tick this camera reaches it, at the last tick that it has just passed."""
        tick_ns = self.tick_time_ns(self.first_tick_at(time_ns + 1) - 1)
        if head is None or tick_ns > head:
            wait = max(0, arrival_ns - tick_ns - self.delay_ns)
            camera.peak_ns = max(wait, camera.peak_ns - (camera.peak_ns - wait) // 256)

    def _update_lag(self, camera: _Camera, lag_ns: int) -> None:
        """Update the lag of arrivals behind stamps, the lower median of the live cameras' medians.

        And the step at which their keypoints come, likewise.
        """
        camera.lags.append(lag_ns)
        camera.lag_ns = sorted(camera.lags)[len(camera.lags) // 2]
        here = [c for c in self._cameras if c.lags and (c.live or c is camera)]
        self.delay_ns = sorted([c.lag_ns for c in here])[(len(here) - 1) // 2]
        self._pace_ns = sorted([c.pace_ns for c in here])[(len(here) - 1) // 2]

    def _deadline_ns(self, camera: _Camera, tick_ns: int) -> int:
        """Until when a tick waits for a camera: twice its usual lateness, within `max_wait_s`.

        At least half of `max_wait_s`, or a step and a quarter, so that a dropped frame is interpolated from the next
        one. Where most cameras are slow, the limit grows to two of their steps; a single slow camera delays no tick.
        """
        if self.options.lossless:
            return 2**63
        longest = max(self._max_wait_ns, 2 * self._pace_ns)
        wait = max(2 * camera.peak_ns, self._max_wait_ns // 2, camera.pace_ns * 5 // 4)
        if not camera.times:
            wait = longest
        return tick_ns + self.delay_ns + min(wait, longest)

    def _emit_tick(self, tick: int, time_ns: TimeNs, waiting: list[_Camera]) -> Views:
        for camera in waiting:
            camera.missed += 1
            camera.consecutive_misses += 1
            silent = camera.head is None or time_ns - camera.head > 2 * self._pace_ns
            camera.live = camera.consecutive_misses < self.options.missed_ticks or not silent
        keypoints = tuple(camera.at(time_ns, self.options.max_gap_frames) for camera in self._cameras)
        for camera, seen in zip(self._cameras, keypoints, strict=True):
            camera.used += seen is not None
            camera.discard_before(time_ns)
        self._next, self._last_ns = tick + 1, time_ns
        return Views(tick, time_ns, keypoints)
