"""Where people whom fusion follows will be in each camera's picture: the way back from 3D to 2D."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.cameras.camera import Camera

__all__ = ["Regions", "expected_regions"]

STEP_S = 0.05  # over which a velocity in space becomes one in the picture
MIN_JOINTS = 4
MIN_INSIDE = 0.2  # of a box's area: of someone further outside there is nothing to see


class Regions(NamedTuple):
    """N people in one camera's picture: which of those asked for, a box about their joints, and how it moves."""

    rows: Int64[np.ndarray, " N"]
    boxes: Float64[np.ndarray, "N 4"]  # x1, y1, x2, y2 px
    velocity: Float64[np.ndarray, "N 2"]  # px/s of the middle

    def after(self, seconds: float) -> Float64[np.ndarray, "N 4"]:
        """The boxes so much later."""
        return self.boxes + seconds * np.tile(self.velocity, 2)


def expected_regions(
    camera: Camera, xyz: Float64[np.ndarray, "P J 3"], velocity: Float64[np.ndarray, "P J 3"]
) -> Regions:
    """The people who will be in a camera's picture, from their joints (m, NaN where unknown) and velocities (m/s)."""
    now, soon = camera.project(xyz), camera.project(xyz + STEP_S * velocity)
    seen: Bool[np.ndarray, "P J"] = np.isfinite(now).all(axis=-1) & np.isfinite(soon).all(axis=-1)
    low = np.where(seen[..., None], now, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen[..., None], now, -np.inf).max(axis=1, initial=-np.inf)
    moved = np.where(seen[..., None], soon - now, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)[:, None]
    size = np.array(camera.size, np.float64)
    inside = np.maximum(np.minimum(high, size - 1) - np.maximum(low, 0), 0.0).prod(axis=1)
    with np.errstate(invalid="ignore"):
        share = inside / np.maximum((high - low).prod(axis=1), 1.0)
    rows = np.flatnonzero((seen.sum(axis=1) >= MIN_JOINTS) & (share >= MIN_INSIDE))
    return Regions(rows, np.concatenate([low, high], axis=1)[rows], moved[rows] / STEP_S)
