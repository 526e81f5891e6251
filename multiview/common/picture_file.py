"""Files of pictures: what they say of their own size is doubted before memory is taken for it."""

from __future__ import annotations

import os

import numpy as np
from jaxtyping import UInt8

__all__ = ["MAX_PIXELS", "bound_pictures", "decode_picture"]

MAX_PIXELS = 160_000_000  # of three bytes each: the largest sensors have 150 million
VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"
PNG = b"\x89PNG\r\n\x1a\n"
LENGTH, CHUNK = 4, 12  # bytes of a chunk's length, and of all that is not its content: length, kind and CRC


def bound_pictures() -> None:
    """Let OpenCV refuse larger pictures, unless the user has set another bound. Call it before OpenCV is imported."""
    os.environ.setdefault(VARIABLE, str(MAX_PIXELS))


def decode_picture(data: UInt8[np.ndarray, " N"], flags: int) -> np.ndarray | None:
    """The picture in a file's content, as `cv2.imdecode` gives it; None if there is none, or it is too large."""
    import cv2

    if not len(data) or not _chunks_fit(data):
        return None
    try:
        return cv2.imdecode(data, flags)
    except cv2.error:
        return None


def _chunks_fit(data: UInt8[np.ndarray, " N"]) -> bool:
    """False for a PNG of which a chunk says that it is longer than the file: OpenCV takes as much memory as that."""
    if data[: len(PNG)].tobytes() != PNG:
        return True
    place = len(PNG)
    while place + LENGTH <= len(data):
        place += CHUNK + int.from_bytes(data[place : place + LENGTH].tobytes(), "big")
    return place <= len(data) + CHUNK  # a file whose last few bytes were cut off may still be read
