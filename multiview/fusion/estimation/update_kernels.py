"""The kernel that fits the skeletons of everyone in a frame and updates their filters."""

from __future__ import annotations

import math

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.cameras.ray_bundle_kernels import ray_bundle
from multiview.fusion.estimation.bone_length_kernels import agreement, bone_length_outliers, gate_bones, learn_bones
from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.estimation.kalman_kernels import update_joints
from multiview.fusion.estimation.limb_kernels import is_unseen_limb, predict_limbs, swing_limbs
from multiview.fusion.estimation.process_noise_kernels import (
    adapt_process_noise,
    decay_unobserved_velocity,
    relaxation_gain,
    reset_to_parent,
    swing_sd,
)
from multiview.fusion.estimation.skeleton_kernels import fit_skeleton
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner
from multiview.geometry.sym3_kernels import (
    copy_row,
    full,
    mul_vec,
    put_sym3,
    put_vec3,
    scale,
    sub,
    sub_vec,
    sym3,
    upper,
    vec3,
)
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
    nominal_psd: Array,
    gate: float,
    autocorrelation: float,
    people: State,
    xyz: Array,
    H: Array,
    views: Array,
    fit: FitScratch,
) -> None:
    """Gate and learn the bones, fit every skeleton to its rays, and update the filters by the result.

    The fit is one of this frame: what a joint's neighbours saw in earlier frames reached it then, through their bones,
    and must not be counted again. It leans on the predictions just enough to be well posed.

    dt s have passed for the first `tracked` people; the others are new. `nominal_psd` is the `acceleration_psd` of each
    joint before it is adapted, `autocorrelation` that of a ray's error from frame to frame.
    """
    for n in range(slots.shape[0]):
        m, elapsed = slots[n], dt if n < tracked else 0.0
        if bone_length_outliers(m, body, people, xyz[n], views[n]):
            reject_bone_outliers(m, body, people, rays, rig, table[n], gate, xyz[n], H[n], views[n])
        learn_bones(m, body, autocorrelation, people, xyz[n], H[n], views[n], fit)
        predict_limbs(m, body, people, views[n], fit.limbs)
        frame_information(m, people, xyz[n], H[n], views[n], fit)
        bone_constraints(m, elapsed, body, people, views[n], fit)
        fit_skeleton(body.graph, body.ends, fit.bones, fit.equations, fit.xyz, fit.cov)
        update_joints(m, elapsed, autocorrelation, SHARE, views[n], people, fit)
        adapt_process_noise(m, body.parent, people, fit)
        prepare_next_frame(m, elapsed, body, people, nominal_psd, views[n], fit)


@inner
def reject_bone_outliers(
    m: int, body: Body, people: State, rays: Rays, rig: PackedRig, table: Array, gate: float,
    xyz: Array, H: Array, views: Array,
) -> None:  # fmt: skip
    """Take the rays from joints of slot m whose bones are impossible, and triangulate those joints again."""
    if people.reinitialised[m].all():  # the rays of the newborn were chosen by their bones
        return
    before = views.copy()
    gate_bones(body, people.length[m], people.length_variance[m], xyz, H, table, views, gate)
    sight, row = ray_bundle(rays, rig), np.empty(table.shape[0], dtype=np.int64)
    for j in body.order:
        if before[j] >= 2 and views[j] <= 0:
            reset_to_parent(j, m, body, people, xyz)
        if views[j] < 0:
            views[j] = -views[j]
            for c in range(row.shape[0]):
                row[c] = table[c, j]
            copy_row(people.pos[m, j], xyz[j])
            refine(row, sight, people.pos[m, j], people.predicted_information[m, j], STEPS, xyz[j], H[j])


@inner
def frame_information(m: int, people: State, xyz: Array, H: Array, views: Array, fit: FitScratch) -> None:
    """Each joint's information and gradient at `xyz`, of its rays and of SHARE of the prediction.

    `xyz` is where the gradients of rays and of the whole prediction cancel, and H has both in it. Joints without rays
    are put where they are predicted.
    """
    kept = 1.0 - SHARE
    pos, prior = people.pos[m], people.predicted_information[m]
    for j in range(views.shape[0]):
        W, mean = full(sym3(prior[j])), vec3(pos[j])
        if views[j] == 0:
            put_vec3(fit.xyz[j], mean)
            put_sym3(fit.equations.information[j], upper(scale(SHARE, W)))
            put_vec3(fit.equations.gradient[j], (0.0, 0.0, 0.0))
            continue
        pull = mul_vec(W, sub_vec(vec3(xyz[j]), mean))
        put_vec3(fit.xyz[j], vec3(xyz[j]))
        put_sym3(fit.equations.information[j], upper(sub(full(sym3(H[j])), scale(kept, W))))
        put_vec3(fit.equations.gradient[j], (kept * pull[0], kept * pull[1], kept * pull[2]))


@inner
def bone_constraints(m: int, dt: float, body: Body, people: State, views: Array, fit: FitScratch) -> None:
    """What the bones of slot m say of where the joints are.

    Of a joint that two views do not measure they say the same in every frame, so only the share of the information that
    is forgotten in dt s is added again. Such a joint is also held near where it was relative to its parent, unless it
    is of a limb that nobody sees, and swings. A brace
    that need not be rigid counts while this frame's rays agree with it.
    """
    length, variance, cv, pos = people.length[m], people.length_variance[m], people.length_cv[m], people.pos[m]
    bones = fit.bones
    information_scale = relaxation_gain(dt) if dt > 0.0 else 1.0
    for e in range(body.ends.shape[0]):
        j, p = body.ends[e, 0], body.ends[e, 1]
        bones.length[e], bones.length_information[e] = length[e], 0.0
        if p >= 0 and length[e] > 0.0:
            variation = cv[e] * length[e]
            information = 1.0 / (variance[e] + variation * variation + 1e-6)
            unobserved = views[j] < 2 or views[p] < 2
            bones.length_information[e] = information * information_scale if unobserved else information
            if e >= views.shape[0] and body.nonrigid[e] and not unobserved:
                bone = sub_vec(vec3(fit.rays_xyz[j]), vec3(fit.rays_xyz[p]))
                spread = variance[e] + variation * variation
                own, other = sym3(fit.rays_cov[j]), sym3(fit.rays_cov[p])
                bones.length_information[e] *= agreement(bone, own, other, length[e], spread)
    for j in range(views.shape[0]):
        p = body.parent[j]
        bones.offset_information[j] = 0.0
        fit.swings[j] = is_unseen_limb(j, body.limbs, views)
        if p >= 0 and length[j] > 0.0 and views[j] < 2 and not fit.swings[j]:
            sd = swing_sd(length[j])
            bones.offset_information[j] = information_scale / (sd * sd)
            put_vec3(bones.rest_offset[j], sub_vec(vec3(pos[j]), vec3(pos[p])))


@inner
def prepare_next_frame(
    m: int, dt: float, body: Body, people: State, nominal_psd: Array, views: Array, fit: FitScratch
) -> None:
    """Set how slot m's joints may move until the next frame."""
    for j in range(views.shape[0]):
        people.acceleration_psd[m, j] = nominal_psd[j] * math.exp(people.log_process_noise_scale[m, j])
        unpredicted = people.predicted_information[m, j, 0] == 0.0
        people.reinitialised[m, j] = people.reinitialised[m, j] or unpredicted
        people.has_estimate[m, j] = people.has_estimate[m, j] or views[j] >= 2
    decay_unobserved_velocity(m, dt, body, people, views)
    swing_limbs(m, dt, body, people, views, fit.limbs)
