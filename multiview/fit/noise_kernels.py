"""How far rays miss the joints that they share, by joint and score."""

from __future__ import annotations

import math

import numpy as np

from multiview.fit.people import State
from multiview.fit.person_kernels import sight_of
from multiview.geometry.jit import Array, kernel
from multiview.geometry.rays_kernels import score_place
from multiview.geometry.small_kernels import project
from multiview.geometry.triangulate_kernels import add_ray
from multiview.rays import PackedRig, Rays

STRAY = 50.0  # a ray further off than this, or behind its camera, is no measure of noise
SURE = 1.6  # a ray of whose two degrees of freedom the fit took more says nothing


@kernel
def residuals(
    slots: Array,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    nodes: Array,
    people: State,
    views: Array,
    last: Array,
    sums: Array,
    products: Array,
) -> None:
    """Add to sums[j, node]: chi-square, and its expectation, of rays used by joints that three or more views measure.

    The expectation of one ray's chi-square is 2 minus what the point took of it, the trace of its J'WJ times the
    point's covariance. `last[slot, camera, joint]` keeps whitened residuals from frame to frame; products: the sum of
    their products, and of their mean squares.
    """
    sight, joints = sight_of(rays, rig), table.shape[2]
    A, g, score = np.empty(6), np.empty(3), rays.score.reshape(-1)
    for n in range(table.shape[0]):
        m = slots[n]
        for j in range(joints):
            cov = people.blur[m, j]
            x, y, z = people.seen[m, j, 0], people.seen[m, j, 1], people.seen[m, j, 2]
            for c in range(table.shape[1]):
                i = table[n, c, j]
                before = last[m, c, j]
                if i < 0 or views[n, j] < 3:
                    before[0] = np.nan
                    continue
                A[:] = 0.0
                R, t, w = sight.R[c], sight.t[c], sight.info[i]
                chi2 = add_ray(R, t, sight.xy[i], w, x, y, z, A, g)
                taken = A[0] * cov[0] + A[3] * cov[3] + A[5] * cov[5]
                taken += 2 * (A[1] * cov[1] + A[2] * cov[2] + A[4] * cov[4])
                if not (taken < SURE and chi2 < STRAY):
                    before[0] = np.nan
                    continue
                b, f = score_place(score[i], nodes)
                sums[j, b, 0] += (1 - f) * chi2
                sums[j, b, 1] += (1 - f) * (2.0 - taken)
                sums[j, b + 1, 0] += f * chi2
                sums[j, b + 1, 1] += f * (2.0 - taken)
                u, v, _ = project(R, t, x, y, z)
                p, q = math.sqrt(w[0]) * (u - sight.xy[i, 0]), math.sqrt(w[2]) * (v - sight.xy[i, 1])
                if before[0] == before[0]:
                    products[0] += p * before[0] + q * before[1]
                    products[1] += 0.5 * (p * p + q * q + before[0] * before[0] + before[1] * before[1])
                before[0], before[1] = p, q
