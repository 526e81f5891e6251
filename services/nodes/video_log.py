"""A camera's video on disk with the true time of every frame, written by a separate thread."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import cv2

from multiview.data import VideoFrame
from multiview.errors import SourceError

__all__ = ["VideoLog"]

QUEUE_FRAMES = 120  # frames that may wait for the disk; more are dropped, and counted


class VideoLog:
    """`NAME.mp4` and `NAME.timestamps.csv` (frame, time in s since `zero_ns`), as `process` reads them."""

    def __init__(self, folder: Path, name: str, size: tuple[int, int], fps: float, zero_ns: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.mp4"
        self._zero_ns = zero_ns
        self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*"mp4v"), fps or 30.0, size)
        if not self._writer.isOpened():
            raise SourceError(f"{self.path}: the video cannot be written (is the folder writable?)")
        self._times = (folder / f"{name}.timestamps.csv").open("w", buffering=1)
        self._times.write("frame,time\n")
        self.frames = self.dropped = 0
        self._queue: queue.Queue[VideoFrame | None] = queue.Queue(QUEUE_FRAMES)
        self._thread = threading.Thread(target=self._run, name=f"write {name}", daemon=True)
        self._thread.start()

    def add(self, frame: VideoFrame) -> None:
        """Never waits."""
        try:
            self._queue.put_nowait(frame)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what is waiting, and end the file."""
        self._queue.put(None)
        self._thread.join()
        self._writer.release()
        self._times.close()

    def _run(self) -> None:
        while (frame := self._queue.get()) is not None:
            self._writer.write(frame.image)
            self._times.write(f"{self.frames},{(frame.time_ns - self._zero_ns) / 1e9:.9f}\n")
            self.frames += 1
