"""The kernel that fits the skeletons of everyone in a frame."""

from __future__ import annotations

import math

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.sight_kernels import sight_of
from multiview.fusion.estimation.bone_length_kernels import gate_bones, learn_bones, strange_bones
from multiview.fusion.estimation.kalman_kernels import measure
from multiview.fusion.estimation.lane_group_kernels import (
    Group,
    gather,
    gather_points,
    scatter,
)
from multiview.fusion.estimation.process_noise_kernels import adapt, hang_on_parent, relax, settled, slack
from multiview.fusion.estimation.skeleton_kernels import Pulls, fit_skeleton
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State
from multiview.geometry.four import LANES, choose, load, store
from multiview.geometry.jit import Array, inner
from multiview.geometry.row_kernels import six, store_six, store_three, three
from multiview.geometry.sym3_kernels import copy_row
from multiview.geometry.triangulate_kernels import refine

SHARE = 0.1  # of the prediction's information that the fit of one frame leans on
STEPS = 4


@inner
def fit_people(
    slots: Array,
    tracked: int,
    dt: float,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    body: Body,
    usual: Array,
    gate: float,
    error_autocorrelation: float,
    people: State,
    xyz: Array,
    H: Array,
    views: Array,
    group: Group,
) -> None:
    """Gate and learn the bones, fit every skeleton to its rays, and let the filters measure the result.

    The fit is one of this frame: what a joint's neighbours saw in earlier frames reached it then, through their bones,
    and must not be counted again. It leans on the predictions just enough to be well posed. Four people are worked on
    side by side.

    dt s have passed for the first `tracked` people; the others are new. `usual` is the nominal
    `acceleration_psd` of each joint, `error_autocorrelation` that of a ray's error from frame to frame; `group` is room
    to do it in.
    """
    count = slots.shape[0]
    for begin in range(0, count, LANES):
        last = count - 1  # lanes without anyone do what the last person does
        who = begin, min(begin + 1, last), min(begin + 2, last), min(begin + 3, last)
        slot = slots[who[0]], slots[who[1]], slots[who[2]], slots[who[3]]
        for k in range(LANES):
            group.dt[0, k] = passed = dt if who[k] < tracked else 0.0
            group.again[0, k] = settled(passed) if passed > 0.0 else 1.0
        gather(people, slot, group)
        gather_points(xyz, H, views, who, group)
        if strange_bones(group, body):
            changed = False
            for k in range(min(LANES, count - begin)):
                n = begin + k
                if group.off[0, k] > 0.0:
                    mended = _mind_bones(slots[n], body, people, rays, rig, table[n], gate, xyz[n], H[n], views[n])
                    changed = changed or mended
            if changed:
                gather(people, slot, group)
                gather_points(xyz, H, views, who, group)
        learn_bones(group, body, error_autocorrelation)
        _rays_of_this_frame(group)
        _tie(group, body)
        pulls = Pulls(body.ends, group.length, group.stiffness, group.offset, group.tether)
        fit_skeleton(body.graph, pulls, group.xyz, group.D, group.pull, group.C, group.room)
        measure(group, error_autocorrelation, SHARE)
        adapt(group, body.parent)
        scatter(group, slot, people)
        for k in range(min(LANES, count - begin)):
            _go_on(slot[k], group.dt[0, k], body, people, usual, views[who[k]])


@inner
def _mind_bones(
    m: int, body: Body, people: State, rays: Rays, rig: PackedRig, table: Array, gate: float,
    xyz: Array, H: Array, views: Array,
) -> bool:  # fmt: skip
    """Take the rays from joints of slot m whose bones are impossible, and place those joints anew; whether any are."""
    if people.reinitialised[m].all():  # the rays of the newborn were chosen by their bones
        return False
    changed, before = False, views.copy()
    gate_bones(body, people.length[m], people.length_variance[m], xyz, H, table, views, gate)
    sight, row = sight_of(rays, rig), np.empty(table.shape[0], dtype=np.int64)
    for j in body.order:
        changed = changed or views[j] != before[j]
        if before[j] >= 2 and views[j] <= 0:
            hang_on_parent(j, m, body, people, xyz)
        if views[j] < 0:
            views[j] = -views[j]
            for c in range(row.shape[0]):
                row[c] = table[c, j]
            copy_row(people.pos[m, j], xyz[j])
            refine(row, sight, people.pos[m, j], people.predicted_information[m, j], STEPS, xyz[j], H[j])
    return changed


@inner
def _go_on(m: int, dt: float, body: Body, people: State, usual: Array, views: Array) -> None:
    """What follows for the next frame: how slot m's joints may move."""
    for j in range(views.shape[0]):
        people.acceleration_psd[m, j] = usual[j] * math.exp(people.log_process_noise_scale[m, j])
        people.reinitialised[m, j] = people.reinitialised[m, j] or people.predicted_information[m, j, 0] == 0.0
        people.has_estimate[m, j] = people.has_estimate[m, j] or views[j] >= 2
    relax(m, dt, body, people, views)


@inner
def _rays_of_this_frame(people: Group) -> None:
    """Information D and pull of each joint at `xyz`, of its rays and of SHARE of the prediction.

    H and `xyz` still have the whole prediction in them; joints without rays are put where they are predicted.
    """
    kept = 1.0 - SHARE
    for j in range(people.views.shape[0]):
        none = load(people.views, j) == 0.0
        h0, h1, h2, h3, h4, h5 = six(people.H, 6 * j)
        w0, w1, w2, w3, w4, w5 = six(people.predicted_information, 6 * j)
        mx, my, mz = three(people.pos, 3 * j)
        px, py, pz = three(people.xyz, 3 * j)
        x, y, z = px - mx, py - my, pz - mz
        store_six(
            people.D, 6 * j,
            choose(none, SHARE * w0, h0 - kept * w0), choose(none, SHARE * w1, h1 - kept * w1),
            choose(none, SHARE * w2, h2 - kept * w2), choose(none, SHARE * w3, h3 - kept * w3),
            choose(none, SHARE * w4, h4 - kept * w4), choose(none, SHARE * w5, h5 - kept * w5),
        )  # fmt: skip
        store_three(
            people.pull, 3 * j,
            choose(none, 0.0, kept * (w0 * x + w1 * y + w2 * z)),
            choose(none, 0.0, kept * (w1 * x + w3 * y + w4 * z)),
            choose(none, 0.0, kept * (w2 * x + w4 * y + w5 * z)),
        )  # fmt: skip
        store_three(people.xyz, 3 * j, choose(none, mx, px), choose(none, my, py), choose(none, mz, pz))


@inner
def _tie(people: Group, body: Body) -> None:
    """What the bones say of where the joints are: `stiffness`, `tether` and `offset`.

    Of a joint that two views do not measure they say the same in every frame, which must not make it ever surer.
    """
    again = load(people.again, 0)
    for e in range(body.ends.shape[0]):
        j, p = body.ends[e, 0], body.ends[e, 1]
        if p < 0:
            store(people.stiffness, e, 0.0)
            continue
        length = load(people.length, e)
        give = load(people.length_cv, e) * length
        s = 1.0 / (load(people.length_variance, e) + give * give + 1e-6)
        doubtful = (load(people.views, j) < 2.0) | (load(people.views, p) < 2.0)
        store(people.stiffness, e, choose(length > 0.0, choose(doubtful, s * again, s), 0.0))
    for j in range(people.views.shape[0]):
        p = body.parent[j]
        if p < 0:
            store(people.tether, j, 0.0)
            store_three(people.offset, 3 * j, 0.0, 0.0, 0.0)
            continue
        length = load(people.length, j)
        swing = slack(length)
        tied = (length > 0.0) & (load(people.views, j) < 2.0)
        store(people.tether, j, choose(tied, again / (swing * swing), 0.0))
        x, y, z = three(people.pos, 3 * j)
        px, py, pz = three(people.pos, 3 * p)
        store_three(people.offset, 3 * j, x - px, y - py, z - pz)
