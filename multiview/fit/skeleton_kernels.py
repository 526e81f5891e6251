"""One person's joints together: rays, predictions and bones in one Gauss-Newton problem on the tree of bones.

The normal equations have a 3x3 block per joint and one per bone; eliminating leaves first solves them exactly without
fill-in, and going back gives every joint's marginal covariance (belief propagation on a tree; Bishop 2006, section
8.4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.small_kernels import inverse_sym3
from multiview.geometry.triangulate_kernels import Sight, add_ray


class Pulls(NamedTuple):
    """What draws a person's joints besides rays: predictions, bone lengths, and the bones as vectors."""

    mean: Array  # (J, 3) m
    prior: Array  # (J, 6) 1/m^2
    length: Array  # (J,) m, of the bone to the parent
    stiffness: Array  # (J,) 1/m^2
    offset: Array  # (J, 3) m, from the parent
    tether: Array  # (J,) 1/m^2


@kernel
def fit_skeleton(
    rays: Array, sight: Sight, parent: Array, order: Array, pulls: Pulls, steps: int, xyz: Array, C: Array
) -> None:
    """Minimise over the joints `xyz` (J, 3), in place; C (J, 6) are their covariances.

    The cost: Huber's reprojection error of `rays` (C, J); the predictions; `stiffness` times (bone length -
    `length`)^2; `tether` times |bone - `offset`|^2.
    """
    joints, cameras = xyz.shape[0], rays.shape[0]
    H, g = np.empty((joints, 6)), np.empty((joints, 3))
    S, E, d = np.empty((joints, 6)), np.zeros((joints, 6)), np.zeros((joints, 3))
    for _ in range(steps):
        for j in range(joints):
            x, y, z = xyz[j, 0], xyz[j, 1], xyz[j, 2]
            dx, dy, dz = x - pulls.mean[j, 0], y - pulls.mean[j, 1], z - pulls.mean[j, 2]
            w = pulls.prior[j]
            for k in range(6):
                H[j, k] = w[k]
            g[j, 0] = w[0] * dx + w[1] * dy + w[2] * dz
            g[j, 1] = w[1] * dx + w[3] * dy + w[4] * dz
            g[j, 2] = w[2] * dx + w[4] * dy + w[5] * dz
            for c in range(cameras):
                i = rays[c, j]
                if i >= 0:
                    add_ray(sight.R[c], sight.t[c], sight.xy[i], sight.info[i], x, y, z, H[j], g[j])
        _add_bones(parent, pulls, xyz, H, g, E)
        largest = _eliminate(parent, order, H, g, S, E, d)
        for j in range(joints):
            for k in range(3):
                xyz[j, k] += d[j, k]
        if largest < 1e-8:
            break
    _marginals(parent, order, S, E, C)


@inner
def _add_bones(parent: Array, pulls: Pulls, xyz: Array, H: Array, g: Array, E: Array) -> None:
    """Add each bone's 3x3 block E to both its ends and its pull to their gradients."""
    for j in range(parent.shape[0]):
        p = parent[j]
        if p < 0:
            continue
        for k in range(6):
            E[j, k] = 0.0
        bx, by, bz = xyz[j, 0] - xyz[p, 0], xyz[j, 1] - xyz[p, 1], xyz[j, 2] - xyz[p, 2]
        now = math.sqrt(bx * bx + by * by + bz * bz)
        s, w = pulls.stiffness[j], pulls.tether[j]
        gx = gy = gz = 0.0
        if s > 0.0 and now > 1e-6:
            ux, uy, uz = bx / now, by / now, bz / now
            pull = s * (now - pulls.length[j])
            gx, gy, gz = pull * ux, pull * uy, pull * uz
            E[j, 0], E[j, 1], E[j, 2] = s * ux * ux, s * ux * uy, s * ux * uz
            E[j, 3], E[j, 4], E[j, 5] = s * uy * uy, s * uy * uz, s * uz * uz
        if w > 0.0:
            gx += w * (bx - pulls.offset[j, 0])
            gy += w * (by - pulls.offset[j, 1])
            gz += w * (bz - pulls.offset[j, 2])
            E[j, 0] += w
            E[j, 3] += w
            E[j, 5] += w
        for k in range(6):
            H[j, k] += E[j, k]
            H[p, k] += E[j, k]
        g[j, 0] += gx
        g[j, 1] += gy
        g[j, 2] += gz
        g[p, 0] -= gx
        g[p, 1] -= gy
        g[p, 2] -= gz


@inner
def _times(m: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    return m[0] * x + m[1] * y + m[2] * z, m[1] * x + m[3] * y + m[4] * z, m[2] * x + m[4] * y + m[5] * z


@inner
def _sandwich(E: Array, S: Array, out: Array, sign: float) -> None:
    """out += sign * E S E for symmetric E, S."""
    p0, p1, p2 = _times(S, E[0], E[1], E[2])
    q0, q1, q2 = _times(S, E[1], E[3], E[4])
    r0, r1, r2 = _times(S, E[2], E[4], E[5])
    out[0] += sign * (E[0] * p0 + E[1] * p1 + E[2] * p2)
    out[1] += sign * (E[0] * q0 + E[1] * q1 + E[2] * q2)
    out[2] += sign * (E[0] * r0 + E[1] * r1 + E[2] * r2)
    out[3] += sign * (E[1] * q0 + E[3] * q1 + E[4] * q2)
    out[4] += sign * (E[1] * r0 + E[3] * r1 + E[4] * r2)
    out[5] += sign * (E[2] * r0 + E[4] * r1 + E[5] * r2)


@inner
def _eliminate(parent: Array, order: Array, H: Array, g: Array, S: Array, E: Array, d: Array) -> float:
    """Solve H d = -g on the tree; S[j] keeps the inverse block of each joint with its children eliminated."""
    for n in range(order.shape[0] - 1, -1, -1):
        j = order[n]
        h = H[j]
        S[j, 0], S[j, 1], S[j, 2], S[j, 3], S[j, 4], S[j, 5] = inverse_sym3(h[0], h[1], h[2], h[3], h[4], h[5])
        p = parent[j]
        if p >= 0:
            _sandwich(E[j], S[j], H[p], -1.0)
            x, y, z = _times(S[j], g[j, 0], g[j, 1], g[j, 2])
            x, y, z = _times(E[j], x, y, z)
            g[p, 0] += x
            g[p, 1] += y
            g[p, 2] += z
    largest = 0.0
    for n in range(order.shape[0]):
        j = order[n]
        p = parent[j]
        x, y, z = -g[j, 0], -g[j, 1], -g[j, 2]
        if p >= 0:
            ex, ey, ez = _times(E[j], d[p, 0], d[p, 1], d[p, 2])
            x, y, z = x + ex, y + ey, z + ez
        d[j, 0], d[j, 1], d[j, 2] = _times(S[j], x, y, z)
        largest = max(largest, d[j, 0] * d[j, 0] + d[j, 1] * d[j, 1] + d[j, 2] * d[j, 2])
    return largest


@inner
def _marginals(parent: Array, order: Array, S: Array, E: Array, C: Array) -> None:
    """Covariance of each joint: C[j] = S + S E C[parent] E S."""
    inner = np.empty(6)
    for n in range(order.shape[0]):
        j = order[n]
        p = parent[j]
        for k in range(6):
            C[j, k] = S[j, k]
        if p >= 0:
            inner[:] = 0.0
            _sandwich(E[j], C[p], inner, 1.0)
            _sandwich(S[j], inner, C[j], 1.0)
