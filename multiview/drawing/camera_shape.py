"""Cameras as lines in the room, from where to look at it, and which way is up where the world does not say it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera, Rig

__all__ = ["default_view", "frustum", "level_from_world"]


def frustum(camera: Camera, depth: float) -> tuple[Float64[np.ndarray, "6 3"], list[tuple[int, int]]]:
    """A pyramid from the camera's centre to its picture's corners at `depth` m, with a mark on the upper side."""
    width, height = camera.size
    corners = np.array([[0.0, 0.0], [width - 1, 0.0], [width - 1, height - 1], [0.0, height - 1]])
    ideal = camera.undistort(corners)
    if not np.isfinite(ideal).all():  # a fisheye whose corners have no ray
        ideal = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    ideal = np.clip(ideal, -1.5, 1.5)
    mark = np.array([[(ideal[0, 0] + ideal[1, 0]) / 2, 1.35 * min(ideal[0, 1], ideal[1, 1])]])
    rays = np.concatenate([np.concatenate([ideal, mark]), np.ones((5, 1))], axis=1)
    points = (depth * rays - camera.t) @ camera.R
    pairs = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (2, 5)]
    return np.concatenate([camera.centre[None], points]), pairs


def level_from_world(rig: Rig) -> Float64[np.ndarray, "3 3"]:
    """Turns the world so that z is up: by nothing if it has a floor, else as if the first camera stood level."""
    if rig.world != "camera":
        return np.eye(3)
    return np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def default_view(rig: Rig) -> tuple[Float64[np.ndarray, " 3"], float]:
    """What to look at at first, and from how far (m): where the cameras look, far enough to see them all."""
    centres = np.array([camera.centre for camera in rig.cameras])
    axes = np.array([camera.R[2] for camera in rig.cameras])
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # the point nearest to all optical axes, in least squares
    normal = across.sum(axis=0) + 1e-3 * np.eye(3)
    target = np.linalg.solve(normal, np.einsum("nij,nj->i", across, centres) + 1e-3 * centres.mean(axis=0))
    reach = float(np.linalg.norm(centres - target, axis=1).max())
    return target, float(np.clip(1.7 * reach, 2.0, 60.0))
