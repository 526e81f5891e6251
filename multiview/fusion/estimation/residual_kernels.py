"""How far rays miss the joints that they share: what the noise is learned from.

Four joints of a person are worked on side by side. Quantity Q of joint k of up to 32 is `a[Q, k]`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.sight_kernels import sight_of
from multiview.fusion.estimation.measurement_noise_kernels import middle, size_place
from multiview.fusion.state.measurement_noise import SCORES, SIZES
from multiview.fusion.state.track_state import State
from multiview.geometry.four import LANES, Four, choose, four, pick, read, some, write
from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.point_batch_kernels import HUBER_SQUARED, NEAREST_M, L, padded
from multiview.geometry.triangulate_kernels import Sight

X, Y, Z, C0, C1, C2, C3, C4, C5, VIEWS = range(10)  # points, their covariance, and how many rays they have
CHI2, FREE, TOGETHER, SQUARED = range(10, 14)  # of one camera's rays, 0 if they say nothing
ROWS = 14

NODES = len(SCORES)
LEAST_VIEWS = 3  # of a joint whose rays tell of the noise
STRAY = 50.0  # a ray further off than this, or behind its camera, is no measure of noise
SURE = 1.6  # a ray of whose two degrees of freedom the fit took more says nothing


Who = tuple[int, int, int, int]  # rows of rays, one in each lane


class Misses(NamedTuple):
    """What the rays of one frame say of the noise: chi-squares, and what they should be.

    The expectation of one ray's chi-square is 2 minus what the point took of it, the trace of its J'WJ times the
    point's covariance. `sums` have chi-squares by score and joint, then expectations; `sizes` both by size; `products`
    of whitened residuals with the last frame's, and their mean squares. W is J, padded. It is worked out in `lanes`.
    """

    sums: Float64[np.ndarray, "2*B W"]
    sizes: Float64[np.ndarray, "S 2"]
    products: Float64[np.ndarray, " 2"]
    lanes: Float64[np.ndarray, "ROWS L"]

    @staticmethod
    def empty(joints: int) -> Misses:
        """Room for them."""
        sums, sizes = np.zeros((2 * NODES, padded(joints))), np.zeros((len(SIZES), 2))
        return Misses(sums, sizes, np.zeros(2), np.zeros((ROWS, L)))


@kernel
def residuals(
    slots: Array,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    nodes: Array,
    size_nodes: Array,
    people: State,
    torso: Array,
    views: Array,
    last: Array,
    misses: Misses,
) -> None:
    """Sum up what rays to joints with three views say of the noise.

    `last[slot, camera]` (2, W) keeps whitened residuals from frame to frame, NaN where there are none.
    """
    sight, cameras, joints = sight_of(rays, rig), table.shape[1], table.shape[2]
    score = rays.score.reshape(-1, 1)
    before = last.reshape(-1, last.shape[3])
    a, sums, sizes = misses.lanes, misses.sums, misses.sizes
    sums[:] = 0.0
    sizes[:] = 0.0
    together, squared = 0.0, 0.0
    for n in range(table.shape[0]):
        m = slots[n]
        x, y, z = middle(people.pos, m, torso)
        for begin in range(0, joints, L):
            count = min(L, joints - begin)
            _put_points(people, m, views[n], begin, count, a)
            for c in range(cameras):
                for k in range(0, count, LANES):
                    rows = _from(table[n, c], begin + k)
                    _miss(rows, sight, score, c, nodes, k, a, before, 2 * (m * cameras + c), begin + k, sums)
                square, free = 0.0, 0.0
                for k in range(count):
                    square += a[CHI2, k]
                    free += a[FREE, k]
                    together += a[TOGETHER, k]
                    squared += a[SQUARED, k]
                large, g = size_place(rig.R[c], rig.t[c], rig.K[c], x, y, z, size_nodes)
                sizes[large, 0] += (1 - g) * square
                sizes[large, 1] += (1 - g) * free
                sizes[large + 1, 0] += g * square
                sizes[large + 1, 1] += g * free
    misses.products[0], misses.products[1] = together, squared


@inner
def _put_points(people: State, m: int, views: Array, begin: int, count: int, a: Array) -> None:
    """Where this frame sees slot m's joints; beyond them, joints that no view sees."""
    for k in range(count):
        for i in range(3):
            a[X + i, k] = people.measurement[m, begin + k, i]
        for i in range(6):
            a[C0 + i, k] = people.measurement_cov[m, begin + k, i]
        a[VIEWS, k] = views[begin + k]
    for k in range(count, L):
        a[VIEWS, k] = 0.0


@inner
def _from(row: Array, j: int) -> Who:
    """Four of a row, from number j on; beyond its end, the last."""
    last = row.shape[0] - 1
    return row[j], row[min(j + 1, last)], row[min(j + 2, last)], row[min(j + 3, last)]


@inlined
def _miss(
    rays: Who, sight: Sight, score: Array, c: int, nodes: Array, k: int, a: Array, last: Array, row: int, j: int,
    sums: Array,
) -> None:  # fmt: skip
    """How far four of camera c's rays (or -1) miss joints k to k + 3: chi-square, its expectation and products.

    As `add_ray`, with Huber's weight in what the points took.
    """
    told = (four(rays) >= 0.0) & (read(a, VIEWS, k) >= LEAST_VIEWS)
    if not some(told):
        write(last, row, j, np.nan)
        for out in range(CHI2, ROWS):
            write(a, out, k, 0.0)
        return
    i = max(rays[0], 0), max(rays[1], 0), max(rays[2], 0), max(rays[3], 0)
    R, t = sight.R, sight.t
    r00, r01, r02, t0 = R[c, 0, 0], R[c, 0, 1], R[c, 0, 2], t[c, 0]
    r10, r11, r12, t1 = R[c, 1, 0], R[c, 1, 1], R[c, 1, 2], t[c, 1]
    r20, r21, r22, t2 = R[c, 2, 0], R[c, 2, 1], R[c, 2, 2], t[c, 2]
    x, y, z = read(a, X, k), read(a, Y, k), read(a, Z, k)
    p, q, r = pick(sight.info, i, 0), pick(sight.info, i, 1), pick(sight.info, i, 2)
    depth = r20 * x + r21 * y + r22 * z + t2
    near = 1.0 / depth
    u, v = (r00 * x + r01 * y + r02 * z + t0) * near, (r10 * x + r11 * y + r12 * z + t1) * near
    du, dv = u - pick(sight.xy, i, 0), v - pick(sight.xy, i, 1)
    chi2 = p * du * du + 2 * q * du * dv + r * dv * dv
    pull, far = near * near, chi2 > HUBER_SQUARED
    if some(far):
        pull *= math.sqrt(HUBER_SQUARED / choose(far, chi2, HUBER_SQUARED))
    a0, a1, a2 = r00 - u * r20, r01 - u * r21, r02 - u * r22
    b0, b1, b2 = r10 - v * r20, r11 - v * r21, r12 - v * r22
    c0, c1, c2, c3, c4, c5 = (
        read(a, C0, k), read(a, C1, k), read(a, C2, k), read(a, C3, k), read(a, C4, k), read(a, C5, k),
    )  # fmt: skip
    x0, x1, x2 = c0 * a0 + c1 * a1 + c2 * a2, c1 * a0 + c3 * a1 + c4 * a2, c2 * a0 + c4 * a1 + c5 * a2
    y0, y1, y2 = c0 * b0 + c1 * b1 + c2 * b2, c1 * b0 + c3 * b1 + c4 * b2, c2 * b0 + c4 * b1 + c5 * b2
    aa, ab, bb = a0 * x0 + a1 * x1 + a2 * x2, b0 * x0 + b1 * x1 + b2 * x2, b0 * y0 + b1 * y1 + b2 * y2
    taken = pull * (p * aa + 2 * q * ab + r * bb)
    told = told & (depth > NEAREST_M) & (taken < SURE) & (chi2 < STRAY)
    chi2, free = choose(told, chi2, 0.0), choose(told, 2.0 - taken, 0.0)
    write(a, CHI2, k, chi2)
    write(a, FREE, k, free)
    _add_by_score(pick(score, i, 0), nodes, chi2, free, j, sums)
    du, dv = math.sqrt(p) * du, math.sqrt(r) * dv
    before, beside = read(last, row, j), read(last, row + 1, j)
    again = told & (before == before)
    write(a, TOGETHER, k, choose(again, du * before + dv * beside, 0.0))
    square = 0.5 * (du * du + dv * dv + before * before + beside * beside)
    write(a, SQUARED, k, choose(again, square, 0.0))
    write(last, row, j, choose(told, du, np.nan))
    write(last, row + 1, j, dv)


@inlined
def _add_by_score(score: Four, nodes: Array, chi2: Four, free: Four, j: int, sums: Array) -> None:
    """Share each ray out to the two nodes that its score lies between."""
    low, high = choose(score > nodes[1], nodes[1], nodes[0]), choose(score > nodes[1], nodes[2], nodes[1])
    for b in range(2, NODES - 1):
        low, high = choose(score > nodes[b], nodes[b], low), choose(score > nodes[b], nodes[b + 1], high)
    f = (score - low) / (high - low)
    f = choose(f > 0.0, f, 0.0)
    f = choose(f < 1.0, f, 1.0)
    for b in range(NODES):
        share = choose(low == nodes[b], 1 - f, choose(high == nodes[b], f, 0.0))
        write(sums, b, j, read(sums, b, j) + share * chi2)
        write(sums, NODES + b, j, read(sums, NODES + b, j) + share * free)
