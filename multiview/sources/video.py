"""Video files: every frame, the right way up, at the time that a timestamps file, the container or the rate says."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from multiview.common.ledger import note_missing, reading
from multiview.common.names import name_of_file
from multiview.data import FrameNumber, TimeNs, VideoFrame
from multiview.errors import SourceError
from multiview.sources._container_times import ContainerTimes
from multiview.sources._timestamps import timestamps_beside
from multiview.sources._video_reader import VideoReader, decoding_threads

__all__ = ["Source", "open_video"]


class Source:
    """A video file. Frames missing from its timestamps file are an error, frames missing from the video too."""

    live = False

    def __init__(self, path: str | Path, name: str = "", fps: float = 0.0, beside: int = 0, hardware: str = "") -> None:
        """Open it.

        Args:
            path: The file.
            name: The camera's.
            fps: Overrides the container's rate, and with it the container's times.
            beside: How many other videos are read at once; they share the cores.
            hardware: What decodes it: "off", "auto" or a kind of device; empty: what MULTIVIEW_HARDWARE says.
        """
        self.path = Path(path)
        self.name = name or name_of_file(self.path.stem)
        self._open = partial(open_video, self.path, beside, hardware)
        self._reader = self._open()
        self.fps = fps or self._reader.fps
        self.frames = self._reader.frames
        self._times = timestamps_beside(self.path, self._reader.fps, self.frames)
        self._container = ContainerTimes(self.fps, self._reader.unit_s)
        self._from_rate = fps > 0
        self._index = 0
        self._ahead = self._grab()
        if self._ahead is None:
            raise SourceError(
                f"{self.path} opens but gives no picture: empty, torn, or its codec ({self._reader.codec}) is missing "
                "here"
            )
        if self._reader.interlaced:
            logging.warning(
                "%s is interlaced: of each frame's two fields one picture is made, with half the lines where something "
                "moves; set the camera to progressive",
                self.path,
            )
        self.size = (self._ahead.image.shape[1], self._ahead.image.shape[0])

    def read(self) -> VideoFrame | None:
        """The next frame, None at the end; SourceError where the file breaks off before the frames it promises."""
        frame, self._ahead = self._ahead, None
        if frame is None:
            frame = self._grab()
        if frame is None:
            self._check_end()
        return frame

    def skip(self) -> bool:
        """Decode the next frame without unpacking its picture."""
        if self._ahead is not None:
            self._ahead = None
            return True
        if not self._reader.grab():
            return self.read() is not None  # the end, or what broke off there
        self._time_ns(FrameNumber(self._index), self._reader.stamp_s)
        self._index += 1
        return True

    def seek(self, frame: FrameNumber) -> bool:
        """Go on with a frame further on, without decoding all that lies between.

        Args:
            frame: Its number.

        Returns:
            False where the file does not allow it: then it goes on from its beginning.
        """
        self._reopen()
        stamps = self._reader.stamps()
        self._reopen()
        if not 0 < frame < len(stamps) or not self._reader.seek(stamps[frame], stamps[0]):
            self._reopen()
            return False
        for index, stamp in enumerate(stamps[:frame]):
            self._time_ns(FrameNumber(index), stamp * self._reader.unit_s)
        self._index = frame
        return True

    def close(self) -> None:
        self._reader.close()

    def _reopen(self) -> None:
        self._reader.close()
        self._reader = self._open()
        self._container = ContainerTimes(self.fps, self._reader.unit_s)
        self._index, self._ahead = 0, None

    def _grab(self) -> VideoFrame | None:
        if not self._reader.grab():
            return None
        index = FrameNumber(self._index)
        self._index += 1
        try:
            image = self._reader.image()
        except SourceError as error:
            raise SourceError(f"{self.path}, frame {index}: {error}") from None
        return VideoFrame(image, index, self._time_ns(index, self._reader.stamp_s), self.name)

    def _time_ns(self, index: FrameNumber, stamp_s: float | None) -> TimeNs:
        if self._times is not None:
            time_ns = self._times.time_ns(index)
            if time_ns is None:
                raise SourceError(f"{self.path}: its timestamps file has no frame {index}")
            return time_ns
        if self._from_rate:
            return TimeNs(round(index * 1e9 / self.fps))
        return self._container.next_ns(stamp_s)

    def _check_end(self) -> None:
        if self._reader.torn(self._index):
            of = f" of {self.frames}" if self.frames else ""
            raise SourceError(
                f"{self.path} breaks off after {self._index}{of} frames: it is truncated or damaged there"
            )
        if self._reader.damaged:
            note_missing(f"{self.path}: {self._reader.damaged} of its packets are damaged and gave no picture")
            self._reader.damaged = 0


def open_video(path: Path, beside: int = 0, hardware: str = "") -> VideoReader:
    """A reader of a file.

    Args:
        path: The file; an input of the command.
        beside: How many other videos are read at once; they share the cores.
        hardware: What decodes it, as `Source` takes it.

    Raises:
        SourceError: It is not there, or cannot be opened as a video.
    """
    if not path.is_file():
        raise SourceError(f"there is no video {path}")
    if not path.stat().st_size:
        raise SourceError(f"{path} cannot be opened as a video: it is empty (0 bytes)")
    try:
        return VideoReader(f"file:{reading(path).absolute()}", threads=decoding_threads(1 + beside), hardware=hardware)
    except SourceError as error:
        raise SourceError(
            f"{path} cannot be opened as a video ({error}): not a video file, torn, or a codec that is missing here"
        ) from None
