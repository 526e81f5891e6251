"""Webcams, read with OpenCV.

OpenCV speaks to the cameras of every operating system (V4L2, AVFoundation, Media Foundation), negotiates size and rate
with them, and gives the newest picture. FFmpeg's devices want another input name, option and pixel format on each, and
its wheel has none of them on some.
"""

from __future__ import annotations

import math
import os
import sys

import cv2
import numpy as np
from jaxtyping import UInt8

from multiview.errors import SourceError
from multiview.sources._device_settings import DeviceSettings

__all__ = ["Webcam"]


class Webcam:
    """A camera of this computer: `grab` takes its next picture, `image` unpacks it.

    Attributes:
        fps: Its rate, Hz; 0: it does not say.
        size: Width and height of its pictures, px.
        error: Why it ended; a webcam never says.
    """

    error = ""

    def __init__(self, address: int | str, fps: float = 0.0, settings: DeviceSettings | None = None) -> None:
        """Open it.

        Args:
            address: Its number, or its device.
            fps: Rate to ask for, Hz; 0: its own.
            settings: Pixel format, size and exposure; what is left out stays as it is.

        Raises:
            SourceError: It does not answer, or does not take a setting.
        """
        settings = settings or DeviceSettings()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors reach users in our words
        self._capture = cv2.VideoCapture(address if isinstance(address, int) else os.path.realpath(address))
        if not self._capture.isOpened():
            raise SourceError("is it connected, and used by no other program?")
        if settings.pixel_format:  # first: sizes and rates depend on it
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*f"{settings.pixel_format:4.4}"))
        if settings.size:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, settings.size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, settings.size[1])
        if fps:
            self._capture.set(cv2.CAP_PROP_FPS, fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._image: UInt8[np.ndarray, "H W 3"] | None = None
        self.fps = max(float(self._capture.get(cv2.CAP_PROP_FPS)), 0.0)
        self.size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        try:
            self._check_mode(settings)
            self._expose(settings)
        except SourceError:
            self._capture.release()
            raise

    def _check_mode(self, settings: DeviceSettings) -> None:
        """Drivers choose another mode where they do not have the one that was asked for."""
        if settings.size and self.size != tuple(settings.size):
            given, wanted = ("x".join(map(str, size)) for size in (self.size, settings.size))
            raise SourceError(f"it gives {given}, not {wanted}: choose one of its modes")
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        given = code.to_bytes(4, "little", signed=code < 0).decode("ascii", "replace").strip("\0 ")
        if settings.pixel_format and given and given != settings.pixel_format:
            raise SourceError(f"it gives {given}, not {settings.pixel_format}: choose one of its modes")

    def _expose(self, settings: DeviceSettings) -> None:
        """Set the exposure time, or let the camera choose it."""
        auto = settings.exposure_auto or ("off" if settings.exposure_us else "")
        if auto:
            self._capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, _AUTO["off" if auto == "off" else "on"])
        by_hand = auto == "off" and settings.exposure_us
        if by_hand and not self._capture.set(cv2.CAP_PROP_EXPOSURE, exposure_value(settings.exposure_us)):
            raise SourceError("its driver takes no exposure time: leave exposure_us out")

    def grab(self) -> bool:
        """Take the next picture; False if none came."""
        return bool(self._capture.grab())

    def image(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The last picture; None if it is damaged."""
        good, image = self._capture.retrieve()
        return np.asarray(image, np.uint8) if good and image is not None else None

    def close(self) -> None:
        self._capture.release()


# How backends of OpenCV call "by hand" and "automatic": V4L2 by the kernel's menu, Media Foundation by 0 and 1.
_AUTO = {"off": 1.0, "on": 3.0} if sys.platform == "linux" else {"off": 0.0, "on": 1.0}


def exposure_value(exposure_us: float, platform: str = sys.platform) -> float:
    """An exposure time as drivers count it: in 100 us by V4L2, as a power of two of a second elsewhere.

    Args:
        exposure_us: us.
        platform: As of `sys.platform`.

    Returns:
        The value.
    """
    if platform == "linux":
        return float(max(1, round(exposure_us / 100)))
    return float(round(math.log2(exposure_us / 1e6)))
