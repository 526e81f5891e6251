"""The two kernels that run over everyone in a frame: triangulate all joints, fit all skeletons."""

from __future__ import annotations

import math

import numpy as np

from multiview.fit.bone_kernels import gate_bones, learn_bones
from multiview.fit.filter_kernels import correct
from multiview.fit.skeleton_kernels import fit_skeleton
from multiview.geometry.jit import Array, kernel
from multiview.geometry.small_kernels import sym3
from multiview.geometry.triangulate_kernels import chi_square, consensus, with_prediction

TETHER = 0.35  # how far a limb that no one sees may swing, relative to its length
RELAX_S = 0.15  # an unseen joint's own motion fades into its parent's in this time
FREE_M_S = 0.8  # how fast an unseen joint may move against its parent
LOST_SD = 0.3  # where a joint lies whose rays gave an impossible bone, relative to the bone
STEPS = 4


@kernel
def triangulate_people(
    slots: Array,
    table: Array,
    xy: Array,
    info: Array,
    ray: Array,
    R: Array,
    t: Array,
    centre: Array,
    gate: float,
    pos: Array,
    prior: Array,
    xyz: Array,
    H: Array,
    views: Array,
) -> None:
    """Each joint's point and information H from its rays and its prediction; outliers leave `table`.

    A prediction that three views overrule is forgotten (its `prior` becomes 0).
    """
    cameras = table.shape[1]
    rays = np.empty(cameras, dtype=np.int64)
    for n in range(slots.shape[0]):
        m = slots[n]
        for j in range(table.shape[2]):
            seen = 0
            for c in range(cameras):
                rays[c] = table[n, c, j]
                seen += rays[c] >= 0
            xyz[n, j] = pos[m, j]
            if prior[m, j, 0] > 0.0:
                kept = 0
                H[n, j] = prior[m, j]
                if seen:
                    kept = with_prediction(
                        rays, xy, info, ray, R, t, centre, gate, pos[m, j], prior[m, j], xyz[n, j], H[n, j]
                    )
                    if H[n, j, 0] < 0.999 * prior[m, j, 0]:
                        prior[m, j] = 0.0
            elif seen >= 2:
                kept = consensus(rays, xy, info, ray, R, t, centre, gate, xyz[n, j], H[n, j])
            else:
                kept = 0
                rays[:] = -1
            views[n, j] = kept
            for c in range(cameras):
                table[n, c, j] = rays[c]


@kernel
def fit_people(
    slots: Array,
    dt: Array,
    table: Array,
    xy: Array,
    info: Array,
    R: Array,
    t: Array,
    parent: Array,
    order: Array,
    mirror: Array,
    loose: Array,
    gate: float,
    pos: Array,
    vel: Array,
    P: Array,
    Q: Array,
    V: Array,
    prior: Array,
    length: Array,
    variance: Array,
    bend: Array,
    unseen: Array,
    known: Array,
    xyz: Array,
    H: Array,
    views: Array,
) -> None:
    """Gate and learn the bones, fit every skeleton, and carry the result into the filters."""
    joints = parent.shape[0]
    C, offset = np.empty((joints, 6)), np.empty((joints, 3))
    stiffness, tether = np.empty(joints), np.empty(joints)
    for n in range(slots.shape[0]):
        m = slots[n]
        before = views[n].copy()
        gate_bones(parent, order, length[m], xyz[n], H[n], table[n], views[n], gate)
        for i in range(joints):
            j = order[i]
            if before[j] >= 2 and views[n, j] == 0:
                _hang_on_parent(j, parent[j], length[m, j], xyz[n], pos[m], prior[m], Q[m], V[m])
        learn_bones(parent, mirror, loose, views[n], xyz[n], H[n], pos[m], prior[m], length[m], variance[m], bend[m])
        for j in range(joints):
            p = parent[j]
            if views[n, j] < 2:
                xyz[n, j] = pos[m, j]
            stiffness[j] = tether[j] = 0.0
            if p >= 0 and length[m, j] > 0.0:
                stiffness[j] = 1.0 / (variance[m, j] + (bend[m, j] * length[m, j]) ** 2 + 1e-6)
                if views[n, j] < 2:
                    tether[j] = 1.0 / (TETHER * length[m, j] + 0.02) ** 2
            if p >= 0:
                for k in range(3):
                    offset[j, k] = pos[m, j, k] - pos[m, p, k]
        fit_skeleton(
            table[n],
            xy,
            info,
            R,
            t,
            parent,
            order,
            pos[m],
            prior[m],
            length[m],
            stiffness,
            offset,
            tether,
            STEPS,
            xyz[n],
            C,
        )
        correct(m, pos, vel, P, Q, V, prior, xyz[n], C)
        _relax(dt[n], parent, order, views[n], vel[m], Q[m], V[m])
        for j in range(joints):
            unseen[m, j] = 0.0 if views[n, j] >= 2 else unseen[m, j] + dt[n]
            known[m, j] = known[m, j] or views[n, j] >= 2


@kernel
def _hang_on_parent(j: int, p: int, length: float, xyz: Array, pos: Array, prior: Array, Q: Array, V: Array) -> None:
    """Forget where a joint is: it hangs on its parent in the direction it had, and may be anywhere near."""
    if p < 0:
        return
    x, y, z = pos[j, 0] - pos[p, 0], pos[j, 1] - pos[p, 1], pos[j, 2] - pos[p, 2]
    now = math.sqrt(x * x + y * y + z * z)
    s = length / now if now > 1e-6 else 0.0
    w = 1.0 / (LOST_SD * max(length, 0.05)) ** 2
    pos[j, 0], pos[j, 1], pos[j, 2] = xyz[p, 0] + s * x, xyz[p, 1] + s * y, xyz[p, 2] + s * z
    for k in range(6):
        diagonal = k == 0 or k == 3 or k == 5
        prior[j, k] = w if diagonal else 0.0
        V[j, k] = FREE_M_S * FREE_M_S if diagonal else 0.0
    for k in range(9):
        Q[j, k] = 0.0


@kernel
def _relax(dt: float, parent: Array, order: Array, views: Array, vel: Array, Q: Array, V: Array) -> None:
    """Joints that no view measures end up moving with their parents."""
    k = 1.0 - math.exp(-dt / RELAX_S)
    free = FREE_M_S * FREE_M_S * k * (2 - k)
    for i in range(order.shape[0]):
        j = order[i]
        p = parent[j]
        if p < 0 or views[j] > 0:
            continue
        for a in range(3):
            vel[j, a] += k * (vel[p, a] - vel[j, a])
        for a in range(9):
            Q[j, a] *= 1 - k
        for a in range(6):
            V[j, a] *= (1 - k) * (1 - k)
        for a in (0, 3, 5):
            V[j, a] += free


@kernel
def residuals(
    table: Array, xy: Array, info: Array, score: Array, edges: Array, R: Array, t: Array, xyz: Array, C: Array, slots:
    Array, views: Array, sums: Array,
) -> None:  # fmt: skip
    """Add to sums[j, bin]: chi-square, and its expectation, of rays used by joints that three or more views measure.

    The expectation of one ray's chi-square is 2 minus what the fit took of it, the trace of its J'WJ times the joint's
    posterior covariance.
    """
    joints = table.shape[2]
    A, g = np.empty(6), np.empty(3)
    for n in range(table.shape[0]):
        m = slots[n]
        for j in range(joints):
            if views[n, j] < 3:
                continue
            cov = sym3(C[m, j])
            for c in range(table.shape[1]):
                i = table[n, c, j]
                if i < 0:
                    continue
                A[:] = 0.0
                one_ray(R[c], t[c], xy[i], info[i], xyz[n, j], A, g)
                taken = A[0] * cov[0] + A[3] * cov[3] + A[5] * cov[5]
                taken += 2 * (A[1] * cov[1] + A[2] * cov[2] + A[4] * cov[4])
                chi2 = chi_square(R[c], t[c], xy[i], info[i], xyz[n, j, 0], xyz[n, j, 1], xyz[n, j, 2])
                b = 0
                s = score[i // joints, i % joints]
                while b < edges.shape[0] and s >= edges[b]:
                    b += 1
                if taken < 1.6:
                    sums[j, b, 0] += chi2
                    sums[j, b, 1] += 2.0 - taken


@kernel
def one_ray(R: Array, t: Array, uv: Array, w: Array, point: Array, A: Array, g: Array) -> None:
    """J'WJ of one ray at a point, without a robust weight."""
    x, y, z = point[0], point[1], point[2]
    depth = R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2]
    u = (R[0, 0] * x + R[0, 1] * y + R[0, 2] * z + t[0]) / depth
    v = (R[1, 0] * x + R[1, 1] * y + R[1, 2] * z + t[1]) / depth
    a0, a1, a2 = R[0, 0] - u * R[2, 0], R[0, 1] - u * R[2, 1], R[0, 2] - u * R[2, 2]
    b0, b1, b2 = R[1, 0] - v * R[2, 0], R[1, 1] - v * R[2, 1], R[1, 2] - v * R[2, 2]
    k = 1.0 / (depth * depth)
    p0, p1, p2 = k * (w[0] * a0 + w[1] * b0), k * (w[0] * a1 + w[1] * b1), k * (w[0] * a2 + w[1] * b2)
    q0, q1, q2 = k * (w[1] * a0 + w[2] * b0), k * (w[1] * a1 + w[2] * b1), k * (w[1] * a2 + w[2] * b2)
    A[0] += a0 * p0 + b0 * q0
    A[1] += a0 * p1 + b0 * q1
    A[2] += a0 * p2 + b0 * q2
    A[3] += a1 * p1 + b1 * q1
    A[4] += a1 * p2 + b1 * q2
    A[5] += a2 * p2 + b2 * q2
