"""A file played as a camera: each frame when it is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from multiview.data import FrameNumber, TimeNs, VideoFrame
from multiview.sources._source import FrameSource

__all__ = ["Paced"]

LATE_FRAMES = 2  # a frame that comes so late is skipped: a camera would not have waited either
LONGEST_S = 0.25  # but not for longer than this at a time: a machine that cannot even decode shows late frames


class Paced:
    """A source whose frames come at their own times from `start_ns` of the monotonic clock on, `speed` times as fast.

    With `loop` it begins again at its end, and its numbers and times go on. `open_again` opens it anew for that. Frames
    that were due long before, since it joined late or the machine cannot decode in time, are `dropped`; with `every`
    none is, and they come late.
    """

    def __init__(
        self,
        source: FrameSource,
        start_ns: int,
        speed: float = 1.0,
        open_again: Callable[[], FrameSource] | None = None,
        every: bool = False,
    ) -> None:
        self._source, self._start_ns, self._speed, self._open_again = source, start_ns, speed, open_again
        self.name, self.live, self.frames = source.name, False, source.frames
        self.fps, self.size = source.fps, source.size
        self.dropped = 0
        self._every = every
        self._first: VideoFrame | None = None
        self._last: VideoFrame | None = None
        self._since_last = 0  # frames skipped since the last one read
        self._index_offset = self._time_offset = 0
        self._closed = False

    def read(self) -> VideoFrame | None:
        """The next frame that is not long overdue, not before it is due."""
        began = time.monotonic()
        while (
            not self._every
            and self._behind_frames() >= LATE_FRAMES
            and time.monotonic() - began < LONGEST_S
            and self._skip_next()
        ):
            self.dropped += 1
        frame = self._next()
        if frame is None:
            return None
        if self._first is None:
            self._first = frame
        self._last, self._since_last = frame, 0
        self._wait_until(self._due_ns(frame.time_ns))
        return frame

    def skip(self) -> bool:
        """Skip the next frame, not before it is due."""
        if not self._skip_next():
            return self.read() is not None
        self._wait_until(self._due_ns(self._next_time_ns() - self._step_ns))
        return True

    def close(self) -> None:
        self._closed = True
        self._source.close()

    @property
    def _step_ns(self) -> int:
        return round(1e9 / (self.fps or 30.0))

    def _next_time_ns(self) -> int:
        """When the next frame was taken, as far as the rate tells."""
        assert self._last is not None
        return self._last.time_ns + (self._since_last + 1) * self._step_ns

    def _due_ns(self, time_ns: int) -> int:
        assert self._first is not None
        return self._start_ns + round((time_ns - self._first.time_ns) / self._speed)

    def _behind_frames(self) -> float:
        """How long ago the next frame was due, in frames."""
        if self._last is None:
            return 0.0
        return (time.monotonic_ns() - self._due_ns(self._next_time_ns())) * self._speed / self._step_ns

    def _wait_until(self, due_ns: int) -> None:
        while (wait_ns := due_ns - time.monotonic_ns()) > 0 and not self._closed:
            time.sleep(min(wait_ns / 1e9, 0.2))

    def _skip_next(self) -> bool:
        """False where the next frame has to be read: the first, and the first after the end."""
        if self._last is None or self._closed or not self._source.skip():
            return False
        self._since_last += 1
        return True

    def _next(self) -> VideoFrame | None:
        frame = self._source.read()
        if frame is None and self._open_again is not None and self._first is not None and self._last is not None:
            self._source.close()
            self._source = self._open_again()
            frame = self._source.read()
            if frame is not None:
                self._index_offset = self._last.index + self._since_last + 1 - frame.index
                self._time_offset = self._next_time_ns() - frame.time_ns
        if frame is None:
            return None
        index, time_ns = frame.index + self._index_offset, frame.time_ns + self._time_offset
        return replace(frame, index=FrameNumber(index), time_ns=TimeNs(time_ns))
