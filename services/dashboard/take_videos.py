"""A take's videos for a browser: which there are, and when each begins on the take's time line."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from multiview.cameras.camera import Camera
from multiview.common.names import file_name
from multiview.data import NS_PER_S
from multiview.errors import ConfigError, SourceError
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take
from multiview.sources import Timestamps, later_parts, timestamps_beside

__all__ = ["TakeVideo", "find_video", "frame_at", "take_videos", "video_span_s"]


class TakeVideo(NamedTuple):
    """One file of a camera's video.

    Attributes:
        path: Of the file.
        begins_s: When its first picture was taken, s from the take's start.
        ends_s: When its last one was.
    """

    path: Path
    begins_s: float
    ends_s: float


def take_videos(take: Take, camera: Camera, poses: Poses, start_ns: int) -> list[TakeVideo]:
    """The videos of one camera of a take, in order; none where there are none, or their times are not known.

    Args:
        take: Which.
        camera: Of the take's rig; its time offset counts.
        poses: The take's.
        start_ns: When the take starts, on the clock of the poses.

    Returns:
        Each file that plays.
    """
    first = take.videos / f"{file_name(camera.name)}.mp4"
    known = [(path, times) for path in (first, *later_parts(first)) if (times := _times(path)) is not None]
    shift_ns = _shift_ns(known[0][1], poses) if known else None
    if shift_ns is None:
        return []
    zero_ns = camera.time_offset_ns - start_ns + shift_ns
    return [
        TakeVideo(path, (begins + zero_ns) / NS_PER_S, (ends + zero_ns) / NS_PER_S)
        for path, times in known
        for begins, ends in [_span_ns(times)]
    ]


def find_video(take: Take, camera: str, part: int) -> Path | None:
    """A file of a take's videos; what a browser asks for never becomes a path.

    Args:
        take: Which.
        camera: Of the rig or not.
        part: 0 for the first one.

    Returns:
        Its path; None if there is none.
    """
    names = {path.name: path for path in take.videos.glob("*.mp4")} if take.videos.is_dir() else {}
    suffix = f".{part}.mp4" if part else ".mp4"
    return names.get(f"{file_name(camera)}{suffix}") if camera else None


def frame_at(video: Path, seconds: float) -> int:
    """The number of the frame nearest to a moment of a video's own times.

    Args:
        video: Its file.
        seconds: Since its first frame.

    Returns:
        From 0 on.

    Raises:
        ConfigError: Its times are not known.
    """
    times = _times(video)
    if times is None:
        raise ConfigError(f"{video}: the times of its frames are not known")
    begins = _span_ns(times)[0]
    return min(times.frames, key=lambda frame: abs((times.time_ns(frame) or 0) - begins - round(seconds * NS_PER_S)))


def video_span_s(video: Path) -> tuple[float, float]:
    """When a video begins and ends on its own times, s; zeros where they are not known."""
    times = _times(video)
    begins, ends = _span_ns(times) if times is not None else (0, 0)
    return begins / NS_PER_S, ends / NS_PER_S


def _times(video: Path) -> Timestamps | None:
    try:
        times = timestamps_beside(video) if video.is_file() else None
    except SourceError:
        return None
    return times if times is not None and len(times) else None


def _span_ns(times: Timestamps) -> tuple[int, int]:
    frames = times.frames
    return times.time_ns(frames[0]) or 0, times.time_ns(frames[-1]) or 0


def _shift_ns(times: Timestamps, poses: Poses) -> int | None:
    """What makes a video's times those of the poses: nothing, or by the numbers of the frames where clocks differ.

    None where neither tells.
    """
    begins, ends = _span_ns(times)
    if not len(poses) or (begins <= int(poses.time_ns.max()) and ends >= int(poses.time_ns.min())):
        return 0
    apart = [
        time_ns - own
        for frame, time_ns in zip(poses.frame.tolist(), poses.time_ns.tolist(), strict=True)
        if (own := times.time_ns(frame)) is not None
    ]
    return round(float(np.median(apart))) if apart else None
