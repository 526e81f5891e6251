"""How noisy rays are: by the size of people in the picture, and by how far rays miss the joints that they share."""

from __future__ import annotations

import math

import numpy as np

from multiview.fit.people import State
from multiview.fit.point_kernels import sight_of
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.lane_kernels import NEAREST_M
from multiview.geometry.rays_kernels import score_place
from multiview.geometry.small_kernels import project
from multiview.geometry.triangulate_kernels import add_ray
from multiview.rays import PackedRig, Rays

STRAY = 50.0  # a ray further off than this, or behind its camera, is no measure of noise
SURE = 1.6  # a ray of whose two degrees of freedom the fit took more says nothing


@inner
def size_place(R: Array, t: Array, K: Array, x: float, y: float, z: float, nodes: Array) -> tuple[int, float]:
    """Between which two nodes (pixels per metre) the size of what is at a point lies, and how far, 0 to 1."""
    depth = max(R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2], NEAREST_M)
    size = K[0, 0] / depth
    b = 0
    while b < nodes.shape[0] - 2 and size > nodes[b + 1]:
        b += 1
    f = math.log(size / nodes[b]) / math.log(nodes[b + 1] / nodes[b])
    return b, min(1.0, max(0.0, f))


@kernel
def scale_by_size(
    slots: Array, table: Array, people: State, torso: Array, rays: Rays, rig: PackedRig, nodes: Array, factor: Array
) -> None:
    """Multiply the variance of the rays in table[n] by `factor[node]` for how large slots[n] is in each picture."""
    info, noise = rays.info.reshape(-1, 3), rays.noise.reshape(-1, 3)
    for n in range(slots.shape[0]):
        x, y, z = 0.0, 0.0, 0.0
        for j in torso:
            x += people.pos[slots[n], j, 0] / torso.shape[0]
            y += people.pos[slots[n], j, 1] / torso.shape[0]
            z += people.pos[slots[n], j, 2] / torso.shape[0]
        for c in range(table.shape[1]):
            b, f = size_place(rig.R[c], rig.t[c], rig.K[c], x, y, z, nodes)
            k = math.exp((1 - f) * math.log(factor[b]) + f * math.log(factor[b + 1]))
            for j in range(table.shape[2]):
                i = table[n, c, j]
                if i >= 0:
                    for a in range(3):
                        info[i, a] /= k
                        noise[i, a] *= k


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
    sizes: Array,
    size_nodes: Array,
    products: Array,
) -> None:
    """Add to sums[j, node] and sizes[node] chi-square, and its expectation, of rays to joints that three views measure.

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
                b, f = size_place(R, t, rig.K[c], x, y, z, size_nodes)
                sizes[b, 0] += (1 - f) * chi2
                sizes[b, 1] += (1 - f) * (2.0 - taken)
                sizes[b + 1, 0] += f * chi2
                sizes[b + 1, 1] += f * (2.0 - taken)
                u, v, _ = project(R, t, x, y, z)
                p, q = math.sqrt(w[0]) * (u - sight.xy[i, 0]), math.sqrt(w[2]) * (v - sight.xy[i, 1])
                if before[0] == before[0]:
                    products[0] += p * before[0] + q * before[1]
                    products[1] += 0.5 * (p * p + q * q + before[0] * before[0] + before[1] * before[1])
                before[0], before[1] = p, q
