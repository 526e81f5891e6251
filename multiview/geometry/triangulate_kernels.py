"""One joint, many rays: pairs of rays propose points, and weighted least squares on what agrees refines the best.

A ray is a row of `xy` (normalised coordinates) and `info` (its inverse covariance: xx, xy, yy). `rays[c]` is the row
that camera c contributes, or -1. Chi-square means a squared reprojection error over its variance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.point_batch_kernels import (
    HUBER_SQUARED,
    NEAREST_M,
    Batch,
    L,
    evaluate,
    in_use,
    new_batch,
    put_point,
    put_rays,
    read_points,
    settle,
    trust,
    whole_lanes,
)
from multiview.geometry.sym3_kernels import closest_points, inverse_sym3, project


class Sight(NamedTuple):
    """All rays of a frame, by row, and the cameras."""

    xy: Array  # (N, 2)
    info: Array  # (N, 3)
    ray: Array  # (N, 3) unit directions in the world
    R: Array  # (C, 3, 3)
    t: Array  # (C, 3)
    centre: Array  # (C, 3)


PARALLEL_SIN2 = 0.0012  # pairs of rays within 2 degrees do not fix a point


@inner
def add_ray(R: Array, t: Array, uv: Array, w: Array, x: float, y: float, z: float, H: Array, g: Array) -> float:
    """Add one ray's J'WJ (6) and J'Wr (3) at a point, with Huber's weight; its chi-square."""
    u, v, depth = project(R, t, x, y, z)
    if not depth > NEAREST_M:
        return np.inf
    du, dv = u - uv[0], v - uv[1]
    chi2 = w[0] * du * du + 2 * w[1] * du * dv + w[2] * dv * dv
    k = 1.0 / (depth * depth)
    if chi2 > HUBER_SQUARED:
        k *= math.sqrt(HUBER_SQUARED / chi2)
    a0, a1, a2 = R[0, 0] - u * R[2, 0], R[0, 1] - u * R[2, 1], R[0, 2] - u * R[2, 2]
    b0, b1, b2 = R[1, 0] - v * R[2, 0], R[1, 1] - v * R[2, 1], R[1, 2] - v * R[2, 2]
    p0, p1, p2 = w[0] * a0 + w[1] * b0, w[0] * a1 + w[1] * b1, w[0] * a2 + w[1] * b2
    q0, q1, q2 = w[1] * a0 + w[2] * b0, w[1] * a1 + w[2] * b1, w[1] * a2 + w[2] * b2
    H[0] += k * (a0 * p0 + b0 * q0)
    H[1] += k * (a0 * p1 + b0 * q1)
    H[2] += k * (a0 * p2 + b0 * q2)
    H[3] += k * (a1 * p1 + b1 * q1)
    H[4] += k * (a1 * p2 + b1 * q2)
    H[5] += k * (a2 * p2 + b2 * q2)
    k *= depth
    g[0] += k * (p0 * du + q0 * dv)
    g[1] += k * (p1 * du + q1 * dv)
    g[2] += k * (p2 * du + q2 * dv)
    return chi2


@inner
def refine(
    rays: Array,
    sight: Sight,
    mean: Array,
    prior: Array,
    steps: int,
    point: Array,
    H: Array,
) -> None:
    """Gauss-Newton on the reprojection error plus a Gaussian prior (information `prior`, may be 0); H is left there."""
    g = np.empty(3)
    for _ in range(steps):
        x, y, z = point[0], point[1], point[2]
        dx, dy, dz = x - mean[0], y - mean[1], z - mean[2]
        for k in range(6):
            H[k] = prior[k]
        g[0] = prior[0] * dx + prior[1] * dy + prior[2] * dz
        g[1] = prior[1] * dx + prior[3] * dy + prior[4] * dz
        g[2] = prior[2] * dx + prior[4] * dy + prior[5] * dz
        for c in range(rays.shape[0]):
            i = rays[c]
            if i >= 0:
                add_ray(sight.R[c], sight.t[c], sight.xy[i], sight.info[i], x, y, z, H, g)
        C = inverse_sym3(H[0], H[1], H[2], H[3], H[4], H[5])
        sx = C[0] * g[0] + C[1] * g[1] + C[2] * g[2]
        sy = C[1] * g[0] + C[3] * g[1] + C[4] * g[2]
        sz = C[2] * g[0] + C[4] * g[1] + C[5] * g[2]
        if not math.isfinite(sx + sy + sz):
            return
        point[0], point[1], point[2] = x - sx, y - sy, z - sz
        if sx * sx + sy * sy + sz * sz < 1e-10:
            return


@inner
def propose(rays: Array, sight: Sight, cap: float, trial: Array) -> tuple[bool, float, float, float]:
    """Whether there is a sound pair of rays, and the midpoint of the one that the others like best.

    What a ray costs is its chi-square, at most `cap`. All pairs while there are at most 32; above, evenly spaced ones,
    so that many cameras cost no more. `trial` (4 L) is room for them: they are tried side by side.
    """
    cameras, seen = rays.shape[0], 0
    for c in range(cameras):
        seen += rays[c] >= 0
    stride = (seen * (seen - 1) // 2 + L - 1) // L
    count, passed = 0, 0
    for a in range(cameras):
        if rays[a] < 0:
            continue
        for b in range(a + 1, cameras):
            if rays[b] < 0:
                continue
            if passed == 0:
                count += _midpoint(a, b, rays[a], rays[b], sight, count, trial)
                passed = stride
            passed -= 1
    if count == 0:
        return False, 0.0, 0.0, 0.0
    whole = whole_lanes(count)
    for k in range(whole):
        trial[3 * L + k] = 0.0
    for c in range(cameras):
        if rays[c] >= 0:
            _add_cost(sight, c, rays[c], cap, whole, trial)
    best = 0
    for k in range(1, count):
        if trial[3 * L + k] < trial[3 * L + best]:
            best = k
    return True, trial[best], trial[L + best], trial[2 * L + best]


@inner
def meeting_point(a: int, i: int, b: int, k: int, sight: Sight) -> tuple[bool, float, float, float]:
    """Where ray i of camera a and ray k of camera b pass nearest; False if they are nearly parallel or meet behind."""
    ca, cb, da, db = sight.centre[a], sight.centre[b], sight.ray[i], sight.ray[k]
    r, s, _, sin2 = closest_points(ca[0], ca[1], ca[2], da, cb[0], cb[1], cb[2], db)
    if not (sin2 > PARALLEL_SIN2 and r > NEAREST_M and s > NEAREST_M):
        return False, 0.0, 0.0, 0.0
    # Each line's noise grows with its length: the nearer camera knows better where it passes.
    f = r * r / (r * r + s * s)
    x = (1 - f) * (ca[0] + r * da[0]) + f * (cb[0] + s * db[0])
    y = (1 - f) * (ca[1] + r * da[1]) + f * (cb[1] + s * db[1])
    z = (1 - f) * (ca[2] + r * da[2]) + f * (cb[2] + s * db[2])
    return True, x, y, z


@inlined
def _midpoint(a: int, b: int, i: int, k: int, sight: Sight, n: int, trial: Array) -> bool:
    """Put where two rays meet into trial n; False if they do not."""
    meet, x, y, z = meeting_point(a, i, b, k, sight)
    if meet:
        trial[n], trial[L + n], trial[2 * L + n] = x, y, z
    return meet


@inlined
def _add_cost(sight: Sight, c: int, i: int, cap: float, count: int, trial: Array) -> None:
    """Add one ray's capped chi-square at every trial."""
    R, t = sight.R, sight.t
    r00, r01, r02, t0 = R[c, 0, 0], R[c, 0, 1], R[c, 0, 2], t[c, 0]
    r10, r11, r12, t1 = R[c, 1, 0], R[c, 1, 1], R[c, 1, 2], t[c, 1]
    r20, r21, r22, t2 = R[c, 2, 0], R[c, 2, 1], R[c, 2, 2], t[c, 2]
    su, sv, p, q, r = sight.xy[i, 0], sight.xy[i, 1], sight.info[i, 0], sight.info[i, 1], sight.info[i, 2]
    for k in range(count):
        x, y, z = trial[k], trial[L + k], trial[2 * L + k]
        depth = r20 * x + r21 * y + r22 * z + t2
        near = 1.0 / depth
        du, dv = (r00 * x + r01 * y + r02 * z + t0) * near - su, (r10 * x + r11 * y + r12 * z + t1) * near - sv
        off = p * du * du + 2 * q * du * dv + r * dv * dv
        trial[3 * L + k] += off if depth > NEAREST_M and off < cap else cap


@inner
def agree(batch: Batch, R: Array, t: Array, count: int, gate: float) -> None:
    """Refine points (no predictions) from what lies near where they start; only rays within the gate stay in use."""
    evaluate(batch, R, t, count)
    trust(batch, 4 * gate)
    for steps in (3, 2):
        settle(batch, R, t, count, steps)
        trust(batch, gate)
    settle(batch, R, t, count, 2)


@inner
def rays_in_use(batch: Batch, j: int) -> int:
    """How many rays pull on point j."""
    kept = 0
    for c in range(batch.seen.shape[0]):
        kept += in_use(batch, c, j)
    return kept


@kernel
def consensus_all(rays: Array, sight: Sight, gate: float, xyz: Array, H: Array) -> None:
    """Triangulate every row of `rays` (N, C), in which only inliers stay; rows without a point become NaN, H zero."""
    points, cameras = rays.shape
    batch, trial = new_batch(cameras), np.empty(4 * L)
    who = np.empty(L, dtype=np.int64)
    count = 0
    for n in range(points):
        sound, x, y, z = propose(rays[n], sight, 2 * gate, trial)
        if sound:
            put_point(batch, count, x, y, z)
            put_rays(batch, count, rays[n], sight.xy, sight.info)
            who[count] = n
            count += 1
        else:
            xyz[n], H[n], rays[n] = np.nan, 0.0, -1
        if count == L or n == points - 1:
            agree(batch, sight.R, sight.t, count, gate)
            for k in range(count):
                m = who[k]
                if rays_in_use(batch, k) < 2:
                    xyz[m], H[m], rays[m] = np.nan, 0.0, -1
                    continue
                read_points(batch, k, xyz[m : m + 1], H[m : m + 1])
                for c in range(cameras):
                    if not in_use(batch, c, k):
                        rays[m, c] = -1
            count = 0
