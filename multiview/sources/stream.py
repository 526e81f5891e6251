"""Live cameras: webcams (0, 1, ...) and network streams (rtsp://, http://), which come back by themselves."""

from __future__ import annotations

import os
import time

import numpy as np
from jaxtyping import UInt8

from multiview.common.secret import hide_secrets
from multiview.data import FrameNumber, TimeNs, VideoFrame
from multiview.errors import SourceError
from multiview.sources._device_settings import DeviceSettings
from multiview.sources._stream_trouble import stream_trouble
from multiview.sources._video_reader import VideoReader
from multiview.sources._webcam import Webcam

__all__ = ["Source"]

OPEN_TIMEOUT_S = 15.0
SILENCE_S = (
    8.0  # a stream that sends nothing for so long is broken; one that sends, but no key frame yet, is waited for
)
FFMPEG_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"  # "name;value|name;value", as OpenCV reads it
# A lost UDP packet smears a picture for a second; some cameras have no other.
LIVE_OPTIONS = {"rtsp_flags": "prefer_tcp"}
RETRY_FIRST_S, RETRY_MAX_S = 0.5, 8.0
SLACK_S = 20.0


class Source:
    """Frames as they arrive, stamped on this machine's monotonic clock when they do.

    A stream that breaks is opened again, with pauses that grow from 0.5 to 8 s, for at most `reconnect_s`; `reconnects`
    counts how often. A camera that is not there at the start is an error at once.

    Attributes:
        trouble: Why no frame comes just now, empty if that is not known.
        patience_s: The longest that `read` may take without being blocked.
    """

    live = True
    frames = 0

    def __init__(
        self,
        address: str | int,
        name: str = "",
        fps: float = 0.0,
        reconnect_s: float = 60.0,
        hardware: str = "",
        settings: DeviceSettings | None = None,
    ) -> None:
        self.address = int(address) if isinstance(address, int) or str(address).isdigit() else str(address)
        self.name = name or f"camera{address}" if isinstance(self.address, int) else name or "stream"
        self._requested = (fps, settings)
        self._hardware = hardware
        self._reconnect_s = reconnect_s
        self.patience_s = reconnect_s + OPEN_TIMEOUT_S + SLACK_S
        self.reconnects = 0
        self._index = 0
        self._attempts = 0  # to open it again, since the last picture
        self._away = ""
        self._has_frame = False  # since it was opened last
        self._camera = self._open()
        self._ahead: UInt8[np.ndarray, "H W 3"] | None = None
        self.fps, self.size = self._camera.fps, self._camera.size
        if 0 in self.size:  # a stream whose size only its first key frame tells
            self._ahead = self._read_image()[0]
            self.size = (self._ahead.shape[1], self._ahead.shape[0])

    @property
    def trouble(self) -> str:
        if self._away or self._has_frame:
            return self._away
        if isinstance(self._camera, VideoReader) and self._camera.packets:
            return "it waits for a key frame: set the camera's key frame (I-frame) interval to 1 s, smart codecs off"
        return ""

    def read(self) -> VideoFrame | None:
        """The next frame; SourceError when the stream stayed away for longer than `reconnect_s`."""
        if self._ahead is not None:
            image, self._ahead, arrived = self._ahead, None, time.monotonic_ns()
        else:
            image, arrived = self._read_image()
        self._index += 1
        return VideoFrame(image, FrameNumber(self._index - 1), TimeNs(arrived), self.name)

    def _read_image(self) -> tuple[UInt8[np.ndarray, "H W 3"], int]:
        """The next picture, and when it arrived, ns."""
        since = time.monotonic()
        while True:
            grabbed = self._camera.grab()
            arrived = time.monotonic_ns()
            image = self._camera.image() if grabbed else None
            if image is not None:
                self._has_frame, self._attempts = True, 0
                return image, arrived
            self._reopen(since)

    def skip(self) -> bool:
        """Take the next frame off the stream without unpacking its picture."""
        if self._ahead is not None or not self._camera.grab():
            return self.read() is not None  # comes back, or says that it does not
        self._index += 1
        return True

    def close(self) -> None:
        self._camera.close()

    def _reopen(self, since: float) -> None:
        """Open it again; SourceError where no picture has come since then for longer than `reconnect_s`."""
        reason = self._camera.error or "it broke off"
        if self._attempts and isinstance(self.address, str) and self._camera.error:  # not what a moment explains
            self._camera.close()
            reason = stream_trouble(self.address, reason)
        while True:
            if self._attempts:
                pause, away = min(RETRY_FIRST_S * 2 ** (self._attempts - 1), RETRY_MAX_S), time.monotonic() - since
                if away + pause > self._reconnect_s:
                    raise SourceError(f"{_kind(self.address)} has given no picture for {away:.0f} s: {reason}")
                self._away = f"{reason}; it is opened again"
                time.sleep(pause)
            self._attempts += 1
            self.reconnects += 1
            self._camera.close()
            try:
                self._camera, self._has_frame, self._away = self._open(), False, ""
            except SourceError as error:
                reason = str(error)
                continue
            return

    def _open(self) -> VideoReader | Webcam:
        """SourceError if it does not answer."""
        if isinstance(self.address, int) or "://" not in self.address:
            try:
                return Webcam(self.address, *self._requested)
            except SourceError as error:
                raise SourceError(f"{_kind(self.address)} does not answer: {error}") from None
        try:
            return VideoReader(self.address, _stream_options(), (OPEN_TIMEOUT_S, SILENCE_S), hardware=self._hardware)
        except SourceError as error:
            why = stream_trouble(self.address, _hidden(error, self.address))
            raise SourceError(f"{_kind(self.address)} cannot be opened: {why}") from None


def _stream_options() -> dict[str, str]:
    """The user's own from the environment, else ours."""
    pairs = [pair.split(";", 1) for pair in os.environ.get(FFMPEG_OPTIONS, "").split("|") if ";" in pair]
    return dict(pairs) if pairs else dict(LIVE_OPTIONS)


def _hidden(error: SourceError, address: str) -> str:
    """What FFmpeg says, which may repeat the address."""
    return str(error).replace(address, hide_secrets(address))


def _kind(address: str | int) -> str:
    """In words, without a password."""
    if isinstance(address, int) or "://" not in address:
        return f"webcam {address}"
    return hide_secrets(address).partition("://")[2]
