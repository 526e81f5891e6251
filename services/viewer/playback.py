"""Playback of a recording: position, speed, single frames, and the part that repeats."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64

__all__ = ["Playback"]

PAUSE_AT_END_S = 0.5  # for which the last frame stays before the part begins again
SLOWEST, FASTEST = 1 / 16, 8.0
_TINY_S = 1e-9  # rounding of a frame's time


class Playback:
    """The frame of a recording that is shown now.

    Args:
        times_s: (T,) s from the first frame, rising.
        start_s: Where to begin, s.
        paused: Whether it stands still.
        clock: s, of a clock that never goes back.
    """

    def __init__(
        self,
        times_s: Float64[np.ndarray, " T"],
        start_s: float = 0.0,
        paused: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._times, self._clock = times_s, clock
        self.paused, self.speed = paused, 1.0
        self.first_s, self.last_s = 0.0, self.duration
        self._at, self._since = start_s, clock()

    @property
    def duration(self) -> float:
        """s from the first frame to the last."""
        return float(self._times[-1]) if len(self._times) else 0.0

    @property
    def is_part(self) -> bool:
        """Whether only a part repeats, from `first_s` to `last_s`."""
        return self.first_s > 0.0 or self.last_s < self.duration

    def now(self) -> float:
        """s from the first frame; it stays at the last frame of the part for a moment, then begins again."""
        if self.paused:
            return self._at
        played = self._at + (self._clock() - self._since) * self.speed - self.first_s
        return min(self.last_s, self.first_s + played % (self.last_s - self.first_s + PAUSE_AT_END_S * self.speed))

    def index(self) -> int:
        """Of the frame that is shown."""
        return max(int(np.searchsorted(self._times, self.now() + _TINY_S, side="right")) - 1, 0)

    def until_next(self) -> float:
        """s until another frame is shown; infinite while paused."""
        later = self._times[self.index() + 1 :]
        return float(later[0] - self.now()) / self.speed if len(later) and not self.paused else np.inf

    def pause(self) -> None:
        """Stop, or go on."""
        self._move(self.now())
        self.paused = not self.paused

    def seek(self, seconds: float) -> None:
        """Go to another time, s; outside the part that repeats, the whole repeats again."""
        self._move(float(np.clip(seconds, 0.0, self.duration)))
        if not self.first_s <= self._at <= self.last_s:
            self.whole()

    def step(self, frames: int) -> None:
        """Pause, and show the frame that is so many later, within the part that repeats."""
        if not len(self._times):
            return
        if not self.paused:
            self.pause()
        inside = np.flatnonzero((self._times >= self.first_s - _TINY_S) & (self._times <= self.last_s + _TINY_S))
        self._move(float(self._times[np.clip(self.index() + frames, inside[0], inside[-1])]))

    def change_speed(self, factor: float) -> None:
        """Multiply the speed, between a sixteenth and eight times the true one."""
        self._move(self.now())
        self.speed = float(np.clip(self.speed * factor, SLOWEST, FASTEST))

    def begin_here(self) -> None:
        """The frame that is shown is the first that repeats."""
        here = self._here()
        self.first_s, self.last_s = here, self.last_s if self.last_s > here else self.duration
        self._move(here)

    def end_here(self) -> None:
        """The frame that is shown is the last that repeats."""
        here = self._here()
        self.first_s, self.last_s = self.first_s if self.first_s < here else 0.0, here
        self._move(here)

    def whole(self) -> None:
        """The whole recording repeats."""
        now = self.now()
        self.first_s, self.last_s = 0.0, self.duration
        self._move(now)

    def _here(self) -> float:
        return float(self._times[self.index()]) if len(self._times) else 0.0

    def _move(self, seconds: float) -> None:
        self._at, self._since = seconds, self._clock()
