"""Whether a disk takes the videos of all cameras, measured before they are recorded."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["disk_speed", "needed_speed", "speed_warning"]

PROBE_MB, BLOCK = 64, 1 << 20
PART_OF_ROOM = 8  # what is tried takes so small a part of what is free
MB = 1e6
# Bytes of video per pixel, at the most: noise does not compress, and three channels of it hardly to two thirds.
LOSSLESS_BYTES, LOSSY_BYTES = 2.0, 0.15
USUAL_FPS = 30.0


def disk_speed(folder: Path) -> float:
    """How fast a file is written in a folder, MB/s; infinite where there is no room to try: what fits is recorded."""
    blocks = min(PROBE_MB, shutil.disk_usage(folder).free // (PART_OF_ROOM * BLOCK))
    if not blocks:
        return math.inf
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            block, began = os.urandom(BLOCK), time.perf_counter()
            for _ in range(blocks):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return blocks * BLOCK / MB / (time.perf_counter() - began)
    except OSError:
        return math.inf


def needed_speed(cameras: Iterable[tuple[tuple[int, int], float]], lossless: bool) -> float:
    """What videos need at the most, MB/s.

    Args:
        cameras: Size in pixels, and frame rate (0: unknown), of each.
        lossless: Whether every pixel is kept as it is.
    """
    pixels = sum(width * height * (fps or USUAL_FPS) for (width, height), fps in cameras)
    return pixels * (LOSSLESS_BYTES if lossless else LOSSY_BYTES) / MB


def speed_warning(speed_mb_s: float, needed_mb_s: float, lossless: bool) -> str:
    """One line where the disk is too slow, else empty."""
    if speed_mb_s >= needed_mb_s:
        return ""
    advice = "leave out --lossless, " if lossless else ""
    return (
        f"the disk writes {speed_mb_s:.0f} MB/s, the videos may need {needed_mb_s:.0f} MB/s: {advice}record on another "
        "disk, or fewer pixels"
    )
