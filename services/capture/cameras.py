"""Cameras for `capture`: real cameras, network streams, and video files played like cameras."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

from multiview.data import FrameNumber, TimeNs, VideoFrame
from multiview.sources import FrameSource, open_source, rotated
from multiview.studio.config import CameraSource

__all__ = ["PlaybackCamera", "open_camera"]


class PlaybackCamera:
    """A video file played like a camera: in real time, in a loop, with losses and jitter if requested.

    A frame is stamped, on this machine's clock, with the time at which it was due, and may arrive `jitter_s` later.
    """

    live = True
    frames = 0

    def __init__(
        self,
        reopen: Callable[[], FrameSource],
        drops: float = 0.0,
        jitter_s: float = 0.0,
        began_ns: int | None = None,
    ) -> None:
        """Files that were filmed in step are played in step, if they begin at one time `began_ns`."""
        self._reopen, self._source = reopen, reopen()
        self.name, self.size = self._source.name, self._source.size
        self.fps = self._source.fps or 30.0
        self._drops, self._jitter_s, self._random = drops, jitter_s, random.Random(self.name)
        self._began_ns = time.monotonic_ns() if began_ns is None else began_ns
        self._played = self._index = 0
        self._closed = threading.Event()

    def read(self) -> VideoFrame | None:
        """The next frame that is not dropped, when it is due; None once closed."""
        while not self._closed.is_set():
            frame = self._source.read() or self._restart()
            due_ns = self._began_ns + round(self._played * 1e9 / self.fps)
            self._played += 1
            if frame is None or self._random.random() < self._drops:
                continue
            self._closed.wait(max(0.0, (due_ns - time.monotonic_ns()) / 1e9 + self._random.uniform(0, self._jitter_s)))
            self._index += 1
            return VideoFrame(frame.image, FrameNumber(self._index - 1), TimeNs(due_ns), self.name)
        return None

    def skip(self) -> bool:
        return self.read() is not None

    def close(self) -> None:
        self._closed.set()
        self._source.close()

    def _restart(self) -> VideoFrame | None:
        self._source.close()
        self._source = self._reopen()
        return self._source.read()


def open_camera(source: CameraSource, name: str, began_ns: int | None = None) -> FrameSource:
    """ConfigError or SourceError if there is no such camera; a file begins to play at `began_ns`."""

    def reopen() -> FrameSource:
        address, folder, hardware = source.address_of(name), Path.cwd(), source.hardware
        opened = open_source(address, name, folder, source.fps, settings=source.settings, hardware=hardware)
        return rotated(opened, source.rotate)

    opened = reopen()
    if opened.live:
        return opened
    opened.close()
    return PlaybackCamera(reopen, began_ns=began_ns)
