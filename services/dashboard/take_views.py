"""What one camera of a take saw, and where the fused people are in its pictures, for a browser."""

from __future__ import annotations

import json
import struct
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np

from multiview.cameras.camera import Camera
from multiview.cameras.rig_file import load_rig
from multiview.data import NS_PER_S
from multiview.editing.take_poses import take_poses, take_rig, take_start_ns
from multiview.errors import ConfigError, MultiviewError
from multiview.recordings.pose_table import Poses
from multiview.recordings.recorded_keypoints import Recording
from multiview.recordings.take import Take
from services.dashboard.take_list import kept_rows
from services.dashboard.take_videos import take_videos

__all__ = ["view_bytes"]

_LENGTH = struct.Struct("<I")
_reading = threading.Lock()  # a recording is read once, whoever asks


def view_bytes(take: Take, camera_name: str) -> bytes:
    """One camera's view of a take for static/take_pictures.js.

    Little-endian: the header's length (uint32), the header (JSON: `videos` with their `part`, `begins` and `ends`, s
    from the take's start; `size` px; `times` of the pictures in which people were looked for, and `counts` of the
    people seen in each), spaces up to a multiple of four, then float32: (people of all frames of the playback, joints,
    2) of the fused people, px, and (people of all pictures, joints, 3) of those seen: px, score.

    Args:
        take: Which.
        camera_name: Of the camera.

    Returns:
        The bytes.

    Raises:
        SourceError: It has no poses.
        ConfigError: There is no such camera.
    """
    poses, _ = take_poses(take.folder)
    rig = load_rig(take_rig(take.folder))
    if camera_name not in rig.names:
        raise ConfigError(f"there is no camera {camera_name[:40]!r}; there are {', '.join(rig.names)}")
    camera, start_ns = rig.cameras[rig.index(camera_name)], take_start_ns(take.folder, poses)
    times, counts, seen = _seen(take, camera_name, len(poses.joints), start_ns)
    videos = take_videos(take, camera, poses, start_ns)
    header = {
        "videos": [{"part": i, "begins": one.begins_s, "ends": one.ends_s} for i, one in enumerate(videos)],
        "size": list(camera.size),
        "times": times,
        "counts": counts,
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    return _LENGTH.pack(len(text)) + text + _fused(poses, camera).tobytes() + seen.tobytes()


def _fused(poses: Poses, camera: Camera) -> np.ndarray:
    """Where the people of the playback are in a camera's picture, px."""
    xyz = poses.xyz[kept_rows(poses)[1]]
    return np.asarray(camera.project(xyz.reshape(-1, 3)).reshape(*xyz.shape[:2], 2)).astype("<f4")


def _seen(take: Take, camera: str, joints: int, start_ns: int) -> tuple[list[float], list[int], np.ndarray]:
    """When a camera saw whom; nothing where that was not recorded, or with other joints."""
    none = np.zeros((0, joints, 3), "<f4")
    try:
        with _reading:
            recordings = _recordings(take.folder, _stamp(take))
    except MultiviewError:
        return [], [], none
    recording = next((one for one in recordings if one.camera == camera), None)
    if recording is None or not recording.keypoints or recording.keypoints[0].xy.shape[1] != joints:
        return [], [], none
    times = [round((time_ns - start_ns) / NS_PER_S, 4) for time_ns in recording.times_ns]
    people = [np.concatenate([one.xy, one.score[..., None]], axis=2) for one in recording.keypoints]
    return times, [len(one) for one in people], np.concatenate([none, *people]).astype("<f4")


@lru_cache(maxsize=2)
def _recordings(folder: Path, stamp: tuple[float, ...]) -> list[Recording]:
    """Read once, as long as nothing in the recording changes."""
    from multiview.studio.take_keypoints import take_keypoints  # slow to import: not before somebody looks

    take = Take(folder)
    return take_keypoints(take)[2] if take.recordings() else []


def _stamp(take: Take) -> tuple[float, ...]:
    return tuple(path.stat().st_mtime for path in take.recordings())
