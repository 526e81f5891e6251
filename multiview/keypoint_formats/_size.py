"""How large an animal or object is, by what two cameras see of it at one instant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera, Rig
from multiview.data import Keypoints2D

__all__ = ["measured_size"]

FRAMES = 100  # that are looked at
FEWEST = 5  # measurements that tell a size
AGREE_PX = 10.0  # median reprojection error of one animal in two views


def measured_size(tables: Sequence[dict[int, Keypoints2D]], rig: Rig) -> float | None:
    """The largest distance between two joints, m: the median over animals and instants at which two views agree.

    Args:
        tables: For each camera of the rig its keypoints by frame.
        rig: The cameras.

    Returns:
        The size; None where too few animals are seen by two cameras.
    """
    frames = sorted(frame for frame in set().union(*tables) if sum(frame in table for table in tables) >= 2)
    sizes: list[float] = []
    for frame in frames[:: max(1, len(frames) // FRAMES)]:
        seen = [(rig.cameras[c], table[frame].xy) for c, table in enumerate(tables) if frame in table]
        for (one, animals), (other, candidates) in combinations(seen, 2):
            sizes += [size for xy in animals if (size := _size(one, xy, other, candidates)) is not None]
    return float(np.median(sizes)) if len(sizes) >= FEWEST else None


def _size(
    one: Camera, xy: Float64[np.ndarray, "J 2"], other: Camera, candidates: Float64[np.ndarray, "P J 2"]
) -> float | None:
    """Of the animal at `xy`, with whichever of the other view's candidates agrees best; None where none does."""
    best, error = None, AGREE_PX
    for candidate in candidates:
        xyz = _triangulated(one, xy, other, candidate)
        known = np.isfinite(xyz[:, 0])
        if known.sum() < max(2, 0.7 * len(xyz)):
            continue
        apart = [np.linalg.norm(c.project(xyz) - seen, axis=1) for c, seen in ((one, xy), (other, candidate))]
        off = float(np.nanmedian(apart)) if np.isfinite(apart).any() else np.inf
        if off < error:
            best, error = xyz[known], off
    if best is None:
        return None
    return float(np.linalg.norm(best[:, None] - best[None], axis=-1).max())


def _triangulated(
    one: Camera, xy: Float64[np.ndarray, "J 2"], other: Camera, others: Float64[np.ndarray, "J 2"]
) -> Float64[np.ndarray, "J 3"]:
    """The points nearest to both rays (Hartley and Zisserman 2004, section 12.2, in the world); NaN where one lacks."""
    rays = np.stack([one.rays(xy), other.rays(others)])
    across = np.eye(3) - rays[..., :, None] * rays[..., None, :]  # what is not along the ray
    matrix = across.sum(axis=0)
    place = across[0] @ one.centre + across[1] @ other.centre
    points = np.full((len(xy), 3), np.nan)
    usable = np.isfinite(matrix).all(axis=(1, 2)) & (np.abs(np.linalg.det(np.nan_to_num(matrix))) > 1e-6)
    points[usable] = np.linalg.solve(matrix[usable], place[usable][..., None])[..., 0]
    return points
