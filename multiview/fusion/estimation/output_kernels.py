"""What leaves fusion: joints with covariance, score and number of views; and how many views support each person."""

from __future__ import annotations

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner

FILLED_SCORE = 0.1
MIN_JOINTS = 3  # a view supports a person if it measures as many of the joints


@inner
def write_poses(
    slots: Array,
    table: Array,
    rays: Rays,
    people: State,
    xyz: Array,
    cov: Array,
    score: Array,
    views: Array,
    filled: Array,
) -> None:
    """Fill the arrays of `Pose3D`, with one more axis for the people in front; NaN and 0 without an estimate."""
    ray_score = rays.score.reshape(-1)
    for n in range(slots.shape[0]):
        pos, cov_pp, has_estimate = people.pos[slots[n]], people.cov_pp[slots[n]], people.has_estimate[slots[n]]
        for j in range(pos.shape[0]):
            valid = has_estimate[j]
            for a in range(3):
                xyz[n, j, a] = pos[j, a] if valid else np.nan
                for b in range(3):
                    i = a + b + (a > 0 and b > 0)  # of xx, xy, xz, yy, yz, zz
                    cov[n, j, a, b] = cov_pp[j, i] if valid else np.nan
            score[n, j], views[n, j] = _score(table[n], j, ray_score) if valid else (0.0, 0)
            filled[n, j] = valid and views[n, j] < 2


@inner
def _score(table: Array, j: int, ray_score: Array) -> tuple[float, int]:
    """The mean score of joint j's rays, and how many there are; without any, the score of a filled joint."""
    total, views = 0.0, 0
    for c in range(table.shape[0]):
        if table[c, j] >= 0:
            total += ray_score[table[c, j]]
            views += 1
    return (total / views if views else FILLED_SCORE), views


@inner
def supporting_views(
    table: Array, expected: Array, body: Body, rig: PackedRig, rays: Rays, support: Array, due: Array
) -> None:
    """How many views measure each person, and how many should: those that delivered and have the person in the image.

    New people, whose joints were `expected` (P, C, 5, W) nowhere, are only counted.
    """
    for n in range(table.shape[0]):
        support[n] = due[n] = 0
        for c in range(table.shape[1]):
            support[n] += _measures(table[n, c], body.matching_joints)
            if n < expected.shape[0] and rays.alive[c]:
                due[n] += _in_image(expected[n, c], body.torso, rig.image_bounds[c])


@inner
def _measures(rays: Array, joints: Array) -> bool:
    """Whether there are rays to enough of the joints, or to all."""
    missing = min(MIN_JOINTS, joints.shape[0])
    for j in joints:
        missing -= rays[j] >= 0
        if missing == 0:
            return True
    return False


@inner
def _in_image(expected: Array, joints: Array, bounds: Array) -> bool:
    """Whether the middle of the joints `expected` (5, W) is in the image."""
    u, v, count = 0.0, 0.0, joints.shape[0]
    for j in joints:
        u += expected[0, j] / count
        v += expected[1, j] / count
    return bounds[0] < u < bounds[2] and bounds[1] < v < bounds[3]
