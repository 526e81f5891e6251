"""Rotations as other programs write them: unit quaternions, w first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

__all__ = ["quaternion_from_rotation", "rotation_from_quaternion"]


def rotation_from_quaternion(wxyz: Sequence[float]) -> np.ndarray:
    """(3, 3) of a quaternion of any length but 0; ValueError for one of zeros or of other than four numbers."""
    w, x, y, z = (float(number) for number in wxyz)
    return np.asarray(Rotation.from_quat([x, y, z, w]).as_matrix())


def quaternion_from_rotation(R: np.ndarray) -> tuple[float, float, float, float]:
    """w, x, y, z with w >= 0."""
    x, y, z, w = Rotation.from_matrix(R).as_quat(canonical=True).tolist()
    return w, x, y, z
