"""Predicted people claim detections: projections, how well each detection fits, and the best assignment per view."""

from __future__ import annotations

import numpy as np

from multiview.fit.people import State
from multiview.geometry.jit import Array, kernel
from multiview.geometry.small_kernels import project
from multiview.geometry.triangulate_kernels import NEAREST_M
from multiview.rays import PackedRig, Rays

SOFT_SQUARED = 9.0  # a joint three deviations off counts half
CHANCE = 0.3  # what a joint of a stranger scores at most; below it a detection speaks against the person


@kernel
def project_people(slots: Array, people: State, rig: PackedRig, uv: Array, S: Array) -> None:
    """Predicted normalised coordinates (M, C, J, 2), their covariance (M, C, J, 3: xx, xy, yy); NaN behind a camera."""
    for n in range(slots.shape[0]):
        m = slots[n]
        for c in range(rig.R.shape[0]):
            r = rig.R[c]
            for j in range(people.pos.shape[1]):
                pos = people.pos[m, j]
                u, v, depth = project(r, rig.t[c], pos[0], pos[1], pos[2])
                if not depth > NEAREST_M:
                    uv[n, c, j] = np.nan
                    continue
                a0, a1, a2 = r[0, 0] - u * r[2, 0], r[0, 1] - u * r[2, 1], r[0, 2] - u * r[2, 2]
                b0, b1, b2 = r[1, 0] - v * r[2, 0], r[1, 1] - v * r[2, 1], r[1, 2] - v * r[2, 2]
                p = people.pp[m, j]
                x0, x1 = p[0] * a0 + p[1] * a1 + p[2] * a2, p[1] * a0 + p[3] * a1 + p[4] * a2
                x2 = p[2] * a0 + p[4] * a1 + p[5] * a2
                y0, y1 = p[0] * b0 + p[1] * b1 + p[2] * b2, p[1] * b0 + p[3] * b1 + p[4] * b2
                y2 = p[2] * b0 + p[4] * b1 + p[5] * b2
                k = 1.0 / (depth * depth)
                uv[n, c, j, 0], uv[n, c, j, 1] = u, v
                S[n, c, j, 0] = k * (a0 * x0 + a1 * x1 + a2 * x2)
                S[n, c, j, 1] = k * (b0 * x0 + b1 * x1 + b2 * x2)
                S[n, c, j, 2] = k * (b0 * y0 + b1 * y1 + b2 * y2)


@kernel
def mahalanobis(uv: Array, S: Array, xy: Array, noise: Array) -> float:
    """Squared distance of a measured joint from its prediction, over the sum of both covariances."""
    p, q, r = S[0] + noise[0], S[1] + noise[1], S[2] + noise[2]
    du, dv = xy[0] - uv[0], xy[1] - uv[1]
    return (r * du * du - 2 * q * du * dv + p * dv * dv) / (p * r - q * q)


@kernel
def claim(rays: Rays, core: Array, uv: Array, S: Array, claims: Array, score: Array) -> None:
    """claims[n, c]: the detection of camera c that person n gets, or -1; score[n, c]: joints' worth of agreement.

    In each view the total agreement is the largest possible with one detection per person.
    """
    people, cameras = claims.shape
    claims[:] = -1
    for c in range(cameras):
        begin, end = rays.first[c], rays.first[c + 1]
        if begin == end:
            continue
        benefit = np.zeros((people, end - begin))
        for n in range(people):
            for d in range(begin, end):
                total = 0.0
                for k in range(core.shape[0]):
                    j = core[k]
                    if rays.info[d, j, 0] > 0.0 and uv[n, c, j, 0] == uv[n, c, j, 0]:
                        chi2 = mahalanobis(uv[n, c, j], S[n, c, j], rays.xy[d, j], rays.noise[d, j])
                        total += SOFT_SQUARED / (SOFT_SQUARED + chi2) - CHANCE
                benefit[n, d - begin] = total
        chosen = assign(benefit)
        for n in range(people):
            if chosen[n] >= 0:
                claims[n, c] = begin + chosen[n]
                score[n, c] = benefit[n, chosen[n]]


@kernel
def assign(benefit: Array) -> Array:
    """Column of each row so that the sum of positive benefits is largest; -1 for rows better left alone.

    Shortest augmenting paths (Jonker and Volgenant 1987), with one free column per row that costs nothing.
    """
    rows, real = benefit.shape
    columns = real + rows
    u, v = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, dtype=np.int64)
    way = np.zeros(columns + 1, dtype=np.int64)
    for row in range(1, rows + 1):
        owner[0] = row
        at = 0
        least = np.full(columns + 1, np.inf)
        used = np.zeros(columns + 1, dtype=np.bool_)
        while True:
            used[at] = True
            i, delta, nearest = owner[at], np.inf, 0
            for k in range(1, columns + 1):
                if used[k]:
                    continue
                cost = -max(benefit[i - 1, k - 1], 0.0) if k <= real else 0.0
                reduced = cost - u[i] - v[k]
                if reduced < least[k]:
                    least[k], way[k] = reduced, at
                if least[k] < delta:
                    delta, nearest = least[k], k
            for k in range(columns + 1):
                if used[k]:
                    u[owner[k]] += delta
                    v[k] -= delta
                else:
                    least[k] -= delta
            at = nearest
            if owner[at] == 0:
                break
        while at:
            owner[at] = owner[way[at]]
            at = way[at]
    chosen = np.full(rows, -1, dtype=np.int64)
    for k in range(1, real + 1):
        if owner[k] and benefit[owner[k] - 1, k - 1] > 0.0:
            chosen[owner[k] - 1] = k - 1
    return chosen
