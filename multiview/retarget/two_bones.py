"""Inverse kinematics of two bones with a hinge between them: arms and legs that reach a place."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.body.frames import unit_vectors

__all__ = ["reach"]

_SOFT = 0.01  # of the limb's length: from here on it stretches more and more slowly, so that the hinge never snaps


def reach(
    start: Float64[np.ndarray, "T 3"],
    goal: Float64[np.ndarray, "T 3"],
    hinge: Float64[np.ndarray, "T 3"],
    upper_m: float,
    lower_m: float,
) -> tuple[Float64[np.ndarray, "T 3"], Float64[np.ndarray, "T 3"], Float64[np.ndarray, "T 3"]]:
    """Directions of two bones whose end is at a goal, or, where it is too far, on the way there.

    Near full length the distance is compressed exponentially, as Nicholas, Soft IK (XSI blog, 2007), does: the angle at
    the hinge would else change at an infinite speed.

    Args:
        start: (T, 3) m, where the upper bone begins.
        goal: (T, 3) m, where the lower bone shall end.
        hinge: (T, 3) axis about which the lower bone bends from the upper one.
        upper_m: Length of the upper bone, m.
        lower_m: Length of the lower bone, m.

    Returns:
        (T, 3) directions of upper and lower bone, and the hinge axis (T, 3), perpendicular to both.
    """
    way = goal - start
    distance = np.linalg.norm(way, axis=1)
    along = way / np.maximum(distance, 1e-9)[:, None]
    axis = unit_vectors(hinge - np.sum(hinge * along, axis=1, keepdims=True) * along)
    length = upper_m + lower_m
    soft, full = _SOFT * length, (1 - _SOFT) * length
    beyond = np.maximum(distance - full, 0.0)
    distance = np.where(beyond > 0, full + soft * (1 - np.exp(-beyond / soft)), distance)
    distance = np.maximum(distance, abs(upper_m - lower_m) + 1e-6)
    cosine = np.clip((upper_m**2 + distance**2 - lower_m**2) / (2 * upper_m * distance), -1.0, 1.0)[:, None]
    across = np.cross(along, axis)
    upper = cosine * along + np.sqrt(1 - cosine**2) * across
    lower = unit_vectors(distance[:, None] * along - upper_m * upper)
    return upper, lower, axis
