"""A source that also records its frames as video with their true times, whether or not they are processed."""

from __future__ import annotations

import threading
from pathlib import Path

from multiview.data import VideoFrame
from multiview.sources import FrameSource
from services.nodes.video_log import VideoLog

__all__ = ["RecordingSource"]


class RecordingSource:
    """Wraps a source; from `begin` to `end` its frames are written to FOLDER/NAME.mp4 as they are read.

    A file waits until its frames are written; a camera cannot.

    Attributes:
        log: The video that is being written, or was last; None before the first.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source, self._zero_ns = source, 0
        self.name, self.live, self.frames = source.name, source.live, source.frames
        self.fps, self.size = source.fps, source.size
        self.log: VideoLog | None = None
        self._writing: VideoLog | None = None
        self._ending: threading.Thread | None = None

    @property
    def dropped(self) -> int:
        """Frames that were dropped and not recorded either."""
        return int(getattr(self._source, "dropped", 0))

    @property
    def films(self) -> bool:
        """Whether a video is being written, or not whole on the disk yet."""
        return self._writing is not None or (self._ending is not None and self._ending.is_alive())

    def begin(self, folder: Path, zero_ns: int) -> None:
        """Write frames from `zero_ns` of the source's clock on, which is the videos' time zero.

        Raises:
            SourceError: No video can be written there.
        """
        self.end()
        self._zero_ns = zero_ns
        self.log = self._writing = VideoLog(folder, self.name, self.size, self.fps, zero_ns)

    def end(self) -> None:
        """Write no more; what waits is still written, by a thread."""
        log, self._writing = self._writing, None
        if log is not None:
            self._ending = threading.Thread(target=log.close, name=f"end {self.name}")
            self._ending.start()

    def read(self) -> VideoFrame | None:
        frame, log = self._source.read(), self._writing
        if log is not None and frame is not None and frame.time_ns >= self._zero_ns:
            log.add(frame, wait=not self.live)
        return frame

    def skip(self) -> bool:
        """Take a frame that is not processed; it is recorded."""
        return self._source.skip() if self._writing is None else self.read() is not None

    def close(self) -> None:
        self._source.close()
        self.end()
        if self._ending is not None:
            self._ending.join()
