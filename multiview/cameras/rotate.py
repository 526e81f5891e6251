"""A camera that is turned in place: what it sees then, and what it would see if it had not been."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera
from multiview.data import Keypoints2D
from multiview.geometry.rigid import rotation_from_vector

__all__ = ["turned", "turned_back"]


def turned(keypoints: Keypoints2D, camera: Camera, degrees: float, axis: Float64[np.ndarray, " 3"]) -> Keypoints2D:
    """What the camera would see, turned about an axis (a unit vector in its own axes: x right, y down, z forward)."""
    lens = replace(camera, R=np.eye(3), t=np.zeros(3))
    ideal = lens.undistort(keypoints.xy)
    rays = np.concatenate([ideal, np.ones((*ideal.shape[:-1], 1))], axis=-1)
    return replace(keypoints, xy=lens.project(rays @ rotation_from_vector(math.radians(degrees) * axis).T))


def turned_back(keypoints: Keypoints2D, camera: Camera, turn: Float64[np.ndarray, " 3"]) -> Keypoints2D:
    """What the camera would have seen without this turn (a rotation vector in its own axes, rad)."""
    angle = float(np.linalg.norm(turn))
    return turned(keypoints, camera, -math.degrees(angle), turn / angle) if angle else keypoints
