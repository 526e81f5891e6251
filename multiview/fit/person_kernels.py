"""The two kernels that run over everyone in a frame: triangulate all joints, fit all skeletons."""

from __future__ import annotations

import numpy as np

from multiview.fit.adapt_kernels import adapt, hang_on_parent, relax
from multiview.fit.body import Body
from multiview.fit.bone_kernels import gate_bones, learn_bones
from multiview.fit.filter_kernels import correct, measure
from multiview.fit.people import State
from multiview.fit.skeleton_kernels import Pulls, fit_skeleton
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.small_kernels import copy_row, inverse_sym3
from multiview.geometry.triangulate_kernels import Sight, consensus, refine, with_prediction
from multiview.rays import PackedRig, Rays

TETHER = 0.35  # how far a limb that no one sees may swing, relative to its length
STEPS = 4


@inner
def sight_of(rays: Rays, rig: PackedRig) -> Sight:
    """A frame's rays by row (detection * J + joint)."""
    return Sight(rays.xy.reshape(-1, 2), rays.info.reshape(-1, 3), rays.ray.reshape(-1, 3), rig.R, rig.t, rig.centre)


@kernel
def triangulate_people(
    slots: Array,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    gate: float,
    people: State,
    xyz: Array,
    H: Array,
    views: Array,
) -> None:
    """Each joint's point and information H from its rays and its prediction; outliers leave `table`.

    A prediction that three views overrule is forgotten (its `prior` becomes 0).
    """
    sight = sight_of(rays, rig)
    row = np.empty(table.shape[1], dtype=np.int64)
    for n in range(slots.shape[0]):
        m = slots[n]
        for j in range(table.shape[2]):
            seen, kept = 0, 0
            for c in range(row.shape[0]):
                row[c] = table[n, c, j]
                seen += row[c] >= 0
            copy_row(people.pos[m, j], xyz[n, j])
            prior = people.prior[m, j]
            if prior[0] > 0.0:
                copy_row(prior, H[n, j])
                if seen:
                    kept = with_prediction(row, sight, gate, people.pos[m, j], prior, xyz[n, j], H[n, j])
            elif seen >= 2:
                kept = consensus(row, sight, gate, xyz[n, j], H[n, j])
            else:
                row[:] = -1
            views[n, j] = kept
            for c in range(row.shape[0]):
                table[n, c, j] = row[c]


@kernel
def fit_people(
    slots: Array,
    dt: Array,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    body: Body,
    usual: Array,
    gate: float,
    persistence: float,
    people: State,
    xyz: Array,
    H: Array,
    views: Array,
) -> None:
    """Gate and learn the bones, fit every skeleton, and carry the result into the filters.

    `usual` is the agility of each joint while nothing surprises, `persistence` the correlation of a ray's error with
    the one in the last frame.
    """
    sight = sight_of(rays, rig)
    joints = table.shape[2]
    C, offset = np.empty((joints, 6)), np.empty((joints, 3))
    found, expected = np.empty(joints), np.empty(joints)
    row = np.empty(table.shape[1], dtype=np.int64)
    nobody = np.empty((0, joints), dtype=np.int64)
    for n in range(slots.shape[0]):
        m = slots[n]
        before = views[n].copy()
        gate_bones(body, people.length[m], xyz[n], H[n], table[n], views[n], gate)
        for j in body.order:
            if before[j] >= 2 and views[n, j] <= 0:
                hang_on_parent(j, m, body, people, xyz[n])
            if views[n, j] < 0:
                views[n, j] = -views[n, j]
                for c in range(row.shape[0]):
                    row[c] = table[n, c, j]
                copy_row(people.pos[m, j], xyz[n, j])
                refine(row, sight, people.pos[m, j], people.prior[m, j], STEPS, xyz[n, j], H[n, j])
        for j in range(joints):
            p = body.parent[j]
            for k in range(3):
                offset[j, k] = people.pos[m, j, k] - people.pos[m, p, k] if p >= 0 else 0.0
        learn_bones(m, body, people, views[n], xyz[n], H[n])
        measure(m, people, persistence, views[n], xyz[n], H[n], found, expected)
        adapt(m, body.parent, people, usual, found, expected)
        pulls = pulls_of(m, body, people, views[n], offset)
        for j in range(joints):
            copy_row(people.pos[m, j], xyz[n, j])
        fit_skeleton(nobody, sight, body.parent, body.order, pulls, STEPS, xyz[n], C)
        correct(m, people, pulls.prior, xyz[n], C)
        relax(m, dt[n], body, people, views[n])
        for j in range(table.shape[2]):
            people.known[m, j] = people.known[m, j] or views[n, j] >= 2


@inner
def pulls_of(m: int, body: Body, people: State, views: Array, offset: Array) -> Pulls:
    """What slot m's filters and bones say of where the joints are."""
    joints = body.parent.shape[0]
    stiffness, tether, known = np.zeros(joints), np.zeros(joints), np.empty((joints, 6))
    length = people.length[m]
    for j in range(joints):
        p = body.parent[j]
        if p < 0:
            continue
        if length[j] > 0.0:
            stiffness[j] = 1.0 / (people.variance[m, j] + (people.bend[m, j] * length[j]) ** 2 + 1e-6)
            if views[j] < 2:
                tether[j] = 1.0 / (TETHER * length[j] + 0.02) ** 2
    for j in range(joints):
        w = people.pp[m, j]
        known[j, 0], known[j, 1], known[j, 2], known[j, 3], known[j, 4], known[j, 5] = inverse_sym3(
            w[0], w[1], w[2], w[3], w[4], w[5]
        )
    return Pulls(people.pos[m], known, length, stiffness, offset, tether)
