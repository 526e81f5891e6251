"""A studio's room as the 3D views of the pages draw it: cameras, floor, bones and colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.common.palette import hex_colours
from multiview.drawing.camera_shape import default_view, frustum, level_from_world

__all__ = ["room"]

_FRUSTUM_M = 0.32
_FLOOR_M = 30  # the farthest that a line of the floor is drawn


def room(rig: Rig, skeleton: Skeleton) -> dict[str, Any]:
    """What `static/scene3d.js` draws a room from.

    Args:
        rig: Its cameras.
        skeleton: Of the people.

    Returns:
        Plain values; metres, z up.
    """
    level = level_from_world(rig)
    target, distance = default_view(rig)
    return {
        "joints": len(skeleton.joints),
        "bones": [list(bone) for bone in skeleton.bones],
        "sides": [_side(name) for name in skeleton.joints],
        "palette": list(hex_colours()),
        "cameras": [_camera(rig, index, level) for index in range(len(rig))],
        "floor": _floor(rig),
        "level": level.ravel().tolist(),
        "target": (level @ target).tolist(),
        "distance": distance,
    }


def _camera(rig: Rig, index: int, level: np.ndarray) -> dict[str, Any]:
    camera = rig.cameras[index]
    points, lines = frustum(camera, _FRUSTUM_M)
    return {
        "name": camera.name,
        "size": list(camera.size),
        "points": (points @ level.T).tolist(),
        "lines": [list(pair) for pair in lines],
    }


def _floor(rig: Rig) -> list[int] | None:
    """Its first and last lines, x0 y0 x1 y1, m; none where the world has no floor."""
    if rig.world == "camera":
        return None
    centres = np.array([camera.centre[:2] for camera in rig.cameras])
    low, high = np.floor(centres.min(axis=0) - 0.5), np.ceil(centres.max(axis=0) + 0.5)
    return [int(limit) for limit in np.clip(np.concatenate([low, high]), -_FLOOR_M, _FLOOR_M)]


def _side(joint: str) -> int:
    """1 for the left, -1 for the right, 0 for neither."""
    return joint.startswith("left_") - joint.startswith("right_")
