"""Many points refined side by side: the arithmetic of triangulation, laid out so that one instruction does eight.

A batch holds up to 32 points. Quantity Q of point j lies at `lanes[Q + j]`, camera c's at `seen[c, Q + j]`; a row has
the constant length L = 32, from which the compiler sees that rows do not overlap. Loops run from 0 over a slice, for an
index that might be negative is a gather to the compiler, and takes twice as long.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.sym3_kernels import inverse_sym3

L = 32
WIDTH = 8  # points that one instruction works on at most
LEAST = 24  # numbers in a row below which the compiler keeps to one at a time
X, Y, Z, MX, MY, MZ = 0, L, 2 * L, 3 * L, 4 * L, 5 * L  # where the point is, and where it is predicted
W0, W1, W2, W3, W4, W5 = 6 * L, 7 * L, 8 * L, 9 * L, 10 * L, 11 * L  # information of the prediction
H0, H1, H2, H3, H4, H5 = 12 * L, 13 * L, 14 * L, 15 * L, 16 * L, 17 * L  # of prediction and rays together
G0, G1, G2 = 18 * L, 19 * L, 20 * L  # gradient
PULL, WORST = 21 * L, 22 * L  # chi-square of the prediction, and the largest of a ray
RAYS = 23 * L  # how many rays pull
ROWS = 24
U, V, UU, UV, VV = 0, L, 2 * L, 3 * L, 4 * L  # a camera's ray: coordinates and information
USE, CHI2 = 5 * L, 6 * L  # whether it is to pull (1 or 0), and its chi-square (0 where there is none)
VIEW_ROWS = 7

NEAREST_M = 0.05  # nearer to the camera than this, or behind it, nobody is measured
HUBER_SQUARED = 9.0  # beyond three deviations a residual pulls with constant force


@kernel
def padded(joints: int) -> int:
    """Length of rows that hold so many joints: whole instructions, and enough of them for the compiler to care."""
    return max(LEAST, (joints + WIDTH - 1) // WIDTH * WIDTH)


@inner
def whole_lanes(count: int) -> int:
    """So many points and those that the last instruction works on besides."""
    return min(L, (count + WIDTH - 1) // WIDTH * WIDTH)


class Batch(NamedTuple):
    """Points, and the rays to them."""

    lanes: Float64[np.ndarray, " 24*L"]
    seen: Float64[np.ndarray, "C 7*L"]

    @staticmethod
    def empty(cameras: int) -> Batch:
        """Room for 32 points."""
        return Batch(np.zeros(ROWS * L), np.zeros((cameras, VIEW_ROWS * L)))


@inner
def new_batch(cameras: int) -> Batch:
    """An empty batch, for kernels."""
    return Batch(np.zeros(ROWS * L), np.zeros((cameras, VIEW_ROWS * L)))


@inner
def put_point(batch: Batch, k: int, x: float, y: float, z: float) -> None:
    """Start point k there, without a prediction."""
    a = batch.lanes
    a[X + k], a[Y + k], a[Z + k] = x, y, z
    for row in range(MX, H0, L):
        a[row + k] = 0.0


@inlined
def put_predictions(batch: Batch, k: int, mean: Array, prior: Array) -> None:
    """Start points k, k + 1, ... at their predictions `mean` (N, 3), which have the information `prior` (N, 6)."""
    a = batch.lanes[k:]
    for i in range(min(L, mean.shape[0])):
        x, y, z = mean[i, 0], mean[i, 1], mean[i, 2]
        a[X + i], a[Y + i], a[Z + i] = x, y, z
        a[MX + i], a[MY + i], a[MZ + i] = x, y, z
    for i in range(min(L, mean.shape[0])):
        a[W0 + i], a[W1 + i], a[W2 + i] = prior[i, 0], prior[i, 1], prior[i, 2]
        a[W3 + i], a[W4 + i], a[W5 + i] = prior[i, 3], prior[i, 4], prior[i, 5]


@inner
def put_rays(batch: Batch, k: int, rays: Array, xy: Array, info: Array) -> None:
    """Camera c sees point k along row rays[c] of `xy` and `info`, or not at all (-1)."""
    for c in range(rays.shape[0]):
        _put_ray(batch.seen[c], k, rays[c], xy, info)


@inlined
def put_rays_in_line(batch: Batch, c: int, k: int, rays: Array, xy: Array, info: Array) -> None:
    """Camera c sees points k, k + 1, ... along the rows `rays` (N) of `xy` and `info`, or not at all (-1)."""
    s = batch.seen[c, k:]
    for i in range(min(L, rays.shape[0])):
        _put_ray(s, i, rays[i], xy, info)


@inlined
def _put_ray(s: Array, k: int, i: int, xy: Array, info: Array) -> None:
    """Into a camera's row; without a branch, for which rays are missing cannot be foreseen."""
    there, i = i >= 0, max(i, 0)
    u, v, uu, uv, vv = xy[i, 0], xy[i, 1], info[i, 0], info[i, 1], info[i, 2]
    s[U + k], s[V + k] = u if there else 0.0, v if there else 0.0
    s[UU + k], s[UV + k], s[VV + k] = uu if there else 0.0, uv if there else 0.0, vv if there else 0.0
    s[USE + k] = 1.0 if there else 0.0


@inlined
def read_points(batch: Batch, k: int, xyz: Array, H: Array) -> None:
    """Where points k, k + 1, ... are now goes to `xyz` (N, 3), and the information that puts them there to H (N, 6)."""
    a = batch.lanes[k:]
    for i in range(min(L, xyz.shape[0])):
        xyz[i, 0], xyz[i, 1], xyz[i, 2] = a[X + i], a[Y + i], a[Z + i]
    for i in range(min(L, xyz.shape[0])):
        H[i, 0], H[i, 1], H[i, 2] = a[H0 + i], a[H1 + i], a[H2 + i]
        H[i, 3], H[i, 4], H[i, 5] = a[H3 + i], a[H4 + i], a[H5 + i]


@inner
def settle(batch: Batch, R: Array, t: Array, count: int, steps: int) -> None:
    """Gauss-Newton steps of `count` points on prediction and rays in use; afterwards H and chi-squares are up to date,
    at the point before a last step that is taken too.
    """
    for _ in range(steps):
        evaluate(batch, R, t, count)
        _step(batch.lanes, count)


@inner
def evaluate(batch: Batch, R: Array, t: Array, count: int) -> None:
    """H, gradient and chi-squares of `count` points where they are."""
    whole = whole_lanes(count)
    _add_prediction(batch.lanes, whole)
    for c in range(R.shape[0]):
        _add_camera(R, t, c, whole, batch.lanes, batch.seen[c])


@inner
def trust(batch: Batch, limit: float) -> None:
    """From now on only rays within the limit pull."""
    for c in range(batch.seen.shape[0]):
        s = batch.seen[c]
        for j in range(L):
            s[USE + j] = 1.0 if s[CHI2 + j] <= limit else 0.0


@inner
def count_rays(batch: Batch) -> None:
    """How many rays pull on each point."""
    a = batch.lanes
    for j in range(L):
        a[RAYS + j] = 0.0
    for c in range(batch.seen.shape[0]):
        s = batch.seen[c]
        for j in range(L):
            a[RAYS + j] += s[USE + j]


@inner
def in_use(batch: Batch, c: int, j: int) -> bool:
    """Whether camera c's ray exists and pulls on point j."""
    return bool(batch.seen[c, USE + j] > 0.0 and batch.seen[c, UU + j] > 0.0)


@inner
def _add_prediction(a: Array, count: int) -> None:
    for j in range(count):
        dx, dy, dz = a[X + j] - a[MX + j], a[Y + j] - a[MY + j], a[Z + j] - a[MZ + j]
        w0, w1, w2, w3, w4, w5 = a[W0 + j], a[W1 + j], a[W2 + j], a[W3 + j], a[W4 + j], a[W5 + j]
        g0, g1, g2 = w0 * dx + w1 * dy + w2 * dz, w1 * dx + w3 * dy + w4 * dz, w2 * dx + w4 * dy + w5 * dz
        a[H0 + j], a[H1 + j], a[H2 + j], a[H3 + j], a[H4 + j], a[H5 + j] = w0, w1, w2, w3, w4, w5
        a[G0 + j], a[G1 + j], a[G2 + j] = g0, g1, g2
        a[PULL + j] = dx * g0 + dy * g1 + dz * g2
        a[WORST + j] = 0.0


@inlined
def _add_camera(R: Array, t: Array, c: int, count: int, a: Array, s: Array) -> None:
    """Add one camera's J'WJ and J'Wr, with Huber's weight, without any branch."""
    r00, r01, r02, t0 = R[c, 0, 0], R[c, 0, 1], R[c, 0, 2], t[c, 0]
    r10, r11, r12, t1 = R[c, 1, 0], R[c, 1, 1], R[c, 1, 2], t[c, 1]
    r20, r21, r22, t2 = R[c, 2, 0], R[c, 2, 1], R[c, 2, 2], t[c, 2]
    for j in range(count):
        x, y, z = a[X + j], a[Y + j], a[Z + j]
        p, q, r = s[UU + j], s[UV + j], s[VV + j]
        depth = r20 * x + r21 * y + r22 * z + t2
        ahead = depth > NEAREST_M
        near = 1.0 / depth if ahead else 0.0
        u, v = (r00 * x + r01 * y + r02 * z + t0) * near, (r10 * x + r11 * y + r12 * z + t1) * near
        du, dv = u - s[U + j], v - s[V + j]
        e, f = p * du + q * dv, q * du + r * dv
        off = e * du + f * dv
        behind = np.inf if p > 0.0 else 0.0
        off = off if ahead else behind
        s[CHI2 + j] = off
        a[WORST + j] = max(a[WORST + j], off)
        k = near * math.sqrt(HUBER_SQUARED / max(HUBER_SQUARED, off)) * s[USE + j]
        a0, a1, a2 = r00 - u * r20, r01 - u * r21, r02 - u * r22
        b0, b1, b2 = r10 - v * r20, r11 - v * r21, r12 - v * r22
        a[G0 + j] += k * (a0 * e + b0 * f)
        a[G1 + j] += k * (a1 * e + b1 * f)
        a[G2 + j] += k * (a2 * e + b2 * f)
        k *= near
        p0, p1, p2 = p * a0 + q * b0, p * a1 + q * b1, p * a2 + q * b2
        q0, q1, q2 = q * a0 + r * b0, q * a1 + r * b1, q * a2 + r * b2
        a[H0 + j] += k * (a0 * p0 + b0 * q0)
        a[H1 + j] += k * (a0 * p1 + b0 * q1)
        a[H2 + j] += k * (a0 * p2 + b0 * q2)
        a[H3 + j] += k * (a1 * p1 + b1 * q1)
        a[H4 + j] += k * (a1 * p2 + b1 * q2)
        a[H5 + j] += k * (a2 * p2 + b2 * q2)


@inner
def _step(a: Array, count: int) -> None:
    """Move each point by -H^-1 g; one whose rays leave it open stays."""
    for j in range(whole_lanes(count)):
        c0, c1, c2, c3, c4, c5 = inverse_sym3(a[H0 + j], a[H1 + j], a[H2 + j], a[H3 + j], a[H4 + j], a[H5 + j])
        g0, g1, g2 = a[G0 + j], a[G1 + j], a[G2 + j]
        x, y, z = c0 * g0 + c1 * g1 + c2 * g2, c1 * g0 + c3 * g1 + c4 * g2, c2 * g0 + c4 * g1 + c5 * g2
        sound = abs(x + y + z) < np.inf
        a[X + j] -= x if sound else 0.0
        a[Y + j] -= y if sound else 0.0
        a[Z + j] -= z if sound else 0.0
