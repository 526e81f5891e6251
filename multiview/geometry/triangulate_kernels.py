"""One joint, many rays: pair RANSAC, then weighted least squares on the reprojection error of what agrees.

A ray is a row of `xy` (normalised coordinates) and `info` (its inverse covariance: xx, xy, yy). `rays[c]` is the row
that camera c contributes, or -1. Chi-square means a squared reprojection error over its variance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.small_kernels import closest_points, copy_row, inverse_sym3, project, quadratic_sym3, sym3


class Sight(NamedTuple):
    """All rays of a frame, by row, and the cameras."""

    xy: Array  # (N, 2)
    info: Array  # (N, 3)
    ray: Array  # (N, 3) unit directions in the world
    R: Array  # (C, 3, 3)
    t: Array  # (C, 3)
    centre: Array  # (C, 3)


NEAREST_M = 0.05  # nearer to the camera than this, or behind it, nobody is measured
PARALLEL_SIN2 = 0.0012  # pairs of rays within 2 degrees do not fix a point
HUBER_SQUARED = 9.0  # beyond three deviations a residual pulls with constant force
MAX_PAIRS = 36


@inner
def chi_square(R: Array, t: Array, uv: Array, w: Array, x: float, y: float, z: float) -> float:
    """Of one ray at one point; infinite behind the camera."""
    u, v, depth = project(R, t, x, y, z)
    if not depth > NEAREST_M:
        return np.inf
    du, dv = u - uv[0], v - uv[1]
    return w[0] * du * du + 2 * w[1] * du * dv + w[2] * dv * dv


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
def total_cost(rays: Array, sight: Sight, cap: float, point: Array) -> float:
    """Sum of the rays' chi-squares, each capped: what an outlier costs."""
    cost = 0.0
    for c in range(rays.shape[0]):
        i = rays[c]
        if i >= 0:
            cost += min(
                cap, chi_square(sight.R[c], sight.t[c], sight.xy[i], sight.info[i], point[0], point[1], point[2])
            )
    return cost


@inner
def best_pair(rays: Array, sight: Sight, cap: float, point: Array) -> float:
    """The pair of rays whose midpoint the others like best; its cost (inf without a sound pair), the midpoint in
    `point`.

    All pairs while there are at most 36; above, evenly spaced ones, so that many cameras cost no more.
    """
    cameras = rays.shape[0]
    seen = 0
    for c in range(cameras):
        seen += rays[c] >= 0
    pairs = seen * (seen - 1) // 2
    stride = (pairs + MAX_PAIRS - 1) // MAX_PAIRS
    best, n = np.inf, 0
    trial = np.empty(3)
    for a in range(cameras):
        i = rays[a]
        if i < 0:
            continue
        for b in range(a + 1, cameras):
            k = rays[b]
            if k < 0:
                continue
            n += 1
            if (n - 1) % stride:
                continue
            r, s, _, sin2 = closest_points(
                sight.centre[a, 0],
                sight.centre[a, 1],
                sight.centre[a, 2],
                sight.ray[i],
                sight.centre[b, 0],
                sight.centre[b, 1],
                sight.centre[b, 2],
                sight.ray[k],
            )
            if not (sin2 > PARALLEL_SIN2 and r > NEAREST_M and s > NEAREST_M):
                continue
            # Each line's noise grows with its length: the nearer camera knows better where it passes.
            f = r * r / (r * r + s * s)
            for m in range(3):
                trial[m] = (1 - f) * (sight.centre[a, m] + r * sight.ray[i, m]) + f * (
                    sight.centre[b, m] + s * sight.ray[k, m]
                )
            cost = total_cost(rays, sight, cap, trial)
            if cost < best:
                best = cost
                point[0], point[1], point[2] = trial[0], trial[1], trial[2]
    return best


@inner
def drop_outliers(rays: Array, source: Array, sight: Sight, gate: float, point: Array) -> int:
    """Set `rays` to those of `source` within the gate; how many."""
    kept = 0
    for c in range(rays.shape[0]):
        i = source[c]
        if (
            i >= 0
            and chi_square(sight.R[c], sight.t[c], sight.xy[i], sight.info[i], point[0], point[1], point[2]) > gate
        ):
            i = -1
        rays[c] = i
        kept += i >= 0
    return kept


@inner
def consensus(
    rays: Array,
    sight: Sight,
    gate: float,
    point: Array,
    H: Array,
) -> int:
    """Triangulate without a prior: the point, its information H, in `rays` only inliers; their number (0: no point)."""
    source = rays.copy()
    none, zero = np.zeros(3), np.zeros(6)
    if best_pair(rays, sight, 2 * gate, point) == np.inf:
        rays[:] = -1
        return 0
    kept = drop_outliers(rays, source, sight, 4 * gate, point)
    for _ in range(3):
        if kept < 2:
            break
        refine(rays, sight, none, zero, 4, point, H)
        before = kept
        kept = drop_outliers(rays, source, sight, gate, point)
        if kept == before:
            break
    if kept < 2:
        rays[:] = -1
        return 0
    refine(rays, sight, none, zero, 2, point, H)
    return kept


@kernel
def consensus_all(
    rays: Array,
    sight: Sight,
    gate: float,
    xyz: Array,
    H: Array,
) -> None:
    """`consensus` for every row of `rays` (N, C); rows without a point become NaN with H zero."""
    for n in range(rays.shape[0]):
        if consensus(rays[n], sight, gate, xyz[n], H[n]) == 0:
            xyz[n] = np.nan
            H[n] = 0.0


@inner
def with_prediction(
    rays: Array,
    sight: Sight,
    gate: float,
    mean: Array,
    prior: Array,
    point: Array,
    H: Array,
) -> int:
    """Triangulate where a prediction (mean, information `prior`) competes with the rays' own consensus.

    An outlying prediction costs two outlying rays: three views that agree overrule it, two do not. Returns the number
    of inliers left in `rays`; the point includes the prediction unless it was overruled, when `prior` becomes zero.
    """
    source = rays.copy()
    seen = 0
    for c in range(rays.shape[0]):
        seen += rays[c] >= 0
    copy_row(mean, point)
    refine(rays, sight, mean, prior, 3, point, H)
    kept = drop_outliers(rays, source, sight, gate, point)
    if kept == seen and quadratic_sym3(sym3(prior), point[0] - mean[0], point[1] - mean[1], point[2] - mean[2]) < gate:
        return kept
    # Something is wrong. From the prediction, with what lies near it:
    copy_row(mean, point)
    kept = drop_outliers(rays, source, sight, 4 * gate, point)
    refine(rays, sight, mean, prior, 3, point, H)
    kept = drop_outliers(rays, source, sight, gate, point)
    refine(rays, sight, mean, prior, 3, point, H)
    cost = _explained(rays, source, sight, gate, mean, prior, point)
    # and from the rays alone:
    if seen >= 3:
        other, other_H, others = np.empty(3), np.empty(6), source.copy()
        found = consensus(others, sight, gate, other, other_H)
        if found >= 3 and _explained(others, source, sight, gate, mean, prior, other) < cost:
            copy_row(others, rays)
            copy_row(other, point)
            copy_row(other_H, H)
            prior[:] = 0.0
            return found
    return kept


@inner
def _explained(
    rays: Array,
    source: Array,
    sight: Sight,
    gate: float,
    mean: Array,
    prior: Array,
    point: Array,
) -> float:
    """Capped cost of a hypothesis over all rays and the prediction."""
    cost = min(2 * gate, quadratic_sym3(sym3(prior), point[0] - mean[0], point[1] - mean[1], point[2] - mean[2]))
    return cost + total_cost(source, sight, gate, point)
