"""Rotations over time as glTF and USD have them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

__all__ = ["quaternions"]


def quaternions(R: Float64[np.ndarray, "T 3 3"]) -> Float64[np.ndarray, "T 4"]:
    """x, y, z, w, of one sign over time, so that programs that interpolate take the short way.

    Args:
        R: (T, 3, 3) rotations, frame by frame.

    Returns:
        (T, 4) unit quaternions.
    """
    q: np.ndarray = Rotation.from_matrix(R).as_quat()
    flips = np.cumprod(np.where(np.sum(q[1:] * q[:-1], axis=1) < 0, -1.0, 1.0))
    q[1:] *= flips[:, None]
    return q
