"""A camera that is turned in place: what it sees then."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from multiview.camera import Camera
from multiview.data import Keypoints2D
from multiview.geometry.rigid import rotation_from_vector

__all__ = ["turned"]


def turned(keypoints: Keypoints2D, camera: Camera, degrees: float, axis: Float64[np.ndarray, " 3"]) -> Keypoints2D:
    """What the camera would see, turned about an axis (a unit vector in its own axes: x right, y down, z forward)."""
    lens = replace(camera, R=np.eye(3), t=np.zeros(3))
    ideal = lens.undistort(keypoints.xy)
    rays = np.concatenate([ideal, np.ones((*ideal.shape[:-1], 1))], axis=-1)
    return replace(keypoints, xy=lens.project(rays @ rotation_from_vector(math.radians(degrees) * axis).T))
