"""A source that also records every frame as video with its true time, whether or not the frame is processed."""

from __future__ import annotations

from pathlib import Path

from multiview.data import VideoFrame
from multiview.sources import FrameSource
from services.nodes.video_log import VideoLog

__all__ = ["RecordingSource"]


class RecordingSource:
    """Wraps a source and writes its frames from `zero_ns` of its clock on to FOLDER/NAME.mp4 as they are read.

    A file waits until its frames are written; a camera cannot.
    """

    def __init__(self, source: FrameSource, folder: Path, zero_ns: int) -> None:
        self._source, self._zero_ns = source, zero_ns
        self.name, self.live, self.frames = source.name, source.live, source.frames
        self.fps, self.size = source.fps, source.size
        self.log = VideoLog(folder, source.name, source.size, source.fps, zero_ns)

    @property
    def dropped(self) -> int:
        """Frames that were dropped and not recorded either."""
        return int(getattr(self._source, "dropped", 0))

    def read(self) -> VideoFrame | None:
        frame = self._source.read()
        if frame is not None and frame.time_ns >= self._zero_ns:
            self.log.add(frame, wait=not self.live)
        return frame

    def skip(self) -> bool:
        """Record a frame that is not processed."""
        return self.read() is not None

    def close(self) -> None:
        self._source.close()
        self.log.close()
