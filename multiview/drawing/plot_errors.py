"""Each camera's reprojection errors over a take: poses against the 2D keypoints that they were made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.reprojection import reprojection_errors
from multiview.data import NS_PER_S, Keypoints2D, TimeNs, Tracks, Views
from multiview.drawing.plot import CameraErrors
from multiview.errors import MessageError
from multiview.recordings.keypoint_folder import open_keypoint_folders
from multiview.recordings.number_times import NumberTimes
from multiview.recordings.pose_motion import PoseMotion
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take
from multiview.timing.clock import ClockMap
from multiview.wire.messages import ClockSample, KeypointsMessage, decode
from multiview.wire.packing import unpack_keypoints

__all__ = ["folder_errors", "recorded_errors"]

_PER_CAMERA = 1500  # pictures looked at, spread over the take: more do not change the curve

_Seen = tuple[int, TimeNs, Keypoints2D]  # camera, time (ns), what it saw
Progress = Callable[[float], None]


def folder_errors(
    poses: Poses, rig: Rig, skeleton: Skeleton, directory: Path, progress: Progress
) -> list[CameraErrors]:
    """Against recorded keypoint folders, each frame at the time of its camera.

    Where cameras are in step, a frame's time is that of the poses of its number; else its number says it, and the rig's
    `time_offset_s`.
    """
    folders = open_keypoint_folders(directory, rig, skeleton)
    in_step = not any(camera.time_offset_s for camera in rig.cameras)
    times = NumberTimes.of(folders.frames, poses.frames_per_second)
    by_number: dict[int, TimeNs] = {}
    if in_step:
        by_number = dict(zip(poses.frame.tolist(), poses.time_ns.tolist(), strict=True))
    wanted = np.unique(np.linspace(0, len(folders.frames) - 1, _PER_CAMERA).astype(np.int64))

    def seen() -> Iterator[_Seen]:
        for i in wanted:
            frame = folders.frames[i]
            time_ns = by_number.get(frame) if in_step and not times.are_times else times.time_ns(frame)
            for index, camera in enumerate(rig.cameras):
                keypoints = folders.read(index, frame) if time_ns is not None else None
                if keypoints is not None and time_ns is not None:
                    yield index, TimeNs(time_ns + camera.time_offset_ns), keypoints

    return _errors(poses, rig, seen(), len(wanted) * len(rig), progress)


def recorded_errors(poses: Poses, rig: Rig, take: Take, progress: Progress) -> list[CameraErrors]:
    """Against the keypoints in a take's recording, at their own times on the common clock."""
    index = {name: i for i, name in enumerate(rig.names)}
    total = sum(1 for record in take.records() if record.topic.startswith("keypoints/"))
    every = max(1, total // (_PER_CAMERA * max(len(rig), 1)))
    offset_ns = [camera.time_offset_ns for camera in rig.cameras]

    def seen() -> Iterator[_Seen]:
        clocks, count = {name: ClockMap() for name in index}, dict.fromkeys(index, 0)
        for record in take.records():
            camera = record.topic.partition("/")[2]
            if camera not in index or record.topic.partition("/")[0] not in ("keypoints", "clock"):
                continue
            try:
                message = decode(record.body)
            except MessageError:
                continue
            if isinstance(message, ClockSample):
                clocks[camera].add(message)
            elif isinstance(message, KeypointsMessage):
                count[camera] += 1
                clock = clocks[camera]
                if count[camera] % every or (message.clock != "epoch" and not clock.known):
                    continue
                time_ns = message.time_ns if message.clock == "epoch" else clock.hub_ns(message.time_ns)
                yield index[camera], TimeNs(time_ns + offset_ns[index[camera]]), unpack_keypoints(message)

    return _errors(poses, rig, seen(), total // every, progress)


def _errors(poses: Poses, rig: Rig, seen: Iterable[_Seen], total: int, progress: Progress) -> list[CameraErrors]:
    motion = PoseMotion(poses)
    px: list[list[np.ndarray]] = [[np.empty(0)] for _ in rig.cameras]
    times: list[list[np.ndarray]] = [[np.empty(0)] for _ in rig.cameras]
    for i, (camera, time_ns, keypoints) in enumerate(seen):
        tracks = motion.at(time_ns)
        one = Rig((rig.cameras[camera],), world=rig.world)
        found = reprojection_errors(one, [Views(0, time_ns, (keypoints,))], [Tracks(0, time_ns, tracks)])
        off = found.px[one.names[0]]
        px[camera].append(off)
        times[camera].append(np.full(len(off), time_ns / NS_PER_S))
        if i % 100 == 0:
            progress(min(1.0, i / max(total, 1)))
    return [CameraErrors(name, np.concatenate(times[c]), np.concatenate(px[c])) for c, name in enumerate(rig.names)]
