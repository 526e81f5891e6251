"""Keypoints of a camera that is rotated in place, and the correction of such a rotation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera
from multiview.data import Keypoints2D
from multiview.geometry.rigid import rotation_from_vector

__all__ = ["rotate_keypoints", "unrotate_keypoints"]


def rotate_keypoints(
    keypoints: Keypoints2D, camera: Camera, degrees: float, axis: Float64[np.ndarray, " 3"]
) -> Keypoints2D:
    """What the camera would observe, rotated about `axis` (a unit vector in its axes: x right, y down, z forward)."""
    lens = replace(camera, R=np.eye(3), t=np.zeros(3))
    ideal = lens.undistort(keypoints.xy)
    rays = np.concatenate([ideal, np.ones((*ideal.shape[:-1], 1))], axis=-1)
    return replace(keypoints, xy=lens.project(rays @ rotation_from_vector(math.radians(degrees) * axis).T))


def unrotate_keypoints(keypoints: Keypoints2D, camera: Camera, rotation: Float64[np.ndarray, " 3"]) -> Keypoints2D:
    """What the camera would have observed without this rotation (a rotation vector in its own axes, rad)."""
    angle = float(np.linalg.norm(rotation))
    return rotate_keypoints(keypoints, camera, -math.degrees(angle), rotation / angle) if angle else keypoints
