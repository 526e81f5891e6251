"""Triangulation of one point from many rays: pairs of rays propose it, and robust least squares refines it.

`rays[c, n]` is the row of a RayBundle that camera c contributes to point n, or -1. Chi-square means a squared
reprojection error over its variance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.point_batch_kernels import (
    INLIERS,
    Batch,
    L,
    count_inliers,
    gate_rays,
    gauss_newton,
    is_inlier,
    linearise,
    put_point,
    put_ray,
    read_point,
    rounded_up,
)
from multiview.geometry.reprojection_kernels import NEAREST_M, camera_of, linearise_ray, ray_chi2
from multiview.geometry.sym3_kernels import closest_points, inverse_sym3

PARALLEL_SIN2 = 0.0012  # rays within 2 degrees do not fix a point
CONVERGED_M2 = 1e-10


class RayBundle(NamedTuple):
    """All rays of a frame, by row, and the cameras."""

    xy: Float64[np.ndarray, "R 2"]  # normalised image coordinates,
    info: Float64[np.ndarray, "R 3"]  # their inverse covariance (xx, xy, yy),
    ray: Float64[np.ndarray, "R 3"]  # and the unit direction in the world
    R: Float64[np.ndarray, "C 3 3"]
    t: Float64[np.ndarray, "C 3"]
    centre: Float64[np.ndarray, "C 3"]


@inner
def refine(
    rays: Int64[np.ndarray, " C"],
    bundle: RayBundle,
    mean: Float64[np.ndarray, " 3"],
    information: Float64[np.ndarray, " 6"],
    steps: int,
    point: Float64[np.ndarray, " 3"],
    H: Float64[np.ndarray, " 6"],
) -> None:
    """Gauss-Newton on one point's reprojection errors and its prediction, whose information may be 0; leaves H."""
    for _ in range(steps):
        x, y, z = point[0], point[1], point[2]
        dx, dy, dz = x - mean[0], y - mean[1], z - mean[2]
        for k in range(6):
            H[k] = information[k]
        g0 = H[0] * dx + H[1] * dy + H[2] * dz
        g1 = H[1] * dx + H[3] * dy + H[4] * dz
        g2 = H[2] * dx + H[4] * dy + H[5] * dz
        for c in range(rays.shape[0]):
            if rays[c] >= 0:
                uv, w = bundle.xy[rays[c]], bundle.info[rays[c]]
                camera = camera_of(bundle.R[c], bundle.t[c])
                _, g, h = linearise_ray(camera, x, y, z, uv[0], uv[1], w[0], w[1], w[2], 1.0)
                g0, g1, g2 = g0 + g[0], g1 + g[1], g2 + g[2]
                for k in range(6):
                    H[k] += h[k]
        c0, c1, c2, c3, c4, c5 = inverse_sym3(H[0], H[1], H[2], H[3], H[4], H[5])
        sx, sy, sz = c0 * g0 + c1 * g1 + c2 * g2, c1 * g0 + c3 * g1 + c4 * g2, c2 * g0 + c4 * g1 + c5 * g2
        if not math.isfinite(sx + sy + sz):
            return
        point[0], point[1], point[2] = x - sx, y - sy, z - sz
        if sx * sx + sy * sy + sz * sz < CONVERGED_M2:
            return


@inner
def propose(
    rays: Int64[np.ndarray, "C N"], n: int, bundle: RayBundle, cap: float, trials: Float64[np.ndarray, "4 L"]
) -> tuple[bool, float, float, float]:
    """The midpoint of a pair of rays to point n with the least cost; False where no pair fixes a point.

    A ray costs its chi-square, at most `cap`. All pairs are tried while there are at most L; of more, evenly spaced
    ones, so that many cameras cost no more. `trials` is scratch memory: x, y, z and cost, side by side.
    """
    count = _midpoints(rays, n, bundle, trials)
    if count == 0:
        return False, 0.0, 0.0, 0.0
    xy, info, R, t = bundle.xy, bundle.info, bundle.R, bundle.t
    for k in range(L):
        trials[3, k] = 0.0
    for c in range(rays.shape[0]):
        i = rays[c, n]
        if i >= 0:
            su, sv, p, q, r = xy[i, 0], xy[i, 1], info[i, 0], info[i, 1], info[i, 2]
            camera = camera_of(R[c], t[c])
            for k in range(rounded_up(count)):
                chi2 = ray_chi2(camera, trials[0, k], trials[1, k], trials[2, k], su, sv, p, q, r)
                trials[3, k] += chi2 if chi2 < cap else cap
    best = 0
    for k in range(1, count):
        if trials[3, k] < trials[3, best]:
            best = k
    return True, trials[0, best], trials[1, best], trials[2, best]


@inner
def _midpoints(rays: Array, n: int, bundle: RayBundle, trials: Array) -> int:
    """Put the midpoints of evenly spaced pairs of rays into `trials`; returns their number."""
    cameras, seen = rays.shape[0], 0
    for c in range(cameras):
        seen += rays[c, n] >= 0
    stride = (seen * (seen - 1) // 2 + L - 1) // L
    count, skip = 0, 0
    for a in range(cameras):
        for b in range(a + 1, cameras):
            if rays[a, n] < 0 or rays[b, n] < 0:
                continue
            if skip == 0:
                skip = stride
                meet, x, y, z = meeting_point(a, rays[a, n], b, rays[b, n], bundle)
                if meet:
                    trials[0, count], trials[1, count], trials[2, count] = x, y, z
                    count += 1
            skip -= 1
    return count


@inner
def meeting_point(a: int, i: int, b: int, k: int, bundle: RayBundle) -> tuple[bool, float, float, float]:
    """Where ray i of camera a and ray k of camera b pass nearest; False if they are nearly parallel or meet behind."""
    ca, cb, da, db = bundle.centre[a], bundle.centre[b], bundle.ray[i], bundle.ray[k]
    r, s, _, sin2 = closest_points(ca[0], ca[1], ca[2], da, cb[0], cb[1], cb[2], db)
    if not (sin2 > PARALLEL_SIN2 and r > NEAREST_M and s > NEAREST_M):
        return False, 0.0, 0.0, 0.0
    # A ray's error grows with its length: the nearer camera knows better where it passes.
    f = r * r / (r * r + s * s)
    x = (1 - f) * (ca[0] + r * da[0]) + f * (cb[0] + s * db[0])
    y = (1 - f) * (ca[1] + r * da[1]) + f * (cb[1] + s * db[1])
    z = (1 - f) * (ca[2] + r * da[2]) + f * (cb[2] + s * db[2])
    return True, x, y, z


@inner
def refine_inliers(batch: Batch, R: Array, t: Array, count: int, gate: float) -> None:
    """Refine points without predictions from where they start; the rays within the gate are the inliers in the end."""
    linearise(batch, R, t, count)
    gate_rays(batch, 4 * gate)
    for steps in (3, 2):
        gauss_newton(batch, R, t, count, steps)
        gate_rays(batch, gate)
    gauss_newton(batch, R, t, count, 2)
    count_inliers(batch)


@kernel
def triangulate_all(
    rays: Int64[np.ndarray, "C N"],
    bundle: RayBundle,
    gate: float,
    batch: Batch,
    trials: Float64[np.ndarray, "4 L"],
    xyz: Float64[np.ndarray, "N 3"],
    H: Float64[np.ndarray, "N 6"],
) -> None:
    """Triangulate N points, leaving only inliers in `rays`; a point without two of them becomes NaN, its H zero."""
    cameras, points = rays.shape
    xy, info = bundle.xy, bundle.info
    for begin in range(0, points, L):
        count = min(L, points - begin)
        for k in range(count):
            n = begin + k
            found, x, y, z = propose(rays, n, bundle, 2 * gate, trials)
            put_point(batch.points, k, x, y, z)
            for c in range(cameras):
                rays[c, n] = rays[c, n] if found else -1
                put_ray(batch.rays[c], k, rays[c, n], xy, info)
        refine_inliers(batch, bundle.R, bundle.t, count, gate)
        for k in range(count):
            n = begin + k
            read_point(batch.points, k, xyz[n], H[n])
            found = batch.points[INLIERS + k] >= 2
            for c in range(cameras):
                rays[c, n] = rays[c, n] if found and is_inlier(batch.rays[c], k) else -1
            for i in range(3):
                xyz[n, i] = xyz[n, i] if found else np.nan
            for i in range(6):
                H[n, i] = H[n, i] if found else 0.0
