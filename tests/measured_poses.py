"""Poses of one person of whom every joint is measured in every frame."""

from __future__ import annotations

import numpy as np

from multiview.recordings.pose_table import Poses

__all__ = ["measured_poses"]


def measured_poses(
    xyz: np.ndarray, time_s: np.ndarray, joints: tuple[str, ...], skeleton: str, person: int = 0, sigma_m: float = 0.005
) -> Poses:
    """As fusion writes them: three views, a deviation that is the same for all joints."""
    n, count = xyz.shape[:2]
    return Poses(
        frame=np.arange(n),
        time_ns=np.round(time_s * 1e9).astype(np.int64),
        utc_ns=np.zeros(n, dtype=np.int64),
        person=np.full(n, person, dtype=np.int64),
        xyz=xyz,
        cov=np.tile(np.eye(3) * sigma_m**2, (n, count, 1, 1)),
        score=np.full((n, count), 0.9),
        views=np.full((n, count), 3),
        filled=np.zeros((n, count), dtype=bool),
        joints=tuple(joints),
        skeleton=skeleton,
    )
