"""How tall somebody is and how far away: by a known height, by the floor, or by what adults are like.

A picture does not tell a child nearby from an adult further off. Three quantities are estimated together: the logarithm
h of the height H, known by a prior; the logarithm p of the distance D of the hips times the size s in the view over H,
and the hips' height g above the floor over H, both from the network. Where the floor is known they are bound by it: the
hips are on their ray, below the camera at the height c by

    c = H (g - a - b e^p / s),                                                  (1)

with a and b how much the hips' place beside the view's axis and the axis itself go up. One linearised Gaussian
update with (1) corrects all three. What a frame says of h alone is also remembered, with the weight that frames have
whose errors are alike for a second; who jumps contradicts what is known, and counts little.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.lifting.network import Shape
from multiview.lifting.windows import JOINTS, Windows

__all__ = ["ADULT", "HeightEstimate", "Placed", "height_by_floor", "known_height", "place"]

_HIPS = [JOINTS.index("left_hip"), JOINTS.index("right_hip")]
_CORRELATED_S = 1.0  # over which a network's errors are alike
_LEAST_ABOVE = 0.15  # heights: a camera nearer than this to the hips' level less their height says nothing of the size
_FLOOR_SD = 0.02  # of the logarithm of the camera's height: calibrations and carpets
_UNLIKELY = 3.0  # standard deviations beyond which the floor is not where somebody rests


class HeightEstimate(NamedTuple):
    """The logarithm of somebody's height in m, and its variance."""

    log_m: float
    variance: float

    def combined(self, log_m: float, variance: float) -> HeightEstimate:
        """With another measurement of it."""
        gain = self.variance / (self.variance + variance)
        return HeightEstimate(self.log_m + gain * (log_m - self.log_m), (1.0 - gain) * self.variance)


ADULT = HeightEstimate(math.log(1.70), 0.06**2)
"""Men and women together (NCD Risk Factor Collaboration, A century of trends in adult human height, 2016)."""


def known_height(height_m: float) -> HeightEstimate:
    """Of somebody who was measured, in shoes or without."""
    return HeightEstimate(math.log(height_m), 0.01**2)


class Placed(NamedTuple):
    """N instants of a person: (N, J, 3) m, world, z up, and (N, J, 3, 3) m^2; `distance` (N,) m of the hips."""

    xyz: Float64[np.ndarray, "N J 3"]
    cov: Float64[np.ndarray, "N J 3 3"]
    distance: Float64[np.ndarray, " N"]


def place(
    windows: Windows, shape: Shape, centre: Float64[np.ndarray, " 3"], height: HeightEstimate, floor: bool
) -> Placed:
    """Put people into the room.

    Args:
        windows: N of them.
        shape: What the network tells of them.
        centre: (3,) m, of the camera, world.
        height: Of the person.
        floor: Whether the floor is known, at z = 0.

    Returns:
        The joints.
    """
    h, p, variance = np.full(len(windows.size), height.log_m), shape.distance, shape.distance_sd**2 + height.variance
    if floor:
        h, p, variance = _on_the_floor(windows, shape, float(centre[2]), height)
    H = np.exp(h)
    far = np.exp(p) / windows.size
    away = (far[:, None] + shape.depth)[..., None]
    inside = H[:, None, None] * np.concatenate([windows.uv * away + shape.aside, away], axis=-1)
    ray = np.concatenate([windows.uv, np.ones((*shape.depth.shape, 1))], axis=-1)
    # The distance scales a whole person; depth is wrong along the ray; and the keypoint is beside the joint.
    cov = variance[:, None, None, None] * _outer(inside)
    cov += ((H[:, None] * shape.depth_sd) ** 2)[..., None, None] * _outer(ray)
    cov += ((H[:, None] * shape.aside_sd) ** 2)[..., None, None] * np.diag([1.0, 1.0, 1e-4])
    R = windows.view_from_world
    xyz = np.einsum("nji,nkj->nki", R, inside) + centre
    return Placed(xyz, np.einsum("nji,nkjl,nlm->nkim", R, cov, R), H * far)


def _outer(vectors: Float64[np.ndarray, "*n 3"]) -> Float64[np.ndarray, "*n 3 3"]:
    return vectors[..., :, None] * vectors[..., None, :]


class _FloorEquation(NamedTuple):
    """(1) divided by H and c at the network's estimates: what it misses in h, its slopes, and how sure it is."""

    log_height: Float64[np.ndarray, " N"]
    by_distance: Float64[np.ndarray, " N"]
    by_above: Float64[np.ndarray, " N"]
    usable: np.ndarray


def _floor_equation(windows: Windows, shape: Shape, camera_m: float) -> _FloorEquation:
    up = windows.view_from_world[:, :, 2]
    far = np.exp(shape.distance) / windows.size
    hips = windows.uv * (far[:, None] + shape.depth)[..., None] + shape.aside
    aside = np.einsum("nk,nk->n", hips[:, _HIPS].mean(axis=1), up[:, :2])
    below = shape.above - aside - up[:, 2] * far
    usable = (below > _LEAST_ABOVE) & (camera_m > 0.0)
    below = np.where(usable, below, 1.0)
    log_height = math.log(max(camera_m, 1e-3)) - np.log(below)
    return _FloorEquation(log_height, -up[:, 2] * far / below, 1.0 / below, usable)


def _on_the_floor(
    windows: Windows, shape: Shape, camera_m: float, height: HeightEstimate
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """h, p, and the variance of the logarithm of the distance, after (1)."""
    floor = _floor_equation(windows, shape, camera_m)
    own = np.stack([np.full(len(windows.size), height.variance), shape.distance_sd**2, shape.above_sd**2])
    slope = np.stack([np.ones(len(windows.size)), floor.by_distance, floor.by_above])
    miss = floor.log_height - height.log_m
    total = (slope**2 * own).sum(axis=0) + _FLOOR_SD**2
    use = floor.usable & (miss**2 < _UNLIKELY**2 * total)
    gain = np.where(use, own * slope / total, 0.0)
    h, p = height.log_m + gain[0] * miss, shape.distance + gain[1] * miss
    both = own[0] + own[1] - (gain[0] + gain[1]) * (own[0] * slope[0] + own[1] * slope[1])
    return h, p, both


def height_by_floor(
    windows: Windows, shape: Shape, camera_m: float, seconds: Float64[np.ndarray, " N"], height: HeightEstimate
) -> HeightEstimate:
    """What the floor says of somebody's height, in all of these instants together with what was known.

    Args:
        windows: N instants of one person, in order.
        shape: What the network tells of them.
        camera_m: Of the camera above the floor.
        seconds: (N,) for how long each instant stands: since the one before.
        height: What was known.

    Returns:
        The height.
    """
    floor = _floor_equation(windows, shape, camera_m)
    variance = (floor.by_distance * shape.distance_sd) ** 2 + (floor.by_above * shape.above_sd) ** 2 + _FLOOR_SD**2
    shares = np.minimum(seconds / _CORRELATED_S, 1.0) * floor.usable
    for n in np.flatnonzero(shares > 0.0):
        miss = (floor.log_height[n] - height.log_m) ** 2 / (variance[n] + height.variance)
        share = shares[n] / (1.0 + miss / _UNLIKELY)
        height = height.combined(float(floor.log_height[n]), float(variance[n] / share))
    return height
