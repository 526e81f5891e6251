"""The kernel that fits the skeletons of everyone in a frame."""

from __future__ import annotations

import numpy as np

from multiview.fit.adapt_kernels import adapt, hang_on_parent, relax, settled, slack
from multiview.fit.body import Body
from multiview.fit.bone_kernels import gate_bones, learn_bones
from multiview.fit.filter_kernels import measure
from multiview.fit.people import State
from multiview.fit.point_kernels import sight_of
from multiview.fit.skeleton_kernels import Pulls, fit_skeleton
from multiview.geometry.jit import Array, inner
from multiview.geometry.small_kernels import copy_row
from multiview.geometry.triangulate_kernels import refine
from multiview.rays import PackedRig, Rays

SHARE = 0.1  # of the prediction's information that the fit of one frame leans on
STEPS = 4


@inner
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
    """Gate and learn the bones, fit every skeleton to its rays, and let the filters measure the result.

    The fit is one of this frame: what a joint's neighbours saw in earlier frames reached it then, through their bones,
    and must not be counted again. It leans on the predictions just enough to be well posed.

    `usual` is the agility of each joint while nothing surprises, `persistence` the correlation of a ray's error with
    the one in the last frame.
    """
    sight = sight_of(rays, rig)
    joints = table.shape[2]
    C, D = np.empty((joints, 6)), np.empty((joints, 6))
    pull, offset = np.empty((joints, 3)), np.empty((joints, 3))
    found, expected = np.empty(joints), np.empty(joints)
    row = np.empty(table.shape[1], dtype=np.int64)
    for n in range(slots.shape[0]):
        m = slots[n]
        before = views[n].copy()
        if not people.anew[m].all():  # the rays of the newborn were chosen by their bones
            gate_bones(body, people.length[m], people.variance[m], xyz[n], H[n], table[n], views[n], gate)
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
        learn_bones(m, body, people, persistence, views[n], xyz[n], H[n])
        rays_of_this_frame(m, people, views[n], xyz[n], H[n], D, pull)
        fit_skeleton(body.graph, pulls_of(m, dt[n], body, people, views[n], offset), xyz[n], D, pull, C)
        measure(m, people, dt[n], persistence, SHARE, views[n], xyz[n], C, found, expected)
        adapt(m, body.parent, people, usual, found, expected)
        relax(m, dt[n], body, people, views[n])
        for j in range(table.shape[2]):
            people.known[m, j] = people.known[m, j] or views[n, j] >= 2


@inner
def rays_of_this_frame(m: int, people: State, views: Array, xyz: Array, H: Array, D: Array, pull: Array) -> None:
    """Information D and pull of each joint at `xyz`, of its rays and of SHARE of slot m's prediction.

    H and `xyz` still have the whole prediction in them; joints without rays are put where they are predicted.
    """
    k = 1.0 - SHARE
    for j in range(xyz.shape[0]):
        W, mean, d = people.prior[m, j], people.pos[m, j], D[j]
        if views[j] == 0:
            copy_row(mean, xyz[j])
            for i in range(6):
                d[i] = SHARE * W[i]
            pull[j] = 0.0
            continue
        x, y, z = xyz[j, 0] - mean[0], xyz[j, 1] - mean[1], xyz[j, 2] - mean[2]
        for i in range(6):
            d[i] = H[j, i] - k * W[i]
        pull[j, 0] = k * (W[0] * x + W[1] * y + W[2] * z)
        pull[j, 1] = k * (W[1] * x + W[3] * y + W[4] * z)
        pull[j, 2] = k * (W[2] * x + W[4] * y + W[5] * z)


@inner
def pulls_of(m: int, dt: float, body: Body, people: State, views: Array, offset: Array) -> Pulls:
    """What slot m's bones say of where the joints are.

    Of a joint that two views do not measure they say the same in every frame, which must not make it ever surer.
    """
    length = people.length[m]
    again = settled(dt) if dt > 0.0 else 1.0
    stiffness, tether = np.zeros(length.shape[0]), np.zeros(offset.shape[0])
    for e in range(length.shape[0]):
        if length[e] > 0.0:
            stiffness[e] = 1.0 / (people.variance[m, e] + (people.bend[m, e] * length[e]) ** 2 + 1e-6)
            if views[body.ends[e, 0]] < 2 or views[body.ends[e, 1]] < 2:
                stiffness[e] *= again
    for j in range(offset.shape[0]):
        if body.parent[j] >= 0 and length[j] > 0.0 and views[j] < 2:
            tether[j] = again / slack(length[j]) ** 2
    return Pulls(body.ends, length, stiffness, offset, tether)
