"""Gauss-Newton refinement of up to 32 points side by side, which the compiler vectorises.

A batch stores quantity Q of point k at `points[Q + k]`, and that of its ray from camera c at `rays[c, Q + k]`. All rows
have the constant length L, from which the compiler sees that they do not overlap. Loops run from 0 over a slice: it
takes an index that might be negative for a gather, which is half as fast.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.reprojection_kernels import camera_of, linearise_ray
from multiview.geometry.sym3_kernels import inverse_sym3

L = 32
WIDTH = 8  # numbers in the widest SIMD vector
SHORTEST = 24  # rows that are shorter are not vectorised
X, Y, Z = 0, L, 2 * L  # the point
MX, MY, MZ = 3 * L, 4 * L, 5 * L  # its prediction,
W0, W1, W2, W3, W4, W5 = 6 * L, 7 * L, 8 * L, 9 * L, 10 * L, 11 * L  # the information of that, zero without one,
PRIOR_CHI2 = 12 * L  # and its chi-square
H0, H1, H2, H3, H4, H5 = 13 * L, 14 * L, 15 * L, 16 * L, 17 * L, 18 * L  # information of prediction and rays together
G0, G1, G2 = 19 * L, 20 * L, 21 * L  # gradient
MAX_RAY_CHI2, INLIERS = 22 * L, 23 * L  # the largest chi-square of a ray; how many rays are inliers
POINT_ROWS = 24
U, V, UU, UV, VV = 0, L, 2 * L, 3 * L, 4 * L  # a ray: coordinates and information, zeros without one,
INLIER, CHI2 = 5 * L, 6 * L  # whether it is an inlier (1 or 0), and its chi-square
RAY_ROWS = 7

Points = Float64[np.ndarray, " 24*L"]
CameraRays = Float64[np.ndarray, " 7*L"]


@kernel
def padded(joints: int) -> int:
    """The length of rows for so many joints, rounded up to whole SIMD vectors."""
    return max(SHORTEST, (joints + WIDTH - 1) // WIDTH * WIDTH)


@inner
def rounded_up(count: int) -> int:
    """`count` points, rounded up to whole SIMD vectors."""
    return min(L, (count + WIDTH - 1) // WIDTH * WIDTH)


class Batch(NamedTuple):
    """Points, and the rays to them."""

    points: Float64[np.ndarray, " 24*L"]
    rays: Float64[np.ndarray, "C 7*L"]

    @staticmethod
    def empty(cameras: int) -> Batch:
        """Memory for 32 points."""
        return Batch(np.zeros(POINT_ROWS * L), np.zeros((cameras, RAY_ROWS * L)))


@inner
def put_point(points: Points, k: int, x: float, y: float, z: float) -> None:
    """Start point k there, without a prediction."""
    points[X + k], points[Y + k], points[Z + k] = x, y, z
    for row in range(MX, PRIOR_CHI2, L):
        points[row + k] = 0.0


@inner
def put_predictions(
    points: Points, k: int, mean: Float64[np.ndarray, "N 3"], information: Float64[np.ndarray, "N 6"]
) -> None:
    """Start points k, k + 1, ... at their predictions."""
    a = points[k:]
    for i in range(min(L, mean.shape[0])):
        x, y, z = mean[i, 0], mean[i, 1], mean[i, 2]
        a[X + i], a[Y + i], a[Z + i] = x, y, z
        a[MX + i], a[MY + i], a[MZ + i] = x, y, z
    for i in range(min(L, mean.shape[0])):
        a[W0 + i], a[W1 + i], a[W2 + i] = information[i, 0], information[i, 1], information[i, 2]
        a[W3 + i], a[W4 + i], a[W5 + i] = information[i, 3], information[i, 4], information[i, 5]


@inner
def put_rays(
    rays: CameraRays,
    k: int,
    rows: Int64[np.ndarray, " N"],
    xy: Float64[np.ndarray, "R 2"],
    info: Float64[np.ndarray, "R 3"],
) -> None:
    """A camera sees points k, k + 1, ... along `rows` of `xy` and `info`, or not at all (-1)."""
    s = rays[k:]
    for i in range(min(L, rows.shape[0])):
        put_ray(s, i, rows[i], xy, info)


@inner
def put_ray(rays: CameraRays, k: int, row: int, xy: Array, info: Array) -> None:
    """A camera sees point k along a row, or not at all; without a branch, since that cannot be predicted."""
    exists, i = row >= 0, max(row, 0)
    u, v, uu, uv, vv = xy[i, 0], xy[i, 1], info[i, 0], info[i, 1], info[i, 2]
    rays[U + k], rays[V + k] = u if exists else 0.0, v if exists else 0.0
    rays[UU + k], rays[UV + k], rays[VV + k] = uu if exists else 0.0, uv if exists else 0.0, vv if exists else 0.0
    rays[INLIER + k] = 1.0 if exists else 0.0


@inner
def read_points(points: Points, k: int, xyz: Float64[np.ndarray, "N 3"], H: Float64[np.ndarray, "N 6"]) -> None:
    """Read points k, k + 1, ... and their information."""
    a = points[k:]
    for i in range(min(L, xyz.shape[0])):
        xyz[i, 0], xyz[i, 1], xyz[i, 2] = a[X + i], a[Y + i], a[Z + i]
    for i in range(min(L, xyz.shape[0])):
        H[i, 0], H[i, 1], H[i, 2] = a[H0 + i], a[H1 + i], a[H2 + i]
        H[i, 3], H[i, 4], H[i, 5] = a[H3 + i], a[H4 + i], a[H5 + i]


@inner
def read_point(points: Points, k: int, xyz: Float64[np.ndarray, " 3"], H: Float64[np.ndarray, " 6"]) -> None:
    """Read one point and its information."""
    for i in range(3):
        xyz[i] = points[X + i * L + k]
    for i in range(6):
        H[i] = points[H0 + i * L + k]


@inner
def gauss_newton(batch: Batch, R: Array, t: Array, count: int, steps: int) -> None:
    """Refine `count` points; information and chi-squares are those before the last step."""
    points = batch.points
    for _ in range(steps):
        linearise(batch, R, t, count)
        _step(points, rounded_up(count))


@inner
def linearise(batch: Batch, R: Float64[np.ndarray, "C 3 3"], t: Float64[np.ndarray, "C 3"], count: int) -> None:
    """Information H, gradient g and chi-squares of `count` points, from their predictions and inliers."""
    points, rays, count = batch.points, batch.rays, rounded_up(count)
    _linearise_predictions(points, count)
    for c in range(R.shape[0]):
        _add_camera(R[c], t[c], count, points, rays[c])


@inner
def gate_rays(batch: Batch, gate: float) -> None:
    """From now on the rays with a chi-square within the gate are the inliers."""
    rays = batch.rays
    for c in range(rays.shape[0]):
        s = rays[c]
        for k in range(L):
            s[INLIER + k] = 1.0 if s[CHI2 + k] <= gate else 0.0


@inner
def count_inliers(batch: Batch) -> None:
    """Count each point's inliers."""
    a, rays = batch.points, batch.rays
    for k in range(L):
        a[INLIERS + k] = 0.0
    for c in range(rays.shape[0]):
        s = rays[c]
        for k in range(L):
            a[INLIERS + k] += s[INLIER + k] if s[UU + k] > 0.0 else 0.0


@inner
def is_inlier(rays: CameraRays, k: int) -> bool:
    """Whether a camera has a ray to point k that is an inlier."""
    return bool(rays[INLIER + k] > 0.0 and rays[UU + k] > 0.0)


@inner
def _linearise_predictions(a: Points, count: int) -> None:
    """H = W, g = W d and d' W d, with d from the prediction to the point."""
    for k in range(count):
        dx, dy, dz = a[X + k] - a[MX + k], a[Y + k] - a[MY + k], a[Z + k] - a[MZ + k]
        w0, w1, w2, w3, w4, w5 = a[W0 + k], a[W1 + k], a[W2 + k], a[W3 + k], a[W4 + k], a[W5 + k]
        g0, g1, g2 = w0 * dx + w1 * dy + w2 * dz, w1 * dx + w3 * dy + w4 * dz, w2 * dx + w4 * dy + w5 * dz
        a[H0 + k], a[H1 + k], a[H2 + k], a[H3 + k], a[H4 + k], a[H5 + k] = w0, w1, w2, w3, w4, w5
        a[G0 + k], a[G1 + k], a[G2 + k] = g0, g1, g2
        a[PRIOR_CHI2 + k] = dx * g0 + dy * g1 + dz * g2
        a[MAX_RAY_CHI2 + k] = 0.0


@inner
def _add_camera(R: Array, t: Array, count: int, a: Points, s: CameraRays) -> None:
    """Add the normal equations of one camera's rays."""
    camera = camera_of(R, t)
    for k in range(count):
        chi2, g, H = linearise_ray(
            camera, a[X + k], a[Y + k], a[Z + k], s[U + k], s[V + k], s[UU + k], s[UV + k], s[VV + k], s[INLIER + k]
        )
        chi2 = chi2 if s[UU + k] > 0.0 else 0.0
        s[CHI2 + k] = chi2
        a[MAX_RAY_CHI2 + k] = max(a[MAX_RAY_CHI2 + k], chi2)
        a[G0 + k] += g[0]
        a[G1 + k] += g[1]
        a[G2 + k] += g[2]
        a[H0 + k] += H[0]
        a[H1 + k] += H[1]
        a[H2 + k] += H[2]
        a[H3 + k] += H[3]
        a[H4 + k] += H[4]
        a[H5 + k] += H[5]


@inner
def _step(a: Points, count: int) -> None:
    """Move each point by -H^-1 g; one whose rays leave a direction open stays."""
    for k in range(count):
        c0, c1, c2, c3, c4, c5 = inverse_sym3(a[H0 + k], a[H1 + k], a[H2 + k], a[H3 + k], a[H4 + k], a[H5 + k])
        g0, g1, g2 = a[G0 + k], a[G1 + k], a[G2 + k]
        x, y, z = c0 * g0 + c1 * g1 + c2 * g2, c1 * g0 + c3 * g1 + c4 * g2, c2 * g0 + c4 * g1 + c5 * g2
        determined = abs(x + y + z) < np.inf
        a[X + k] -= x if determined else 0.0
        a[Y + k] -= y if determined else 0.0
        a[Z + k] -= z if determined else 0.0
