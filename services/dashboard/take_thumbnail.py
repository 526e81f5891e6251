"""A small picture of a take: people at a moment in its middle, over the video of a camera where there is one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from multiview.body.skeleton import find_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.data import NS_PER_S, TimeNs
from multiview.drawing.overlay import draw_floor, draw_skeletons, empty_picture
from multiview.editing.take_poses import take_poses, take_rig, take_start_ns
from multiview.errors import SourceError
from multiview.recordings.pose_motion import PoseMotion
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take
from services.dashboard.take_videos import take_videos

__all__ = ["thumbnail_jpeg"]

WIDTH_PX, QUALITY = 320, 80


def thumbnail_jpeg(take: Take) -> bytes:
    """The picture of a take as it is edited now.

    Args:
        take: Which.

    Returns:
        JPEG.

    Raises:
        SourceError: It has no poses, and so nothing to show.
        ConfigError: Its rig cannot be read.
    """
    files = sorted(path for path in take.folder.glob("*") if path.is_file())
    return _made(take.folder, tuple(path.stat().st_mtime_ns for path in files))


@lru_cache(maxsize=256)
def _made(folder: Path, stamp: tuple[int, ...]) -> bytes:
    """Drawn once, as long as nothing in the take's folder changes."""
    poses, _ = take_poses(folder)
    if not len(poses):
        raise SourceError(f"{folder}: nobody is in this take")
    rig, skeleton = load_rig(take_rig(folder)), find_skeleton(poses.skeleton, folder)
    time_ns = _busy_moment(poses)
    index, picture = _video_picture(Take(folder), rig, poses, time_ns)
    camera = rig.cameras[index]
    if picture is None:
        picture = empty_picture(*camera.size)
        if rig.world != "camera":
            centres = np.array([one.centre[:2] for one in rig.cameras])
            draw_floor(picture, camera, np.stack([centres.min(axis=0), centres.max(axis=0)]))
    draw_skeletons(picture, camera, skeleton, PoseMotion(poses).at(time_ns))
    height = round(WIDTH_PX * picture.shape[0] / picture.shape[1])
    small = cv2.resize(picture, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _busy_moment(poses: Poses) -> TimeNs:
    """The time nearest to the middle at which most people are there, ns."""
    times, counts = np.unique(poses.time_ns, return_counts=True)
    busiest = times[counts == counts.max()]
    return TimeNs(int(busiest[np.abs(busiest - (times[0] + times[-1]) // 2).argmin()]))


def _video_picture(take: Take, rig: Rig, poses: Poses, time_ns: int) -> tuple[int, UInt8[np.ndarray, "H W 3"] | None]:
    """The first camera with a picture of that moment, at the calibrated size; the first camera without one."""
    start_ns = take_start_ns(take.folder, poses)
    seconds = (time_ns - start_ns) / NS_PER_S
    for index, camera in enumerate(rig.cameras):
        for video in take_videos(take, camera, poses, start_ns):
            if not video.begins_s <= seconds <= video.ends_s:
                continue
            capture = cv2.VideoCapture(str(video.path))
            capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * (seconds - video.begins_s))
            good, image = capture.read()
            capture.release()
            if good:
                return index, np.asarray(cv2.resize(image, camera.size, interpolation=cv2.INTER_AREA), np.uint8)
    return 0, None
