"""Webcams, read with OpenCV.

OpenCV speaks to the cameras of every operating system (V4L2, AVFoundation, Media Foundation), negotiates size and rate
with them, and gives the newest picture. FFmpeg's devices want another input name, option and pixel format on each, and
its wheel has none of them on some.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from multiview.errors import SourceError

__all__ = ["Webcam"]


class Webcam:
    """A camera of this computer: `grab` takes its next picture, `image` unpacks it.

    Attributes:
        fps: Its rate, Hz; 0: it does not say.
        size: Width and height of its pictures, px.
        error: Why it ended; a webcam never says.
    """

    error = ""

    def __init__(self, address: int | str, size: tuple[int, int] | None = None, fps: float = 0.0) -> None:
        """Open it.

        Args:
            address: Its number, or its device.
            size: Width and height to ask for, px.
            fps: Rate to ask for, Hz; 0: its own.

        Raises:
            SourceError: It does not answer.
        """
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # errors reach users in our words
        self._capture = cv2.VideoCapture(address)
        if not self._capture.isOpened():
            raise SourceError("is it connected, and used by no other program?")
        if size is not None:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        if fps:
            self._capture.set(cv2.CAP_PROP_FPS, fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._image: UInt8[np.ndarray, "H W 3"] | None = None
        self.fps = max(float(self._capture.get(cv2.CAP_PROP_FPS)), 0.0)
        self.size = (
            int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )

    def grab(self) -> bool:
        """Take the next picture; False if none came."""
        return bool(self._capture.grab())

    def image(self) -> UInt8[np.ndarray, "H W 3"] | None:
        """The last picture; None if it is damaged."""
        good, image = self._capture.retrieve()
        return np.asarray(image, np.uint8) if good and image is not None else None

    def close(self) -> None:
        self._capture.release()
