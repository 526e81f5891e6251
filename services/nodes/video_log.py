"""A camera's video on disk with the true time of every frame, written by a separate thread."""

from __future__ import annotations

import errno
import math
import os
import queue
import threading
import time
from pathlib import Path

import numpy as np

from multiview.common.names import file_name
from multiview.common.video_writer import VideoWriter
from multiview.data import NS_PER_S, VideoFrame
from multiview.errors import SourceError

__all__ = ["VIDEO_LOST", "VideoLog"]

VIDEO_LOST = "video is being lost"  # what `error` begins with while frames are lost

QUEUE_FRAMES = 120  # frames that may wait for the disk; more are dropped, and counted
RETRY_S = 1.0  # between attempts to go on where the disk is full
LOSING_S = 3.0  # after a frame was lost, for which this is said to be going on


class VideoLog:
    """`NAME.mp4` and `NAME.timestamps.csv` (frame, time in s since `zero_ns`), as `process` reads them.

    The video goes on in `NAME.1.mp4` ... where an earlier worker has begun one, when the size of the pictures changes,
    and when there is room again on a disk that was full.
    """

    def __init__(
        self, folder: Path, name: str, size: tuple[int, int], fps: float, zero_ns: int, lossless: bool = False
    ) -> None:
        """SourceError if no video can be written there."""
        self._lossless = lossless
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._name, self._fps, self._zero_ns = folder, file_name(name), fps, zero_ns
        self.dropped = 0
        self.reason = ""  # why frames were lost
        self._lost_s = -math.inf  # when the last one was
        self._ended_frames = 0  # of the parts that have ended
        self._retry_s = 0.0
        self._part: _Part | None = None
        try:
            self._part = self._next_part(size)
        except OSError as error:
            raise SourceError(f"{folder}: no video can be written there: {error.strerror or error}") from None
        self._queue: queue.Queue[VideoFrame | None] = queue.Queue(QUEUE_FRAMES)
        self._thread = threading.Thread(target=self._run, name=f"write {name}", daemon=True)
        self._thread.start()

    @property
    def frames(self) -> int:
        """Frames written."""
        part = self._part
        return self._ended_frames + (part.frames if part is not None else 0)

    @property
    def error(self) -> str:
        """Why frames are being lost now; empty while none are."""
        return self.reason if time.monotonic() < self._lost_s + LOSING_S else ""

    def add(self, frame: VideoFrame, wait: bool = False) -> None:
        """Hand over a frame to be written; where too many are waiting, `wait` for them or drop it."""
        try:
            self._queue.put(frame, block=wait)
        except queue.Full:
            self._lose(1, "frames come faster than they can be written")

    def close(self) -> None:
        """Write what is waiting, and end the file."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (frame := self._queue.get()) is not None:
            try:
                self._write(frame)
            except (OSError, SourceError) as error:
                self._give_up_part(error, lost=1)
        try:
            self._end_part()
        except OSError as error:
            self._give_up_part(error, lost=0)

    def _write(self, frame: VideoFrame) -> None:
        size = (frame.image.shape[1], frame.image.shape[0])
        if self._part is not None and self._part.size != size:
            self._end_part()
        if self._part is None:
            if time.monotonic() < self._retry_s:
                self._lose(1)
                return
            self._part = self._next_part(size)
        self._part.write(frame.image, frame.time_ns - self._zero_ns)

    def _next_part(self, size: tuple[int, int]) -> _Part:
        number, name = 0, self._name
        while (self._folder / f"{name}.mp4").exists():
            number, name = number + 1, f"{self._name}.{number + 1}"
        return _Part(self._folder / name, size, self._fps, self._lossless)

    def _end_part(self) -> None:
        if self._part is not None:
            self._part.close()
            self._ended_frames += self._part.frames
            self._part = None

    def _give_up_part(self, error: Exception, lost: int) -> None:
        """Keep what the part has on disk, and try another one in a while."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._retry_s = time.monotonic() + RETRY_S
        part, self._part = self._part, None
        if part is not None:
            written = part.frames
            kept = part.abandon()
            self._ended_frames += kept
            lost += written - kept
        self._lose(lost, reason)

    def _lose(self, frames: int, reason: str = "") -> None:
        self.dropped += frames
        self.reason = f"{VIDEO_LOST}: {reason}" if reason else self.reason
        self._lost_s = time.monotonic()


class _Part:
    """One video file and its frame times."""

    def __init__(self, stem: Path, size: tuple[int, int], fps: float, lossless: bool) -> None:
        self.size = size
        self._paths = (stem.with_name(f"{stem.name}.mp4"), stem.with_name(f"{stem.name}.timestamps.csv"))
        self._times = self._paths[1].open("wb", buffering=0)
        try:
            self._add_row("frame,time")
            self._video = VideoWriter(self._paths[0], size, fps, lossless)
        except (OSError, SourceError):
            self._times.close()
            self._paths[1].unlink()
            raise

    @property
    def frames(self) -> int:
        return self._video.frames

    def write(self, image: np.ndarray, time_ns: int) -> None:
        """The row goes first, so that no frame ever lacks its time."""
        self._add_row(f"{self._video.frames},{time_ns / NS_PER_S:.9f}")
        self._video.write(image, time_ns)

    def close(self) -> None:
        self._video.close()
        self._times.close()

    def abandon(self) -> int:
        """End the files at the last frame that is whole on the disk; a part without frames is removed."""
        self._video.abandon()
        self._times.close()
        kept = self._video.safe_frames
        if kept == 0:
            for path in self._paths:
                path.unlink(missing_ok=True)
        else:
            lines = self._paths[1].read_bytes().split(b"\n")[: kept + 1]
            os.truncate(self._paths[1], sum(len(line) + 1 for line in lines))
        return kept

    def _add_row(self, row: str) -> None:
        line = f"{row}\n".encode("ascii")
        if self._times.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
