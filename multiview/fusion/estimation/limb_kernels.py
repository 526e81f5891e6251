"""Limbs that nobody sees: they go with the body, and swing about where a body would have them.

The learned body gives the place T and the covariance S of an unseen joint, given all that is seen. About T, which moves
and turns with the torso and with the other limbs, the joint's place x and velocity v are those of a damped oscillator
that random forces drive (Uhlenbeck and Ornstein 1930, On the theory of the Brownian motion),

    dx = v dt,    dv = -v / SWING_S dt - r (x - T) dt + white noise,            (1)

which forgets where the joint was seen last. The noise is such that after long x has the mean T and the covariance S,
and v has r S: the rate r, 1/s^2, says how quickly this person moves the joint, and is measured while it is seen, then
on the joints that are. A filter that holds a limb where it was last seen is overconfident after a fraction of a second.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.fusion.state.body_model import Body
from multiview.fusion.state.limb_prior import LimbPrior
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import (
    Mat3,
    Sym3,
    Vec3,
    add,
    add_vec,
    full,
    inverse_sym3,
    mat3,
    mul,
    mul_t,
    mul_vec,
    norm,
    put_mat3,
    put_sym3,
    put_vec3,
    scale,
    sub,
    sub_vec,
    sym3,
    transpose,
    upper,
    vec3,
)

SWING_S = 0.2  # in which a limb forgets its velocity: a quarter of a swing
RATE_S = 1.0  # over which the rate of a posture's change is averaged
STEADY = 0.06  # m^2, added to the torso's moments of inertia: one whose joints lie near each other does not spin
SMALLEST, LARGEST = 0.5, 1.5  # of an adult
LEAST_SD_M = 0.03


class LimbScratch(NamedTuple):
    """Memory for one person of J joints: the network's layers, and where unseen joints of limbs are expected.

    That is `predicted` before this frame is known, `mean` m with the covariance `cov` m^2 after it, and `ahead` in the
    next one, where the joints that are seen are then at `pos`.
    """

    inputs: Float64[np.ndarray, " 4*L"]
    hidden1: Float64[np.ndarray, " H"]
    hidden2: Float64[np.ndarray, " H"]
    outputs: Float64[np.ndarray, " 6*L"]
    predicted: Float64[np.ndarray, "J 3"]
    mean: Float64[np.ndarray, "J 3"]
    ahead: Float64[np.ndarray, "J 3"]
    cov: Float64[np.ndarray, "J 6"]
    pos: Float64[np.ndarray, "J 3"]

    @staticmethod
    def empty(prior: LimbPrior) -> LimbScratch:
        """Memory with nothing in it yet."""
        J = len(prior.near)
        return LimbScratch(
            inputs=np.zeros(len(prior.w1)),
            hidden1=np.zeros(len(prior.b1)),
            hidden2=np.zeros(len(prior.b2)),
            outputs=np.zeros(len(prior.b3)),
            predicted=np.zeros((J, 3)),
            mean=np.zeros((J, 3)),
            ahead=np.zeros((J, 3)),
            cov=np.zeros((J, 6)),
            pos=np.zeros((J, 3)),
        )


@inner
def is_unseen_limb(j: int, prior: LimbPrior, views: Array) -> bool:
    """Whether joint j is of a limb, and no view measures it."""
    return bool(views[j] == 0 and prior.near[j] >= 0)


@inner
def count_unseen(prior: LimbPrior, views: Array) -> int:
    """How many joints of limbs nobody sees."""
    count = 0
    for j in range(views.shape[0]):
        count += is_unseen_limb(j, prior, views)
    return count


@inner
def body_size(m: int, body: Body, people: State) -> float:
    """How large slot m is, by the bones of the limbs, relative to an adult."""
    own, adult = 0.0, 0.0
    for j in body.limbs.joints:
        if j >= 0 and people.length[m, j] > 0.0:
            own += people.length[m, j]
            adult += body.length[j]
    return min(LARGEST, max(SMALLEST, own / adult)) if adult > 0.0 else 1.0


@inner
def torso_axes(torso: Array, pos: Array) -> Mat3:
    """World from the torso's axes: forwards, left, up; NaN where they cannot be told."""
    ls, rs, lh, rh = vec3(pos[torso[0]]), vec3(pos[torso[1]]), vec3(pos[torso[2]]), vec3(pos[torso[3]])
    up = sub_vec(add_vec(ls, rs), add_vec(lh, rh))
    side = sub_vec(add_vec(ls, lh), add_vec(rs, rh))
    length = max(norm(up), 1e-9)
    x, y, z = up[0] / length, up[1] / length, up[2] / length
    along = side[0] * x + side[1] * y + side[2] * z
    left = side[0] - along * x, side[1] - along * y, side[2] - along * z
    length = max(norm(left), 1e-9)
    a, b, c = left[0] / length, left[1] / length, left[2] / length
    return b * z - c * y, a, x, c * x - a * z, b, y, a * y - b * x, c, z


@inner
def torso_turn(torso: Array, pos: Array, vel: Array) -> Vec3:
    """How fast the torso turns, rad/s: its angular momentum over its inertia."""
    share = 1.0 / torso.shape[0]
    c, v = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    for j in torso:
        c, v = add_vec(c, vec3(pos[j])), add_vec(v, vec3(vel[j]))
    c, v = (share * c[0], share * c[1], share * c[2]), (share * v[0], share * v[1], share * v[2])
    momentum, inertia = (0.0, 0.0, 0.0), (STEADY * STEADY, 0.0, 0.0, STEADY * STEADY, 0.0, STEADY * STEADY)
    for j in torso:
        r = sub_vec(vec3(pos[j]), c)
        momentum = add_vec(momentum, cross(r, sub_vec(vec3(vel[j]), v)))
        x, y, z = r
        xx, xy, xz, yy, yz, zz = inertia
        inertia = xx + y * y + z * z, xy - x * y, xz - x * z, yy + x * x + z * z, yz - y * z, zz + x * x + y * y
    return mul_vec(full(inverse_sym3(*inertia)), momentum)


@inner
def cross(a: Vec3, b: Vec3) -> Vec3:
    """The cross product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@inner
def rotation_velocity(turn: Vec3, r: Vec3, h: float) -> Vec3:
    """The mean velocity of a point at r that turns for h s."""
    x, y, z = cross(turn, r)
    return cross(turn, (r[0] + 0.5 * h * x, r[1] + 0.5 * h * y, r[2] + 0.5 * h * z))


@inner
def layer(inputs: Array, weights: Array, bias: Array, out: Array, rectified: bool) -> None:
    """One layer of the network."""
    for k in range(out.shape[0]):
        out[k] = bias[k]
    for i in range(inputs.shape[0]):
        x = inputs[i]
        if x != 0.0:
            for k in range(out.shape[0]):
                out[k] += x * weights[i, k]
    if rectified:
        for k in range(out.shape[0]):
            out[k] = max(out[k], 0.0)


@inner
def expect_limbs(
    prior: LimbPrior, pos: Array, views: Array, size: float, mean: Array, cov: Array, scratch: LimbScratch
) -> None:
    """Where unseen joints of limbs are expected: `mean` m and `cov` m^2 against their roots; other rows stay."""
    axes = torso_axes(prior.torso, pos)
    inputs, outputs = scratch.inputs, scratch.outputs
    for i in range(prior.joints.shape[0]):
        j, seen = prior.joints[i], False
        if j >= 0:
            seen = views[j] >= 2 and views[prior.root[j]] >= 2
        x, y, z = 0.0, 0.0, 0.0
        if seen:
            x, y, z = mul_vec(transpose(axes), sub_vec(vec3(pos[j]), vec3(pos[prior.root[j]])))
        inputs[4 * i] = 1.0 if seen else 0.0
        inputs[4 * i + 1], inputs[4 * i + 2], inputs[4 * i + 3] = x / size, y / size, z / size
    layer(inputs, prior.w1, prior.b1, scratch.hidden1, True)
    layer(scratch.hidden1, prior.w2, prior.b2, scratch.hidden2, True)
    layer(scratch.hidden2, prior.w3, prior.b3, outputs, False)
    for i in range(prior.joints.shape[0]):
        j, o = prior.joints[i], outputs[6 * i : 6 * i + 6]
        if j >= 0 and views[j] == 0:
            for k in range(3):
                o[3 + k] = max(math.exp(o[3 + k]), LEAST_SD_M)
            put_vec3(mean[j], add_vec(vec3(pos[prior.root[j]]), mul_vec(axes, (size * o[0], size * o[1], size * o[2]))))
            put_sym3(cov[j], spread(axes, size * o[3], size * o[4], size * o[5]))
    for i in range(prior.feet.shape[0]):
        j, a, o, sd = prior.feet[i], prior.near[prior.feet[i]], prior.foot_offset[i], prior.foot_spread[i]
        if views[j] == 0:
            base = vec3(mean[a]) if views[a] == 0 else vec3(pos[a])
            put_vec3(mean[j], add_vec(base, mul_vec(axes, (size * o[0], size * o[1], size * o[2]))))
            own = full(spread(axes, size * sd[0], size * sd[1], size * sd[2]))
            put_sym3(cov[j], upper(add(own, full(sym3(cov[a]))) if views[a] == 0 else own))


@inner
def spread(axes: Mat3, x: float, y: float, z: float) -> Sym3:
    """The covariance with these deviations along some axes."""
    return upper(mul_t(mul(axes, (x * x, 0.0, 0.0, 0.0, y * y, 0.0, 0.0, 0.0, z * z)), axes))


@kernel
def place_unseen(m: int, measured: Array, size: float, body: Body, people: State, scratch: LimbScratch) -> None:
    """Put slot m's unseen limbs where they are expected, with that covariance; `measured` (J) is 2 where it is."""
    prior = body.limbs
    if prior.torso.shape[0] == 0:
        return
    expect_limbs(prior, people.pos[m], measured, size, scratch.mean, scratch.cov, scratch)
    for j in range(measured.shape[0]):
        if is_unseen_limb(j, prior, measured):
            put_vec3(people.pos[m, j], vec3(scratch.mean[j]))
            put_sym3(people.cov_pp[m, j], with_root(j, m, measured, prior, people, scratch))


@inner
def with_root(j: int, m: int, views: Array, prior: LimbPrior, people: State, scratch: LimbScratch) -> Sym3:
    """The covariance of unseen joint j, with that of the joint of the torso that it hangs on, if nobody sees that."""
    own, root = sym3(scratch.cov[j]), prior.root[j]
    return own if views[root] > 0 else upper(add(full(own), full(sym3(people.cov_pp[m, root]))))


@inner
def predict_limbs(m: int, body: Body, people: State, views: Array, scratch: LimbScratch) -> None:
    """Where the unseen limbs of slot m are expected in this frame by its prediction."""
    prior = body.limbs
    if prior.torso.shape[0] > 0 and count_unseen(prior, views) > 0:
        size = body_size(m, body, people)
        expect_limbs(prior, people.pos[m], views, size, scratch.predicted, scratch.cov, scratch)


@inner
def swing_limbs(m: int, dt: float, body: Body, people: State, views: Array, scratch: LimbScratch) -> None:
    """The unseen limbs of slot m follow where they are expected, with velocities after (1) until the next frame.

    For these, `predict_limbs` was called before the frame was fitted.
    """
    prior, pos, vel = body.limbs, people.pos[m], people.vel[m]
    if prior.torso.shape[0] == 0:
        return
    if dt > 0.0:
        size, turn = body_size(m, body, people), torso_turn(prior.torso, pos, vel)
        follow_rates(m, dt, turn, size, body, people, views)
        if count_unseen(prior, views) > 0:
            expect_limbs(prior, pos, views, size, scratch.mean, scratch.cov, scratch)
            for j in range(views.shape[0]):
                for a in range(3):
                    scratch.pos[j, a] = pos[j, a] + dt * vel[j, a]
            expect_limbs(prior, scratch.pos, views, size, scratch.ahead, scratch.cov, scratch)
            for j in body.order:
                if is_unseen_limb(j, prior, views):
                    swing(j, m, dt, turn, with_root(j, m, views, prior, people, scratch), people, scratch)
    for j in range(views.shape[0]):
        if views[j] > 0:
            people.carried_vel[m, j, 0] = np.nan  # of a joint that is seen, its own velocity is known


@inner
def follow_rates(m: int, dt: float, turn: Vec3, size: float, body: Body, people: State, views: Array) -> None:
    """Follow the rates r: the squared speed of a joint against the torso, over its variance.

    That of a joint that is not seen follows those of all others together.
    """
    prior, pos, vel, rate = body.limbs, people.pos[m], people.vel[m], people.posture_rate[m]
    gain, speed_sq, variance = 1.0 - math.exp(-dt / RATE_S), 0.0, 0.0
    for i in range(prior.joints.shape[0]):
        j = prior.joints[i]
        if j >= 0 and views[j] >= 2 and views[prior.root[j]] >= 2:
            a = prior.root[j]
            x, y, z = sub_vec(sub_vec(vec3(vel[j]), vec3(vel[a])), cross(turn, sub_vec(vec3(pos[j]), vec3(pos[a]))))
            own, own_variance = x * x + y * y + z * z, size * size * prior.variance[i]
            rate[j] += gain * (own / own_variance - rate[j])
            speed_sq += own
            variance += own_variance
    if variance > 0.0:
        for j in range(views.shape[0]):
            if views[j] < 2 and prior.near[j] >= 0:
                rate[j] += gain * (speed_sq / variance - rate[j])
    for j in prior.feet:
        rate[j] = rate[prior.near[j]]


@inner
def swing(j: int, m: int, dt: float, turn: Vec3, S: Sym3, people: State, scratch: LimbScratch) -> None:
    """One unseen joint, which is expected at `scratch.mean` with the covariance S."""
    T, rate, before = vec3(scratch.mean[j]), people.posture_rate[m, j], vec3(people.carried_vel[m, j])
    p = add_vec(vec3(people.pos[m, j]), sub_vec(T, vec3(scratch.predicted[j])))
    r, ahead = sub_vec(p, T), sub_vec(vec3(scratch.ahead[j]), T)
    carried = add_vec((ahead[0] / dt, ahead[1] / dt, ahead[2] / dt), rotation_velocity(turn, r, dt))
    v = sub_vec(vec3(people.vel[m, j]), carried if math.isnan(before[0]) else before)
    keep = math.exp(-dt / SWING_S)
    pull = min(rate * SWING_S * (1.0 - keep), 0.5 / dt)
    v = keep * v[0] - pull * r[0], keep * v[1] - pull * r[1], keep * v[2] - pull * r[2]
    put_vec3(people.pos[m, j], p)
    put_vec3(people.vel[m, j], add_vec(carried, v))
    put_vec3(people.carried_vel[m, j], carried)
    P, X, V = full(sym3(people.cov_pp[m, j])), mat3(people.cov_pv[m, j]), full(sym3(people.cov_vv[m, j]))
    V = add(sub(scale(keep * keep, V), scale(keep * pull, add(X, transpose(X)))), scale(pull * pull, P))
    put_sym3(people.cov_vv[m, j], upper(add(V, scale(rate * (1.0 - keep * keep), full(S)))))
    put_mat3(people.cov_pv[m, j], sub(scale(keep, X), scale(pull, P)))
    people.acceleration_psd[m, j] = 0.0  # all that moves it is in the velocity
