"""How each joint's motion model follows what happens: surprises, joints that no view sees, joints that ran away."""

from __future__ import annotations

import math

import numpy as np

from multiview.fusion.estimation.lane_group_kernels import Group
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import State
from multiview.geometry.four import choose, load, store
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import copy_row, inverse_sym3

GAIN, LEAK = 0.3, 0.1  # per frame: how fast a joint is found livelier than usual, and how fast that is forgotten
MOST_SURPRISE = 6.0  # of one joint in one frame, over its expectation: an outlier is no motion
MOST_LIVELY = 4.0  # of `log_process_noise_scale`, either way
RELAX_S = 0.15  # an unseen joint's own motion fades into its parent's in this time
FREE_M_S = 0.8  # how fast an unseen joint may move against its parent
SWING = 0.35  # how far a limb that no one sees may swing, relative to its length
LOST_SD = 0.3  # where a joint lies whose rays gave an impossible bone, relative to the bone


@kernel
def adapt(people: Group, parent: Array) -> None:
    """Let a joint that surprises its prediction move more freely, and one that never does less: its
    `log_process_noise_scale`.

    `innovation_sq` are squared innovations under the prediction's covariance, `expected_innovation_sq` what they should
    be on average (0: not measured); both are pooled with the neighbours on the tree (covariance matching: Mehra 1972).
    """
    joints = parent.shape[0]
    around = people.room
    for j in range(joints):
        found, expected = load(people.innovation_sq, j), load(people.expected_innovation_sq, j)
        most = MOST_SURPRISE * expected
        found = choose(most < found, most, found)
        store(people.innovation_sq, j, found)
        store(around, 2 * j, found)
        store(around, 2 * j + 1, expected)
    for j in range(joints):
        p = parent[j]
        if p >= 0:
            store(around, 2 * p, load(around, 2 * p) + load(people.innovation_sq, j))
            store(around, 2 * p + 1, load(around, 2 * p + 1) + load(people.expected_innovation_sq, j))
            store(around, 2 * j, load(around, 2 * j) + load(people.innovation_sq, p))
            store(around, 2 * j + 1, load(around, 2 * j + 1) + load(people.expected_innovation_sq, p))
    for j in range(joints):
        found, expected, surprise = (
            load(around, 2 * j),
            load(around, 2 * j + 1),
            load(people.log_process_noise_scale, j),
        )
        more = surprise + GAIN * ((found + 1.0) / (expected + 1.0) - 1.0)
        left = (1.0 - LEAK) * choose(expected > 0.0, more, surprise)
        left = choose(left > -MOST_LIVELY, left, -MOST_LIVELY)
        store(people.log_process_noise_scale, j, choose(left < MOST_LIVELY, left, MOST_LIVELY))


@inner
def hang_on_parent(j: int, m: int, body: Body, people: State, xyz: Array) -> None:
    """Forget where a joint is: it hangs on its parent in the direction it had, and may be anywhere near."""
    p = body.parent[j]
    people.measurement_cov[m, j] = 0.0
    people.reinitialised[m, j] = True
    if p < 0:
        w = people.cov_pp[m, j]
        copy_row(np.array(inverse_sym3(w[0], w[1], w[2], w[3], w[4], w[5])), people.predicted_information[m, j])
        return
    pos, length = people.pos[m], people.length[m, j]
    x, y, z = pos[j, 0] - pos[p, 0], pos[j, 1] - pos[p, 1], pos[j, 2] - pos[p, 2]
    now = math.sqrt(x * x + y * y + z * z)
    s = length / now if now > 1e-6 else 0.0
    w = 1.0 / (LOST_SD * max(length, 0.05)) ** 2
    pos[j, 0], pos[j, 1], pos[j, 2] = xyz[p, 0] + s * x, xyz[p, 1] + s * y, xyz[p, 2] + s * z
    for k in range(6):
        diagonal = k == 0 or k == 3 or k == 5
        people.predicted_information[m, j, k] = w if diagonal else 0.0
        people.cov_pp[m, j, k] = 1.0 / w if diagonal else 0.0
        people.cov_vv[m, j, k] = FREE_M_S * FREE_M_S if diagonal else 0.0
    people.cov_pv[m, j] = 0.0


@inner
def settled(dt: float) -> float:
    """The share of RELAX_S that a frame is: what it may add to what is known of joints without rays."""
    return 1.0 - math.exp(-dt / RELAX_S)


@inner
def relax(m: int, dt: float, body: Body, people: State, views: Array) -> None:
    """Joints that two views do not measure may swing about their parents; unseen ones end up moving with them."""
    k = settled(dt)
    free = FREE_M_S * FREE_M_S * k * (2 - k)
    for j in body.order:
        p = body.parent[j]
        if p < 0 or views[j] > 1:
            continue
        if views[j] == 0:
            for a in range(3):
                people.vel[m, j, a] += k * (people.vel[m, p, a] - people.vel[m, j, a])
            for a in range(9):
                people.cov_pv[m, j, a] *= 1 - k
            for a in range(6):
                people.cov_vv[m, j, a] *= (1 - k) * (1 - k)
        for a in (0, 3, 5):
            people.cov_vv[m, j, a] += free


@inner
def slack(length: float) -> float:
    """How far a limb that no one sees may swing, m."""
    return SWING * length + 0.02
