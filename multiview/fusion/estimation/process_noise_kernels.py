"""How freely each joint may move: process noise that follows what happens, and joints that nothing measures."""

from __future__ import annotations

import math

from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.estimation.limb_kernels import is_unseen_limb
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import (
    add_vec,
    inverse_sym3,
    norm,
    put_mat3,
    put_sym3,
    put_vec3,
    sub_vec,
    sym3,
    vec3,
)

ADAPT_RATE, LEAK = 0.3, 0.1  # per frame: how fast the scale follows innovations, and how fast it returns to nominal
MAX_INNOVATION = 6.0  # of one joint in one frame, over its expectation: an outlier is no motion
MAX_LOG_SCALE = 4.0  # of `log_process_noise_scale`, either way
RELAX_S = 0.15  # time constant in which an unobserved joint takes on its parent's velocity
FREE_M_S = 0.8  # how fast an unobserved joint may move against its parent
SWING = 0.35  # how far an unobserved limb may swing, relative to its length
REJECTED_SD = 0.3  # where a joint may be whose rays gave an impossible bone, relative to the bone


@kernel
def adapt_process_noise(m: int, parent: Array, people: State, fit: FitScratch) -> None:
    """Adapt the process noise of slot m by covariance matching (Mehra 1972).

    A joint whose squared innovations exceed their expectation may move more freely, one with smaller ones less. Both
    are pooled with the neighbours on the tree.
    """
    scale = people.log_process_noise_scale[m]
    innovation_sq, expected_sq = fit.innovation_sq, fit.expected_innovation_sq
    pooled_sq, pooled_expected_sq = fit.pooled_sq, fit.pooled_expected_sq
    joints = parent.shape[0]
    for j in range(joints):
        innovation_sq[j] = min(innovation_sq[j], MAX_INNOVATION * expected_sq[j])
        pooled_sq[j], pooled_expected_sq[j] = innovation_sq[j], expected_sq[j]
    for j in range(joints):
        p = parent[j]
        if p >= 0:
            pooled_sq[p] += innovation_sq[j]
            pooled_expected_sq[p] += expected_sq[j]
            pooled_sq[j] += innovation_sq[p]
            pooled_expected_sq[j] += expected_sq[p]
    for j in range(joints):
        change = 0.0
        if pooled_expected_sq[j] > 0.0:
            change = ADAPT_RATE * ((pooled_sq[j] + 1.0) / (pooled_expected_sq[j] + 1.0) - 1.0)
        scale[j] = min(max((1.0 - LEAK) * (scale[j] + change), -MAX_LOG_SCALE), MAX_LOG_SCALE)


@inner
def reset_to_parent(j: int, m: int, body: Body, people: State, xyz: Array) -> None:
    """Forget where joint j is: it is put at its bone's length from its parent, in the direction it had, uncertain."""
    p, length = body.parent[j], people.length[m, j]
    put_sym3(people.measurement_cov[m, j], (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    people.reinitialised[m, j] = True
    if p < 0:
        put_sym3(people.predicted_information[m, j], inverse_sym3(*sym3(people.cov_pp[m, j])))
        return
    bone = sub_vec(vec3(people.pos[m, j]), vec3(people.pos[m, p]))
    now = norm(bone)
    s = length / now if now > 1e-6 else 0.0
    put_vec3(people.pos[m, j], add_vec(vec3(xyz[p]), (s * bone[0], s * bone[1], s * bone[2])))
    w, v = 1.0 / (REJECTED_SD * max(length, 0.05)) ** 2, FREE_M_S * FREE_M_S
    put_sym3(people.predicted_information[m, j], (w, 0.0, 0.0, w, 0.0, w))
    put_sym3(people.cov_pp[m, j], (1.0 / w, 0.0, 0.0, 1.0 / w, 0.0, 1.0 / w))
    put_mat3(people.cov_pv[m, j], (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    put_sym3(people.cov_vv[m, j], (v, 0.0, 0.0, v, 0.0, v))


@inner
def relaxation_gain(dt: float) -> float:
    """The share of RELAX_S that a frame is: how much of it unobserved joints relax."""
    return 1.0 - math.exp(-dt / RELAX_S)


@inner
def decay_unobserved_velocity(m: int, dt: float, body: Body, people: State, views: Array) -> None:
    """Joints that two views do not measure may swing about their parents; unseen ones end up moving with them.

    Unseen limbs do so after `limb_kernels`.
    """
    k = relaxation_gain(dt)
    free = FREE_M_S * FREE_M_S * k * (2 - k)
    vel, cov_pv, cov_vv = people.vel[m], people.cov_pv[m], people.cov_vv[m]
    for j in body.order:
        p = body.parent[j]
        if p < 0 or views[j] > 1 or is_unseen_limb(j, body.limbs, views):
            continue
        if views[j] == 0:
            for a in range(3):
                vel[j, a] += k * (vel[p, a] - vel[j, a])
            for a in range(9):
                cov_pv[j, a] *= 1 - k
            for a in range(6):
                cov_vv[j, a] *= (1 - k) * (1 - k)
        for a in (0, 3, 5):
            cov_vv[j, a] += free


@inner
def swing_sd(length: float) -> float:
    """How far an unobserved limb may swing, m."""
    return SWING * length + 0.02
