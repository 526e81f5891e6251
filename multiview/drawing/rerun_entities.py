"""What Rerun shows that does not depend on time: the world's axes, people's joints and bones, cameras.

Metres, z up. A person is an entity of points, /world/people/LABEL, whose skeleton the viewer draws by the class of the
points. A camera, /world/cameras/NAME, has its pinhole; Rerun knows no distortion. https://rerun.io/docs
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from multiview.cameras.camera import Camera
from multiview.common.palette import person_colour
from multiview.errors import MultiviewError

try:
    import rerun as rr
except ModuleNotFoundError:
    raise MultiviewError("Rerun needs one more package: pip install multiview-mocap[rerun]") from None

__all__ = ["JOINT_M", "camera_entity", "describe_cameras", "describe_people", "person_colours", "person_entity"]

JOINT_M = 0.015
_PALE = 90  # of 255
_FRUSTUM_M = 0.3


def describe_people(
    stream: rr.RecordingStream,
    joints: tuple[str, ...],
    bones: tuple[tuple[int, int], ...],
    people: Sequence[tuple[int, int, str]],
) -> None:
    """Say which class of points is who, and how their joints are called and joined.

    Args:
        stream: Where.
        joints: Names.
        bones: Pairs of joints.
        people: Class, identity and label of each.
    """
    named = [rr.AnnotationInfo(id=j, label=name) for j, name in enumerate(joints)]
    classes = [
        rr.ClassDescription(
            info=rr.AnnotationInfo(id=number, label=label, color=person_colour(identity)),
            keypoint_annotations=named,
            keypoint_connections=bones,
        )
        for number, identity, label in people
    ]
    stream.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, rr.AnnotationContext(classes), static=True)
    for _, _, label in people:  # names of joints, which would hide them, are shown where the mouse is
        stream.log(person_entity(label), rr.Points3D.from_fields(show_labels=False), static=True)


def describe_cameras(stream: rr.RecordingStream, cameras: Sequence[Camera], width_px: int = 0) -> None:
    """Say where the cameras are, and what their lenses are.

    Args:
        stream: Where.
        cameras: Which.
        width_px: Of the pictures that are shown, at most; 0: as calibrated.
    """
    for camera in cameras:
        entity = camera_entity(camera.name)
        scale = min(1.0, width_px / camera.size[0]) if width_px else 1.0
        stream.log(entity, rr.Transform3D(mat3x3=camera.R.T, translation=camera.centre), static=True)
        K = np.diag([scale, scale, 1.0]) @ camera.K
        size = [round(scale * side) for side in camera.size]
        pinhole = rr.Pinhole(image_from_camera=K, resolution=size, image_plane_distance=_FRUSTUM_M)
        stream.log(entity, pinhole, static=True)


def camera_entity(name: str) -> str:
    """The entity of a camera."""
    return rr.new_entity_path(["world", "cameras", name])


def person_entity(label: str) -> str:
    """The entity of a person."""
    return rr.new_entity_path(["world", "people", label])


def person_colours(person: int, filled: Bool[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 4"]:
    """The colour of each joint of a person; those that bones and motion place, not cameras, are paler."""
    colours = np.tile(np.round(255 * np.array([*person_colour(person), 1.0])).astype(np.uint8), (len(filled), 1))
    colours[filled, 3] = _PALE
    return colours
