"""Each camera's reprojection errors over a take: poses against the 2D keypoints that they were made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.reprojection import reprojection_errors
from multiview.data import NS_PER_S, Keypoints2D, Pose3D, Track, Tracks, Views
from multiview.drawing.plot import CameraErrors
from multiview.errors import MessageError
from multiview.recordings.keypoint_folder import open_keypoint_folders
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take
from multiview.timing.clock import ClockMap
from multiview.wire.messages import ClockSample, KeypointsMessage, decode
from multiview.wire.packing import unpack_keypoints

__all__ = ["folder_errors", "recorded_errors"]

_PER_CAMERA = 1500  # pictures looked at, spread over the take: more do not change the curve
_NEAR_S = 0.1  # poses further from a picture's time than this say nothing about it

_Seen = tuple[int, int, Keypoints2D]  # camera, time (ns), what it saw
Progress = Callable[[float], None]


def folder_errors(
    poses: Poses, rig: Rig, skeleton: Skeleton, directory: Path, progress: Progress
) -> list[CameraErrors]:
    """Against recorded keypoint folders, whose frames are those of the poses."""
    folders = open_keypoint_folders(directory, rig, skeleton)
    frames, first = np.unique(poses.frame, return_index=True)
    wanted = np.unique(np.linspace(0, len(frames) - 1, _PER_CAMERA).astype(np.int64))

    def seen() -> Iterator[_Seen]:
        for i in wanted:
            for camera in range(len(rig)):
                keypoints = folders.read(camera, int(frames[i]))
                if keypoints is not None:
                    yield camera, int(poses.time_ns[first[i]]), keypoints

    return _errors(poses, rig, seen(), len(wanted) * len(rig), progress)


def recorded_errors(poses: Poses, rig: Rig, take: Take, progress: Progress) -> list[CameraErrors]:
    """Against the keypoints in a take's recording, at their own times on the common clock."""
    index = {name: i for i, name in enumerate(rig.names)}
    total = sum(1 for record in take.records() if record.topic.startswith("keypoints/"))
    every = max(1, total // (_PER_CAMERA * max(len(rig), 1)))
    offset_ns = [round(camera.time_offset_s * NS_PER_S) for camera in rig.cameras]

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
                yield index[camera], time_ns + offset_ns[index[camera]], unpack_keypoints(message)

    return _errors(poses, rig, seen(), total // every, progress)


def _errors(poses: Poses, rig: Rig, seen: Iterable[_Seen], total: int, progress: Progress) -> list[CameraErrors]:
    motion = _Motion(poses)
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


class _Motion:
    """Everyone's pose at any time, between two frames on the straight line; measured only where both were."""

    def __init__(self, poses: Poses) -> None:
        self._people = [poses.select(poses.person == person) for person in poses.people]

    def at(self, time_ns: int) -> tuple[Track, ...]:
        found = []
        for own in self._people:
            after = int(np.searchsorted(own.time_ns, time_ns))
            before = after if after < len(own) and own.time_ns[after] == time_ns else after - 1
            if before < 0 or after >= len(own):
                continue
            span = own.time_ns[after] - own.time_ns[before]
            if span > _NEAR_S * NS_PER_S:
                continue
            share = (time_ns - own.time_ns[before]) / span if span else 0.0
            found.append(
                Track(
                    int(own.person[0]),
                    Pose3D(
                        (1 - share) * own.xyz[before] + share * own.xyz[after],
                        own.cov[before],
                        np.minimum(own.score[before], own.score[after]),
                        np.minimum(own.views[before], own.views[after]),
                        own.filled[before] | own.filled[after],
                    ),
                )
            )
        return tuple(found)
