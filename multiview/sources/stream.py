"""Live cameras: webcams (0, 1, ...) and network streams (rtsp://, http://), which come back by themselves."""

from __future__ import annotations

import os
import time

import cv2
import numpy as np

from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.sources.video import open_capture

__all__ = ["Source"]

OPEN_TIMEOUT_MS, READ_TIMEOUT_MS = 8000, 3000
FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# TCP: a lost UDP packet smears a picture for a second; and no second of buffer for a live image.
LIVE_OPTIONS = "rtsp_transport;tcp|fflags;nobuffer|flags;low_delay"
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 8.0


class Source:
    """Frames as they arrive, stamped on this machine's monotonic clock when they do.

    A stream that breaks is opened again, with pauses that grow from 0.5 to 8 s, for at most `reconnect_s`; `reconnects`
    counts how often. A camera that is not there at the start is an error at once.
    """

    live = True
    frames = 0

    def __init__(
        self,
        address: str | int,
        name: str = "",
        size: tuple[int, int] | None = None,
        fps: float = 0.0,
        reconnect_s: float = 60.0,
    ) -> None:
        self.address = int(address) if isinstance(address, int) or str(address).isdigit() else str(address)
        self.name = name or f"camera{address}" if isinstance(self.address, int) else name or "stream"
        self._requested = (size, fps)
        self._reconnect_s = reconnect_s
        self.reconnects = 0
        self._index = 0
        self._capture = self._open()
        if not self._capture.isOpened():
            raise SourceError(f"{_kind(self.address)} does not answer: is it connected, and used by no other program?")
        self.fps = max(float(self._capture.get(cv2.CAP_PROP_FPS)), 0.0)
        self.size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )

    def read(self) -> VideoFrame | None:
        """The next frame; SourceError when the stream stayed away for longer than `reconnect_s`."""
        ok, image = self._capture.read()
        arrived = time.monotonic_ns()
        while not ok or image is None:
            self._reopen(arrived)
            ok, image = self._capture.read()
            if ok:
                arrived = time.monotonic_ns()
        self._index += 1
        return VideoFrame(np.asarray(image, np.uint8), self._index - 1, arrived, self.name)

    def skip(self) -> bool:
        """Take the next frame off the stream without unpacking its picture."""
        if not self._capture.grab():
            return self.read() is not None  # comes back, or says that it does not
        self._index += 1
        return True

    def close(self) -> None:
        self._capture.release()

    def _reopen(self, since_ns: int) -> None:
        self.reconnects += 1
        pause = RETRY_FIRST_S
        while True:
            self._capture.release()
            self._capture = self._open()
            if self._capture.isOpened():
                return
            away = (time.monotonic_ns() - since_ns) / 1e9
            if away + pause > self._reconnect_s:
                raise SourceError(f"{_kind(self.address)} broke off and has not come back for {away:.0f} s")
            time.sleep(pause)
            pause = min(2 * pause, RETRY_MAX_S)

    def _open(self) -> cv2.VideoCapture:
        if isinstance(self.address, int):
            capture = open_capture(self.address)
        else:
            capture = _open_network(self.address)
        size, fps = self._requested
        if size is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if fps:
            capture.set(cv2.CAP_PROP_FPS, fps)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture


def _open_network(address: str) -> cv2.VideoCapture:
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
    own = os.environ.get(FFMPEG_OPTIONS)
    # The only way to FFmpeg's options leads through the environment, where they would break the reading of files.
    os.environ[FFMPEG_OPTIONS] = own or LIVE_OPTIONS
    try:
        return cv2.VideoCapture(address, cv2.CAP_FFMPEG, timeouts)
    finally:
        if own is None:
            del os.environ[FFMPEG_OPTIONS]


def _kind(address: str | int) -> str:
    return f"webcam {address}" if isinstance(address, int) else address.split("@")[-1]  # a password is not for the log
