"""What leaves fusion: joints with their covariance and where they come from; and who is seen by how many views."""

from __future__ import annotations

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner

FILLED_SCORE = 0.1
VIEW_JOINTS = 3  # a view that measures fewer of someone's joints does not see them


@inner
def output(
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
    """Fill the arrays of `Pose3D`, with one more axis for the people in front."""
    scores = rays.score.reshape(-1)
    for n in range(slots.shape[0]):
        m = slots[n]
        _place(people.pos[m], people.cov_pp[m], xyz[n], cov[n])
        _judge(table[n], scores, score[n], views[n], filled[n])
        for j in range(table.shape[2]):
            if not people.has_estimate[m, j]:
                xyz[n, j], cov[n, j] = np.nan, np.nan
                score[n, j], views[n, j], filled[n, j] = 0.0, 0, False


@inner
def _place(pos: Array, pp: Array, xyz: Array, cov: Array) -> None:
    """Where joints are: `pos` (J, 3), `pp` (J, 6), `xyz` (J, 3), `cov` (J, 3, 3)."""
    for j in range(pos.shape[0]):
        xyz[j, 0], xyz[j, 1], xyz[j, 2] = pos[j, 0], pos[j, 1], pos[j, 2]
        cov[j, 0, 0], cov[j, 0, 1], cov[j, 0, 2] = pp[j, 0], pp[j, 1], pp[j, 2]
        cov[j, 1, 0], cov[j, 1, 1], cov[j, 1, 2] = pp[j, 1], pp[j, 3], pp[j, 4]
        cov[j, 2, 0], cov[j, 2, 1], cov[j, 2, 2] = pp[j, 2], pp[j, 4], pp[j, 5]


@inner
def _judge(table: Array, scores: Array, score: Array, views: Array, filled: Array) -> None:
    """Joints' mean score in how many views; with fewer than two of them a joint is filled in."""
    joints = score.shape[0]
    for j in range(joints):
        score[j], views[j] = 0.0, 0
    for c in range(table.shape[0]):
        rays = table[c]
        for j in range(joints):
            if rays[j] >= 0:
                score[j] += scores[rays[j]]
                views[j] += 1
    for j in range(joints):
        score[j] = score[j] / views[j] if views[j] else FILLED_SCORE
        filled[j] = views[j] < 2


@inner
def supporting_views(
    table: Array, expected: Array, body: Body, rig: PackedRig, rays: Rays, support: Array, due: Array
) -> None:
    """How many views measure each person, and how many should: those that gave something and whose picture they are in.

    Newborns, who were `expected` (P, C, 5, W) nowhere, are only counted.
    """
    for n in range(table.shape[0]):
        support[n] = due[n] = 0
        for c in range(table.shape[1]):
            support[n] += _measured(table[n, c], body.matching_joints, VIEW_JOINTS)
            if n < expected.shape[0] and rays.alive[c]:
                due[n] += _pictured(expected[n, c], body.torso, rig.image_bounds[c])


@inner
def _measured(rays: Array, joints: Array, least: int) -> bool:
    """Whether there are rays to so many of the joints, or to all."""
    missing = min(least, joints.shape[0])
    for j in joints:
        missing -= rays[j] >= 0
        if missing == 0:
            break
    return missing <= 0


@inner
def _pictured(expected: Array, joints: Array, frame: Array) -> bool:
    """Whether the middle of the joints `expected` (5, W) is in the picture."""
    u, v, count = 0.0, 0.0, joints.shape[0]
    for j in joints:
        u += expected[0, j] / count
        v += expected[1, j] / count
    return frame[0] < u < frame[2] and frame[1] < v < frame[3]
