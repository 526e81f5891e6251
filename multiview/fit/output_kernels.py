"""What leaves fusion: joints with their covariance and where they come from; and who is seen by how many views."""

from __future__ import annotations

import numpy as np

from multiview.fit.body import Body
from multiview.fit.people import State
from multiview.geometry.jit import Array, inner
from multiview.rays import PackedRig, Rays

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
        for j in range(table.shape[2]):
            if not people.known[m, j]:
                xyz[n, j], cov[n, j] = np.nan, np.nan
                score[n, j], views[n, j], filled[n, j] = 0.0, 0, False
                continue
            total, seen = 0.0, 0
            for c in range(table.shape[1]):
                if table[n, c, j] >= 0:
                    total += scores[table[n, c, j]]
                    seen += 1
            score[n, j] = total / seen if seen else FILLED_SCORE
            views[n, j], filled[n, j] = seen, seen < 2
            for a in range(3):
                xyz[n, j, a] = people.pos[m, j, a]
                for b in range(3):
                    cov[n, j, a, b] = people.pp[m, j, a + b + (a > 0 and b > 0)]


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
            joints = 0
            for j in body.core:
                joints += table[n, c, j] >= 0
            support[n] += joints >= min(VIEW_JOINTS, body.core.shape[0])
            if n >= expected.shape[0] or not rays.alive[c]:
                continue
            u, v = 0.0, 0.0
            for j in body.torso:
                u += expected[n, c, 0, j] / body.torso.shape[0]
                v += expected[n, c, 1, j] / body.torso.shape[0]
            due[n] += rig.frame[c, 0] < u < rig.frame[c, 2] and rig.frame[c, 1] < v < rig.frame[c, 3]
