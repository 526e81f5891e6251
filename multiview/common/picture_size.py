"""How many pixels a picture may have: what a file says of its size is believed before its first pixel is read."""

from __future__ import annotations

import os

__all__ = ["MAX_PIXELS", "bound_pictures"]

MAX_PIXELS = 160_000_000  # of three bytes each: the largest sensors have 150 million
VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"


def bound_pictures() -> None:
    """Let OpenCV refuse larger pictures, unless the user has set another bound. Call it before OpenCV is imported."""
    os.environ.setdefault(VARIABLE, str(MAX_PIXELS))
