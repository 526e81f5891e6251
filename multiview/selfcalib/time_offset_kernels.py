"""Normal equations of time offsets from one instant: triangulation without predictions, and elimination of the points.

Camera c observes at a tick what was there d_c seconds later: joint X, moving at V, is then observed at
p_c(X) + d_c s + b_c, with s the velocity of its image and b_c a constant shift of the whole image. X is an unknown of
each joint and is eliminated (Schur complement: Triggs et al. 2000, section 6), so that no camera is judged by points
that it has itself displaced.
"""

from __future__ import annotations

import math

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.ray_bundle_kernels import ray_bundle
from multiview.geometry.jit import Array, kernel
from multiview.geometry.reprojection_kernels import NEAREST_M
from multiview.geometry.sym3_kernels import copy_row, inverse_sym3, project
from multiview.geometry.triangulate_kernels import refine

GAUSS_NEWTON_STEPS = 3
MAX_SIGMA_M = 0.08  # the velocity of a point less certain than this means nothing
MAX_STEP_SQ = 0.09  # m^2; a point that moves further than 0.3 m has other rays than its track
CAUCHY_CHI2 = 9.0  # a ray at three standard deviations has half its weight


@kernel
def triangulate_unpredicted(table: Array, rays: Rays, rig: PackedRig, xyz: Array) -> None:
    """Each joint's point from its rays alone, starting at `xyz` (P, J, 3); NaN where they do not determine it."""
    sight, no_prior = ray_bundle(rays, rig), np.zeros(6)
    H, start, row = np.empty(6), np.empty(3), np.empty(table.shape[1], dtype=np.int64)
    for n in range(table.shape[0]):
        for j in range(table.shape[2]):
            views = 0
            for c in range(row.shape[0]):
                row[c] = table[n, c, j]
                views += row[c] >= 0
            copy_row(xyz[n, j], start)
            if views >= 2:
                refine(row, sight, start, no_prior, GAUSS_NEWTON_STEPS, xyz[n, j], H)
                C = inverse_sym3(H[0], H[1], H[2], H[3], H[4], H[5])
                variance = C[0] + C[3] + C[5]
                step_sq = (
                    (xyz[n, j, 0] - start[0]) ** 2 + (xyz[n, j, 1] - start[1]) ** 2 + (xyz[n, j, 2] - start[2]) ** 2
                )
                if 0.0 < variance < MAX_SIGMA_M**2 and step_sq < MAX_STEP_SQ:
                    continue
            xyz[n, j] = np.nan


@kernel
def accumulate(
    table: Array, rays: Rays, rig: PackedRig, xyz: Array, velocity: Array, offset: Array, H: Array, g: Array
) -> None:
    """Add this instant's normal equations to H (3C, 3C) and g (3C): unknowns d_c s, b_c u, b_c v of each camera.

    `offset` (C) is the present estimate: the weight of a ray falls with the residual that it leaves.
    """
    sight = ray_bundle(rays, rig)
    cameras = table.shape[1]
    camera = np.empty(cameras, dtype=np.int64)
    cross, own, q = np.empty((cameras, 3, 3)), np.empty((cameras, 3, 3)), np.empty((cameras, 3))
    J, G, r, W = np.empty((2, 3)), np.zeros((2, 3)), np.empty(2), np.empty((2, 2))
    G[0, 1] = G[1, 2] = 1.0
    A, p, inverse = np.empty((3, 3)), np.empty(3), np.empty((3, 3))
    for n in range(table.shape[0]):
        for j in range(table.shape[2]):
            x, y, z = xyz[n, j, 0], xyz[n, j, 1], xyz[n, j, 2]
            V = velocity[n, j]
            if not math.isfinite(x + y + z + V[0] + V[1] + V[2]):
                continue
            A[:], p[:], views = 0.0, 0.0, 0
            for c in range(cameras):
                i = table[n, c, j]
                if i < 0:
                    continue
                R = sight.R[c]
                u, v, depth = project(R, sight.t[c], x, y, z)
                if not depth > NEAREST_M:
                    continue
                for k in range(3):
                    J[0, k] = (R[0, k] - u * R[2, k]) / depth
                    J[1, k] = (R[1, k] - v * R[2, k]) / depth
                G[0, 0] = J[0, 0] * V[0] + J[0, 1] * V[1] + J[0, 2] * V[2]
                G[1, 0] = J[1, 0] * V[0] + J[1, 1] * V[1] + J[1, 2] * V[2]
                r[0], r[1] = sight.xy[i, 0] - u, sight.xy[i, 1] - v
                a, b = r[0] - offset[c] * G[0, 0], r[1] - offset[c] * G[1, 0]
                w = sight.info[i]
                chi2 = w[0] * a * a + 2 * w[1] * a * b + w[2] * b * b
                weight = CAUCHY_CHI2 / (CAUCHY_CHI2 + chi2)
                W[0, 0], W[0, 1], W[1, 0], W[1, 1] = weight * w[0], weight * w[1], weight * w[1], weight * w[2]
                for k in range(3):
                    j0, j1 = J[0, k] * W[0, 0] + J[1, k] * W[1, 0], J[0, k] * W[0, 1] + J[1, k] * W[1, 1]
                    g0, g1 = G[0, k] * W[0, 0] + G[1, k] * W[1, 0], G[0, k] * W[0, 1] + G[1, k] * W[1, 1]
                    p[k] += j0 * r[0] + j1 * r[1]
                    q[views, k] = g0 * r[0] + g1 * r[1]
                    for m in range(3):
                        A[k, m] += j0 * J[0, m] + j1 * J[1, m]
                        cross[views, k, m] = j0 * G[0, m] + j1 * G[1, m]
                        own[views, k, m] = g0 * G[0, m] + g1 * G[1, m]
                camera[views] = c
                views += 1
            if views < 2:
                continue
            C = inverse_sym3(A[0, 0], A[0, 1], A[0, 2], A[1, 1], A[1, 2], A[2, 2])
            if not math.isfinite(C[0] + C[3] + C[5]):
                continue
            inverse[0, 0], inverse[0, 1], inverse[0, 2] = C[0], C[1], C[2]
            inverse[1, 0], inverse[1, 1], inverse[1, 2] = C[1], C[3], C[4]
            inverse[2, 0], inverse[2, 1], inverse[2, 2] = C[2], C[4], C[5]
            _eliminate(views, camera, inverse, p, cross, own, q, H, g)


@kernel
def _eliminate(
    views: int, camera: Array, inverse: Array, p: Array, cross: Array, own: Array, q: Array, H: Array, g: Array
) -> None:
    """H += own - cross' inverse cross, g += q - cross' inverse p, for the cameras of one joint."""
    T = np.empty((3, 3))
    for a in range(views):
        row = 3 * camera[a]
        for k in range(3):
            for m in range(3):
                T[k, m] = (
                    cross[a, 0, k] * inverse[0, m] + cross[a, 1, k] * inverse[1, m] + cross[a, 2, k] * inverse[2, m]
                )
                H[row + k, row + m] += own[a, k, m]
            g[row + k] += q[a, k] - (T[k, 0] * p[0] + T[k, 1] * p[1] + T[k, 2] * p[2])
        for b in range(views):
            column = 3 * camera[b]
            for k in range(3):
                for m in range(3):
                    H[row + k, column + m] -= (
                        T[k, 0] * cross[b, 0, m] + T[k, 1] * cross[b, 1, m] + T[k, 2] * cross[b, 2, m]
                    )
