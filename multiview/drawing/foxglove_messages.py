"""What Foxglove and Lichtblick show, as messages of Foxglove's schemas: people, cameras, pictures.

Metres, z up, frame "world". https://docs.foxglove.dev/docs/sdk/schemas
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial.transform import Rotation

from multiview.cameras.camera import Camera
from multiview.common.palette import person_colour
from multiview.data import NS_PER_S
from multiview.errors import MultiviewError

try:
    from foxglove import messages as fg
except ModuleNotFoundError:
    raise MultiviewError("Foxglove needs one more package: pip install multiview-mocap[foxglove]") from None

__all__ = ["Figure", "camera_calibration", "camera_transforms", "compressed_image", "scene_update"]

_WORLD = "world"
_JOINT_M, _BONE_M, _TEXT_M = 0.03, 0.015, 0.12  # diameter, width, height of letters
_ABOVE_M = 0.25  # of the highest joint: the name
_SURE, _PALE = 1.0, 0.35  # opacity
_COUNTS = {"pinhole": {5: "plumb_bob", 8: "rational_polynomial"}, "fisheye": {4: "kannala_brandt"}}


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """One person at one instant.

    Attributes:
        number: Identity.
        label: What stands above them.
        xyz: (J, 3) m; NaN where unknown.
        filled: (J,) whether bones and motion place a joint, not cameras: paler.
    """

    number: int
    label: str
    xyz: Float64[np.ndarray, "J 3"]
    filled: Bool[np.ndarray, " J"]


def scene_update(
    figures: Sequence[Figure],
    left: Sequence[int],
    joints: tuple[str, ...],
    bones: tuple[tuple[int, int], ...],
    now_ns: int,
) -> Any:
    """Everyone at one instant.

    Args:
        figures: Who is there.
        left: Numbers of those who were there just before.
        joints: Names, of the figures' joints.
        bones: Pairs of joints.
        now_ns: When.

    Returns:
        A SceneUpdate.
    """
    stamp = _stamp(now_ns)
    matching = fg.SceneEntityDeletionType.MatchingId
    return fg.SceneUpdate(
        deletions=[fg.SceneEntityDeletion(timestamp=stamp, type=matching, id=str(number)) for number in left],
        entities=[_entity(figure, joints, bones, stamp) for figure in figures],
    )


def _entity(figure: Figure, joints: tuple[str, ...], bones: tuple[tuple[int, int], ...], stamp: Any) -> Any:
    """One person: a ball for each known joint, in the order of `joints`, a line for each bone, the name above."""
    xyz, filled = figure.xyz, figure.filled.tolist()
    known = np.isfinite(xyz).all(axis=-1)
    red, green, blue = person_colour(figure.number)
    colours = [fg.Color(r=red, g=green, b=blue, a=alpha) for alpha in (_SURE, _PALE)]
    size = fg.Vector3(x=_JOINT_M, y=_JOINT_M, z=_JOINT_M)
    points = {int(j): _xyz(fg.Point3, xyz[j]) for j in np.flatnonzero(known)}
    drawn = [(a, b) for a, b in bones if a in points and b in points]
    entity: dict[str, Any] = {
        "metadata": [fg.KeyValuePair(key="joints", value=",".join(joints[j] for j in points))],
        "spheres": [fg.SpherePrimitive(pose=_at(xyz[j]), size=size, color=colours[filled[j]]) for j in points],
        "lines": [
            fg.LinePrimitive(
                type=fg.LinePrimitiveLineType.LineList,
                thickness=_BONE_M,
                points=[points[j] for bone in drawn for j in bone],
                colors=[colours[filled[a] or filled[b]] for a, b in drawn for _ in range(2)],
            )
        ],
    }
    if points:
        top = xyz[known][np.argmax(xyz[known][:, 2])] + [0.0, 0.0, _ABOVE_M]
        entity["texts"] = [
            fg.TextPrimitive(pose=_at(top), billboard=True, font_size=_TEXT_M, color=colours[0], text=figure.label)
        ]
    return fg.SceneEntity(timestamp=stamp, frame_id=_WORLD, id=str(figure.number), **entity)


def camera_transforms(cameras: Sequence[Camera], now_ns: int) -> Any:
    """Where cameras stand.

    Args:
        cameras: Which.
        now_ns: From when on.

    Returns:
        FrameTransforms from "world" to a frame of each camera's name.
    """
    transforms = []
    for camera in cameras:
        x, y, z, w = Rotation.from_matrix(camera.R.T).as_quat().tolist()
        transforms.append(
            fg.FrameTransform(
                timestamp=_stamp(now_ns),
                parent_frame_id=_WORLD,
                child_frame_id=camera.name,
                translation=_xyz(fg.Vector3, camera.centre),
                rotation=fg.Quaternion(x=x, y=y, z=z, w=w),
            )
        )
    return fg.FrameTransforms(transforms=transforms)


def camera_calibration(camera: Camera, now_ns: int) -> Any:
    """A camera's lens.

    Args:
        camera: Which.
        now_ns: From when on.

    Returns:
        A CameraCalibration; without distortion, which is said, where Foxglove has no such lens.
    """
    model, coefficients = _lens(camera)
    return fg.CameraCalibration(
        timestamp=_stamp(now_ns),
        frame_id=camera.name,
        width=camera.size[0],
        height=camera.size[1],
        distortion_model=model,
        D=coefficients,
        K=camera.K.ravel().tolist(),
        R=np.eye(3).ravel().tolist(),
        P=np.hstack([camera.K, np.zeros((3, 1))]).ravel().tolist(),
    )


def compressed_image(camera: str, jpeg: bytes, now_ns: int) -> Any:
    """A picture of a camera.

    Args:
        camera: Its name.
        jpeg: The picture.
        now_ns: When it was taken.

    Returns:
        A CompressedImage.
    """
    return fg.CompressedImage(timestamp=_stamp(now_ns), frame_id=camera, data=jpeg, format="jpeg")


def _lens(camera: Camera) -> tuple[str, list[float]]:
    """Foxglove's name of the lens model, and its coefficients; zeros are added, and taken away, where that fits."""
    known = np.trim_zeros(camera.dist, "b")
    for count, model in _COUNTS[camera.model].items():
        if len(known) <= count:
            return model, np.pad(known, (0, count - len(known))).tolist()
    logging.warning("Foxglove knows no lens like that of %s: its calibration there has no distortion", camera.name)
    return "", []


def _at(xyz: np.ndarray) -> Any:
    return fg.Pose(position=_xyz(fg.Vector3, xyz), orientation=fg.Quaternion(x=0.0, y=0.0, z=0.0, w=1.0))


def _xyz(kind: Any, xyz: np.ndarray) -> Any:
    x, y, z = xyz.tolist()
    return kind(x=x, y=y, z=z)


def _stamp(now_ns: int) -> Any:
    return fg.Timestamp(sec=now_ns // NS_PER_S, nsec=now_ns % NS_PER_S)
