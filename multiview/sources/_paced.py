"""A file played as a camera: each frame when it is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from multiview.data import Frame
from multiview.sources import FrameSource

__all__ = ["Paced"]


class Paced:
    """A source whose frames come at their own times from `start_ns` of the monotonic clock on, `speed` times as fast.

    With `loop` it begins again at its end, and its numbers and times go on. `open_again` opens it anew for that. A
    source that joins late passes over what was due before.
    """

    def __init__(
        self,
        source: FrameSource,
        start_ns: int,
        speed: float = 1.0,
        open_again: Callable[[], FrameSource] | None = None,
    ) -> None:
        self._source, self._start_ns, self._speed, self._open_again = source, start_ns, speed, open_again
        self.name, self.live, self.frames = source.name, False, source.frames
        self.fps, self.size = source.fps, source.size
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._index_offset = self._time_offset = 0
        self._closed = False

    def read(self) -> Frame | None:
        """The next frame, not before it is due."""
        frame = self._next()
        if frame is None:
            return None
        if self._first is None:
            self._first = frame
        self._last = frame
        due_ns = self._start_ns + round((frame.time_ns - self._first.time_ns) / self._speed)
        while (wait_ns := due_ns - time.monotonic_ns()) > 0 and not self._closed:
            time.sleep(min(wait_ns / 1e9, 0.2))
        return frame

    def close(self) -> None:
        self._closed = True
        self._source.close()

    def _next(self) -> Frame | None:
        frame = self._source.read()
        if frame is None and self._open_again is not None and self._first is not None and self._last is not None:
            self._source.close()
            self._source = self._open_again()
            frame = self._source.read()
            if frame is not None:
                step_ns = round(1e9 / (self.fps or 30.0))
                self._index_offset = self._last.index + 1 - frame.index
                self._time_offset = self._last.time_ns + step_ns - frame.time_ns
        if frame is None:
            return None
        return replace(frame, index=frame.index + self._index_offset, time_ns=frame.time_ns + self._time_offset)
