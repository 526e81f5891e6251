"""A camera that hangs on its side, or upside down: its frames turned upright."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from multiview.data import VideoFrame
from multiview.sources._source import FrameSource

__all__ = ["rotated"]


class _Rotated:
    """Passes on whatever its source has; see `rotated`."""

    def __init__(self, source: FrameSource, degrees: int) -> None:
        import cv2  # a tenth of a second, which only cameras that are turned take

        rotations = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
        self._source, self._rotate, self._rotation = source, cv2.rotate, rotations[degrees]
        width, height = source.size
        self.size = (width, height) if degrees == 180 else (height, width)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read(self) -> VideoFrame | None:
        frame = self._source.read()
        if frame is None:
            return None
        return replace(frame, image=np.asarray(self._rotate(frame.image, self._rotation), np.uint8))

    def skip(self) -> bool:
        return self._source.skip()

    def close(self) -> None:
        self._source.close()


def rotated(source: FrameSource, degrees: int) -> FrameSource:
    """A source whose pictures are turned clockwise.

    Args:
        source: What is turned.
        degrees: 0, 90, 180 or 270.

    Returns:
        The source; as it is where nothing is turned.
    """
    return _Rotated(source, degrees) if degrees else source
