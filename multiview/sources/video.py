"""Video files: every frame, the right way up, at the time that a timestamps file, the container or the rate says."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

from multiview.common.ledger import reading
from multiview.common.names import name_of_file
from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.sources._av_capture import AvCapture, is_interlaced
from multiview.sources._container_times import ContainerTimes
from multiview.sources._timestamps import timestamps_beside

__all__ = ["Source", "fourcc", "open_capture"]

FFMPEG_QUIET = "-8"  # errors reach users in our words
TORN_SHARE = 0.02  # a container's own count of frames is often off by one or two; more is a torn file


class Source:
    """A video file. Frames missing from its timestamps file are an error, frames missing from the video too."""

    live = False

    def __init__(self, path: str | Path, name: str = "", fps: float = 0.0) -> None:
        """`fps` overrides the container's rate, and with it the container's times."""
        self.path = Path(path)
        self.name = name or name_of_file(self.path.stem)
        if not self.path.is_file():
            raise SourceError(f"there is no video {self.path}")
        self._capture = open_capture(str(reading(self.path)))
        if not self._capture.isOpened():
            raise SourceError(
                f"{self.path} cannot be opened as a video: not a video file, or a codec that is missing here"
            )
        self.fps = fps or float(self._capture.get(cv2.CAP_PROP_FPS))
        self.frames = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        self._times = timestamps_beside(self.path, float(self._capture.get(cv2.CAP_PROP_FPS)), self.frames)
        self._container = ContainerTimes(self.fps)
        self._from_rate = fps > 0
        self._index = 0
        self._ahead = self._grab()
        if self._ahead is None:
            codec = fourcc(self._capture)
            raise SourceError(
                f"{self.path} opens but gives no picture: empty, torn, or its codec ({codec}) is missing here"
            )
        self.size = (self._ahead.image.shape[1], self._ahead.image.shape[0])

    def read(self) -> VideoFrame | None:
        """The next frame, None at the end; SourceError where the file breaks off before the frames it promises."""
        frame, self._ahead = self._ahead, None
        if frame is None:
            frame = self._grab()
        if frame is None and self._index < self.frames * (1 - TORN_SHARE) - 2:
            raise SourceError(
                f"{self.path} breaks off after {self._index} of {self.frames} frames: it is truncated or damaged there"
            )
        return frame

    def skip(self) -> bool:
        """Decode the next frame without unpacking its picture."""
        if self._ahead is not None:
            self._ahead = None
            return True
        if not self._capture.grab():
            return self.read() is not None  # the end, or what broke off there
        self._time_ns(self._index)
        self._index += 1
        return True

    def close(self) -> None:
        self._capture.release()

    def _grab(self) -> VideoFrame | None:
        ok, image = self._capture.read()
        if not ok or image is None:
            return None
        index = self._index
        self._index += 1
        return VideoFrame(np.asarray(image, np.uint8), index, self._time_ns(index), self.name)

    def _time_ns(self, index: int) -> int:
        if self._times is not None:
            time_ns = self._times.time_ns(index)
            if time_ns is None:
                raise SourceError(f"{self.path}: its timestamps file has no frame {index}")
            return time_ns
        if self._from_rate:
            return round(index * 1e9 / self.fps)
        return self._container.next_ns(self._capture.get(cv2.CAP_PROP_POS_MSEC))


def open_capture(address: str | int, backend: int = cv2.CAP_ANY) -> cv2.VideoCapture | AvCapture:
    """A capture that turns pictures by the recording's rotation flag and keeps its own log quiet.

    OpenCV's, or PyAV's for files that OpenCV cannot decode: interlaced video, whose pictures it leaves black, and
    codecs that are missing in it. `isOpened` says whether it could be opened.
    """
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", FFMPEG_QUIET)  # that of the FFmpeg in OpenCV
    is_file = isinstance(address, str) and Path(address).is_file()
    if is_file and is_interlaced(str(address)):
        return AvCapture(str(address))
    capture = cv2.VideoCapture(address, backend)
    if is_file and not (capture.isOpened() and capture.grab()):
        with suppress(SourceError):
            return AvCapture(str(address))
    if is_file:  # from the first frame again
        capture.release()
        capture = cv2.VideoCapture(address, backend)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    return capture


def fourcc(capture: cv2.VideoCapture | AvCapture) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    text = "".join(chr((code >> shift) & 0xFF) for shift in (0, 8, 16, 24))
    return text if text.isprintable() and text.strip() else "unknown"
