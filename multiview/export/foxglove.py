"""MCAP with Foxglove's own schemas, for Foxglove and Lichtblick: people in 3D, the cameras' places and lenses.

`/people` is a SceneUpdate for every frame (metres, z up, frame "world"), `/cameras` the FrameTransforms from it to each
camera, and `/cameras/NAME` its CameraCalibration. Filled joints, and bones that end in one, are paler. Messages carry
UTC where the take knows it, else seconds from the first frame. https://docs.foxglove.dev/docs/sdk/schemas
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from multiview.cameras.camera import Camera
from multiview.common.atomic_file import replacing
from multiview.common.palette import person_colour
from multiview.data import NS_PER_S
from multiview.errors import MultiviewError
from multiview.export import Progress, silent
from multiview.export._scene import PersonTrack, Scene, scene_of
from multiview.recordings.pose_table import Poses

try:
    import foxglove
    from foxglove import messages as fg
    from foxglove.channels import CameraCalibrationChannel, FrameTransformsChannel, SceneUpdateChannel
except ModuleNotFoundError:
    raise MultiviewError("Foxglove's format needs one more package: pip install multiview-mocap[foxglove]") from None

__all__ = ["Exporter"]

_WORLD = "world"
_JOINT_M, _BONE_M, _TEXT_M = 0.03, 0.015, 0.12  # diameter, width, height of letters
_ABOVE_M = 0.25  # of the highest joint: the name
_SURE, _PALE = 1.0, 0.35  # opacity
_COUNTS = {"pinhole": {5: "plumb_bob", 8: "rational_polynomial"}, "fisheye": {4: "kannala_brandt"}}


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        return self.write_scene(scene_of(poses), stem, progress)

    def write_scene(self, scene: Scene, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(scene.poses):
            return []
        path = stem.with_name(stem.name + ".foxglove.mcap")
        context = foxglove.Context()
        with replacing(path) as temporary, foxglove.open_mcap(temporary, allow_overwrite=True, context=context):
            times = scene.utc_ns if scene.utc_ns.all() else scene.time_ns - scene.time_ns[0]
            _log_cameras(scene.cameras, int(times[0]), context)
            people = SceneUpdateChannel("/people", context=context)
            tracks = list(scene.tracks())
            for index, now_ns in enumerate(times.tolist()):
                people.log(_update(scene, tracks, index, now_ns), log_time=now_ns)
                progress((index + 1) / len(times))
        return [path]


def _log_cameras(cameras: tuple[Camera, ...], now_ns: int, context: Any) -> None:
    """Once, at the beginning: they stand still."""
    if not cameras:
        return
    stamp, transforms = _stamp(now_ns), []
    for camera in cameras:
        x, y, z, w = Rotation.from_matrix(camera.R.T).as_quat().tolist()
        transforms.append(
            fg.FrameTransform(
                timestamp=stamp,
                parent_frame_id=_WORLD,
                child_frame_id=camera.name,
                translation=_xyz(fg.Vector3, camera.centre),
                rotation=fg.Quaternion(x=x, y=y, z=z, w=w),
            )
        )
        model, coefficients = _lens(camera)
        calibration = fg.CameraCalibration(
            timestamp=stamp,
            frame_id=camera.name,
            width=camera.size[0],
            height=camera.size[1],
            distortion_model=model,
            D=coefficients,
            K=camera.K.ravel().tolist(),
            R=np.eye(3).ravel().tolist(),
            P=np.hstack([camera.K, np.zeros((3, 1))]).ravel().tolist(),
        )
        CameraCalibrationChannel(f"/cameras/{camera.name}", context=context).log(calibration, log_time=now_ns)
    update = fg.FrameTransforms(transforms=transforms)
    FrameTransformsChannel("/cameras", context=context).log(update, log_time=now_ns)


def _lens(camera: Camera) -> tuple[str, list[float]]:
    """Foxglove's name of the lens model, and its coefficients; zeros are added, and taken away, where that fits."""
    known = np.trim_zeros(camera.dist, "b")
    for count, model in _COUNTS[camera.model].items():
        if len(known) <= count:
            return model, np.pad(known, (0, count - len(known))).tolist()
    logging.warning("Foxglove knows no lens like that of %s: its calibration there has no distortion", camera.name)
    return "", []


def _update(scene: Scene, tracks: list[PersonTrack], index: int, now_ns: int) -> Any:
    """Who is there in one frame, and who has left since the frame before."""
    there = [track for track in tracks if track.row[index] >= 0]
    left = [track for track in tracks if index and track.row[index - 1] >= 0 > track.row[index]]
    stamp = _stamp(now_ns)
    return fg.SceneUpdate(
        deletions=[
            fg.SceneEntityDeletion(timestamp=stamp, type=fg.SceneEntityDeletionType.MatchingId, id=str(track.number))
            for track in left
        ],
        entities=[_entity(scene, track, index, stamp) for track in there],
    )


def _entity(scene: Scene, track: PersonTrack, index: int, stamp: Any) -> Any:
    """One person: a ball for each known joint, in the order of `joints`, a line for each bone, the name above."""
    xyz, filled = scene.poses.xyz[track.row[index]], scene.poses.filled[track.row[index]].tolist()
    known = np.isfinite(xyz).all(axis=-1)
    red, green, blue = person_colour(track.number)
    colours = [fg.Color(r=red, g=green, b=blue, a=alpha) for alpha in (_SURE, _PALE)]
    size = fg.Vector3(x=_JOINT_M, y=_JOINT_M, z=_JOINT_M)
    points = {int(j): _xyz(fg.Point3, xyz[j]) for j in np.flatnonzero(known)}
    bones = [(a, b) for a, b in scene.bones if a in points and b in points]
    names = ",".join(scene.poses.joints[j] for j in points)
    entity: dict[str, Any] = {
        "metadata": [fg.KeyValuePair(key="joints", value=names)],
        "spheres": [fg.SpherePrimitive(pose=_at(xyz[j]), size=size, color=colours[filled[j]]) for j in points],
        "lines": [
            fg.LinePrimitive(
                type=fg.LinePrimitiveLineType.LineList,
                thickness=_BONE_M,
                points=[points[j] for bone in bones for j in bone],
                colors=[colours[filled[a] or filled[b]] for a, b in bones for _ in range(2)],
            )
        ],
    }
    if points:
        top = xyz[known][np.argmax(xyz[known][:, 2])] + [0.0, 0.0, _ABOVE_M]
        entity["texts"] = [
            fg.TextPrimitive(pose=_at(top), billboard=True, font_size=_TEXT_M, color=colours[0], text=track.label)
        ]
    return fg.SceneEntity(timestamp=stamp, frame_id=_WORLD, id=str(track.number), **entity)


def _at(xyz: np.ndarray) -> Any:
    return fg.Pose(position=_xyz(fg.Vector3, xyz), orientation=fg.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0))


def _xyz(kind: Any, xyz: np.ndarray) -> Any:
    x, y, z = xyz.tolist()
    return kind(x=x, y=y, z=z)


def _stamp(now_ns: int) -> Any:
    return fg.Timestamp(sec=now_ns // NS_PER_S, nsec=now_ns % NS_PER_S)
