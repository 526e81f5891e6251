"""What the cameras of a take saw, for exports that show it: small pictures, few of them, and no more than a bound."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import cv2
import numpy as np

from multiview.cameras.camera import Rig
from multiview.data import NS_PER_S, TimeNs, VideoFrame
from multiview.export import Picture
from multiview.recordings.pose_motion import PoseMotion
from multiview.recordings.pose_table import Poses
from multiview.sources import FrameSource, Reader

__all__ = ["WIDTH_PX", "pictures_of"]

WIDTH_PX, RATE_HZ, QUALITY = 640, 10.0, 75  # of the pictures
MAX_BYTES = 500_000_000  # of all pictures together


def pictures_of(rig: Rig, poses: Poses, sources: list[FrameSource], max_bytes: int = MAX_BYTES) -> Iterator[Picture]:
    """Pictures while anybody is there, at most 640 px wide and ten a second.

    Args:
        rig: The cameras, with their time offsets.
        poses: Who is there, and when.
        sources: The cameras' videos.
        max_bytes: Of all pictures together; each camera has its share.

    Yields:
        Camera after camera.
    """
    share = max_bytes // max(1, len(sources))
    for source in sources:
        used, next_ns = 0, -(2**62)
        for frame, time_ns in _timed(rig, poses, source):
            if time_ns < next_ns:
                continue
            next_ns = time_ns + round(NS_PER_S / RATE_HZ) - round(0.3 * NS_PER_S / (source.fps or 30.0))
            jpeg = _jpeg(frame)
            used += len(jpeg)
            if used > share:
                logging.warning("%s: pictures end after %d MB, its share of the file", source.name, share // 1_000_000)
                break
            yield Picture(source.name, time_ns, jpeg)


def _timed(rig: Rig, poses: Poses, source: FrameSource) -> Iterator[tuple[VideoFrame, TimeNs]]:
    """The frames of a video that the poses span, with their times on the clock of the poses.

    By their numbers where the video has another clock.
    """
    motion = PoseMotion(poses)
    by_number = dict(zip(poses.frame.tolist(), poses.time_ns.tolist(), strict=True))
    offset_ns = rig.cameras[rig.index(source.name)].time_offset_ns
    first, last = int(poses.time_ns.min()), int(poses.time_ns.max())
    own_clock: bool | None = None
    with Reader(source) as reader:
        while (frame := reader.read()) is not None:
            own = TimeNs(frame.time_ns + offset_ns)
            if own_clock is None:
                own_clock = motion.covers(own) or frame.index not in by_number
            time_ns = own if own_clock else by_number.get(frame.index)
            if time_ns is not None and first <= time_ns <= last:
                yield frame, time_ns


def _jpeg(frame: VideoFrame) -> bytes:
    height, width = frame.image.shape[:2]
    image = frame.image
    if width > WIDTH_PX:
        size = (WIDTH_PX, max(1, round(height * WIDTH_PX / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
