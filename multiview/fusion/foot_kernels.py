"""Feet that stand: contacts by height and speed with hysteresis, and the place of a point that stands still.

A point of a foot (heel, toe; ankle where the skeleton has no better) touches down once it has been low and slow for a
moment, and lifts off when it is high or fast by the upper bounds, or when what is measured of it leaves its place. In
between it stands still: its velocity is a pseudo-measurement of 0 (Foxlin 2005, Pedestrian tracking with shoe-mounted
inertial sensors), which leaves a random walk as slow as a shoe that creeps. With the joint's measurement z, whose error
is autocorrelated by q (`kalman_kernels`), and the place p of a point that stands,

    (z[k] - q z[k-1]) / (1 - q) = p + white noise                               (1)

The place begins as the joint's own filter left it. All that is measured later is new, so its covariance is honest.

Live, a point may be leaving before it has moved beyond the noise: where it rises by its filter and by its measurements
at once, less than either would have to alone; heels and ankles where the shank leans further ahead than ankles bend in
walking; and toes, which leave last, where their ankle is far ahead of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from multiview.fusion.estimation.rts_kernels import COV, REINITIALISED
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import (
    Sym3,
    Vec3,
    add,
    add_vec,
    copy_row,
    full,
    inverse_sym3,
    mul,
    mul_vec,
    norm,
    put_sym3,
    put_vec3,
    quadratic_sym3,
    scale,
    sub,
    sub_vec,
    sym3,
    transpose,
    upper,
    vec3,
)

LOW_M, HIGH_M = 0.045, 0.08  # above where the point is when it lies on the floor
SLOW_M_S, FAST_M_S = 0.25, 0.5
SETTLED_S, SETTLED_LATER_S = 0.08, 0.05  # low and slow and in one place for so long is down; the second, looking back
SURE = 2.0  # standard deviations that a velocity exceeds a bound by
CREEP_M2_S = 0.003**2  # random walk of a point that stands: shoes creep
FORGOTTEN = 0.6  # of the drift, from frame to frame
LEFT = 14.0  # chi-square of the drift, three degrees of freedom, beyond which the point has left: once in 350 frames
DOUBT, RISING = 8.0, 1.9  # chi-square, and standard deviations upwards, beyond which it may be leaving
BEGINS, RISES_M_S = 1.0, 0.15  # the same where the filter's upward velocity exceeds the second
ANKLE_M_S = 0.9  # of the ankle over toes that turn on the floor: they leave next
# Sine of the shank's lean the way the hip goes, if it goes so fast: in walking ankles bend by 10 to 20 degrees before
# the heel rises (Perry and Burnfield, Gait Analysis, 2010). Who squats or lunges on the spot bends it further.
LEAN, WALKS_M_S = math.sin(math.radians(25.0)), 0.5
RISE_M_S = 0.05  # the floor of a person may rise so fast: stages, stairs
LEAVING_S = 0.04  # before a contact ends
UNNOTICED_M = 0.003  # how far a point has left before that shows
SHOWN_M_S, RETURN_S = 0.010, 0.04  # how fast a standing point is corrected, and how a lifted one returns to its joint


class Feet(NamedTuple):
    """M slots of F points of feet, of which those `on` stand.

    `since` s a point has been low and slow; `level` m is its height when it lies, infinite while unknown. `place` m
    with covariance `cov` m^2 is where it stands, `last` what was measured of it in the last frame, with `last_cov`
    (zero where nothing was); `drift` the sum of the forgotten innovations, `drift_cov` its covariance. `shown` m is
    where the point is said to be, `offset` m that less its joint.
    """

    on: Bool[np.ndarray, "M F"]
    since: Float64[np.ndarray, "M F"]
    level: Float64[np.ndarray, "M F"]
    place: Float64[np.ndarray, "M F 3"]
    cov: Float64[np.ndarray, "M F 6"]
    last: Float64[np.ndarray, "M F 3"]
    last_cov: Float64[np.ndarray, "M F 6"]
    drift: Float64[np.ndarray, "M F 3"]
    drift_cov: Float64[np.ndarray, "M F 6"]
    shown: Float64[np.ndarray, "M F 3"]
    offset: Float64[np.ndarray, "M F 3"]

    @staticmethod
    def empty(slots: int, points: int) -> Feet:
        """Slots without anyone."""
        shapes: dict[str, tuple[int, ...]] = {"on": (), "since": (), "level": ()}
        shapes |= dict.fromkeys(("place", "last", "drift", "shown", "offset"), (3,))
        shapes |= dict.fromkeys(("cov", "last_cov", "drift_cov"), (6,))
        feet = Feet(**{k: np.zeros((slots, points, *shapes[k]), bool if k == "on" else float) for k in Feet._fields})
        feet.level[:] = np.inf
        return feet


@inner
def _step(
    m: int, f: int, pos: Vec3, P: Sym3, speed: float, z: Vec3, R: Sym3, q: float, dt: float, height: float, up: Array,
    settled: float, doubt: float, rises: float, leaving: bool, feet: Feet,
) -> None:  # fmt: skip
    """One frame of a point: its joint at `pos` with covariance P, and z with R (zero without a measurement).

    `rises` is the joint's velocity upwards, `leaving` what its leg tells: 0 and False where later frames tell more.
    """
    if not np.isnan(height) and speed < SLOW_M_S:
        feet.level[m, f] = min(height, feet.level[m, f] + RISE_M_S * dt)
    above = height - feet.level[m, f] if not np.isnan(height) else 0.0
    stays, sure = feet.since[m, f] > 0.0, True
    if stays:
        C = sym3(feet.cov[m, f])
        C = (C[0] + CREEP_M2_S * dt, C[1], C[2], C[3] + CREEP_M2_S * dt, C[4], C[5] + CREEP_M2_S * dt)
        put_sym3(feet.cov[m, f], C)
        if R[0] > 0.0:
            _measure(m, f, z, R, q, feet)
            W, d = inverse_sym3(*sym3(feet.drift_cov[m, f])), vec3(feet.drift[m, f])
            drift = quadratic_sym3(W, d[0], d[1], d[2])
            rising = up[0] * d[0] + up[1] * d[1] + up[2] * d[2]
            most = BEGINS if rises > RISES_M_S else RISING
            stays, sure = (
                drift < LEFT,
                drift < doubt and rising < most * math.sqrt(_along(sym3(feet.drift_cov[m, f]), up)),
            )
    if feet.since[m, f] > settled:
        stays = stays and speed < FAST_M_S and above < HIGH_M
    else:
        stays = stays and speed < SLOW_M_S and above < LOW_M
    if stays:
        feet.since[m, f] += dt
        feet.on[m, f] = sure and not leaving and feet.since[m, f] > settled
    else:
        feet.on[m, f], feet.since[m, f] = False, 0.0
        if speed < SLOW_M_S and above < LOW_M:
            feet.since[m, f] = 1e-9
            put_vec3(feet.place[m, f], pos)
            put_sym3(feet.cov[m, f], P)
            put_vec3(feet.drift[m, f], (0.0, 0.0, 0.0))
            put_sym3(feet.drift_cov[m, f], (0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    put_vec3(feet.last[m, f], z)
    put_sym3(feet.last_cov[m, f], R)


@inner
def _measure(m: int, f: int, z: Vec3, R: Sym3, q: float, feet: Feet) -> None:
    """(1), where the last frame measured the point, too; else z itself."""
    before, now = _trace(sym3(feet.last_cov[m, f])), _trace(R)
    q, white = (q * min(now / before, 1.0), 1.0) if before > 0.0 else (0.0, 1.0)
    if before > 0.0:
        white = 1.0 - q * q * before / now
    C, last = full(sym3(feet.cov[m, f])), vec3(feet.last[m, f])
    h = 1.0 - q
    S = upper(add(C, scale(white / (h * h), full(R))))
    K = mul(C, full(inverse_sym3(*S)))
    place = vec3(feet.place[m, f])
    innovation = (
        (z[0] - q * last[0]) / h - place[0],
        (z[1] - q * last[1]) / h - place[1],
        (z[2] - q * last[2]) / h - place[2],
    )
    put_vec3(feet.place[m, f], add_vec(place, mul_vec(K, innovation)))
    put_sym3(feet.cov[m, f], upper(sub(C, mul(K, C))))
    for a in range(3):
        feet.drift[m, f, a] = FORGOTTEN * feet.drift[m, f, a] + innovation[a]
    for a in range(6):
        feet.drift_cov[m, f, a] = FORGOTTEN * FORGOTTEN * feet.drift_cov[m, f, a] + S[a]


@inner
def _trace(m: Sym3) -> float:
    return m[0] + m[3] + m[5]


@kernel
def stand(
    slots: Array, joints: Array, legs: Array, up: Array, autocorrelation: float, dt: float, people: State,
    feet: Feet, xyz: Array, cov: Array, contact: Array,
) -> None:  # fmt: skip
    """One frame of everyone's feet: `xyz` (P, J, 3), `cov` (P, J, 3, 3) and `contact` (P, J) of those that stand.

    `legs` (F, 4) are the ankle, knee and hip above each point, -1 where there is none, and whether it is a toe.
    """
    for n in range(slots.shape[0]):
        m = slots[n]
        for f in range(joints.shape[0]):
            j = joints[f]
            if not people.has_estimate[m, j]:
                feet.on[m, f], feet.since[m, f] = False, 0.0
                continue
            if people.reinitialised[m, j]:
                feet.on[m, f], feet.since[m, f], feet.last_cov[m, f, 0] = False, 0.0, 0.0
            pos, P = vec3(people.pos[m, j]), sym3(people.cov_pp[m, j])
            shown = add_vec(pos, vec3(feet.offset[m, f]))
            stood = feet.on[m, f]
            if stood:
                shown = vec3(feet.shown[m, f])
            height = up[0] * pos[0] + up[1] * pos[1] + up[2] * pos[2]
            z, R = vec3(people.measurement[m, j]), sym3(people.measurement_cov[m, j])
            speed = max(0.0, norm(vec3(people.vel[m, j])) - SURE * math.sqrt(_trace(sym3(people.cov_vv[m, j])) / 3.0))
            v, leaving = vec3(people.vel[m, j]), _leg_leaves(legs[f], m, up, people)
            rises = up[0] * v[0] + up[1] * v[1] + up[2] * v[2]
            _step(m, f, pos, P, speed, z, R, autocorrelation, dt, height, up, SETTLED_S, DOUBT, rises, leaving, feet)
            if feet.on[m, f]:
                if not stood:
                    shown = vec3(feet.place[m, f])
                off = sub_vec(shown, vec3(feet.place[m, f]))
                length = norm(off)
                left = max(0.0, 1.0 - SHOWN_M_S * dt / length) if length > 0.0 else 0.0
                off = (left * off[0], left * off[1], left * off[2])
                shown, P = add_vec(vec3(feet.place[m, f]), off), sym3(feet.cov[m, f])
            else:
                left = math.exp(-dt / RETURN_S)
                off = sub_vec(shown, pos)
                off = (left * off[0], left * off[1], left * off[2])
                shown = add_vec(pos, off)
            put_vec3(feet.shown[m, f], shown)
            put_vec3(feet.offset[m, f], sub_vec(shown, pos))
            contact[n, j] = feet.on[m, f]
            for a in range(3):
                xyz[n, j, a] = shown[a]
                for b in range(3):
                    cov[n, j, a, b] = P[a + b + (a > 0 and b > 0)] + off[a] * off[b]
                if feet.on[m, f]:
                    cov[n, j, a, a] += UNNOTICED_M**2


@inner
def _leg_leaves(leg: Array, m: int, up: Array, people: State) -> bool:
    """Whether a point of slot m is about to leave the floor, by the leg above it."""
    ankle, knee, hip = leg[0], leg[1], leg[2]
    if ankle < 0 or not people.has_estimate[m, ankle]:
        return False
    if leg[3]:
        return norm(vec3(people.vel[m, ankle])) > ANKLE_M_S
    if knee < 0 or hip < 0 or not (people.has_estimate[m, knee] and people.has_estimate[m, hip]):
        return False
    v = vec3(people.vel[m, hip])
    rises = up[0] * v[0] + up[1] * v[1] + up[2] * v[2]
    v = (v[0] - rises * up[0], v[1] - rises * up[1], v[2] - rises * up[2])
    shank = sub_vec(vec3(people.pos[m, knee]), vec3(people.pos[m, ankle]))
    speed, ahead = norm(v), v[0] * shank[0] + v[1] * shank[1] + v[2] * shank[2]
    return speed > WALKS_M_S and ahead > LEAN * speed * norm(shank)


@kernel
def stand_smoothed(
    filtered: Array, joints: Array, measured: Array, up: Array, autocorrelation: Array, dt: Array, count: int,
    feet: Feet, work: Feet, xyz: Array, cov: Array, contact: Array,
) -> None:  # fmt: skip
    """The feet of one person, smoothed: `xyz` (T, J, 3), `cov` (T, J, 3, 3) and `contact` (T, J) of those that stand.

    `filtered` (T, J, SIZE) are the packed states of the filter, `measured` (T, F, 9) what each frame measured and its
    covariance, zero where it did not. `feet` (1, F) is the person's last frame before, and becomes that of frame
    `count` - 1; `work` (T + 1, F) is scratch.
    """
    T = xyz.shape[0]
    speed = np.empty(T)
    for f in range(joints.shape[0]):
        j = joints[f]
        for k in range(T):
            speed[k] = _speed(xyz, j, k, dt)
        for k in range(T):
            if filtered[k, j, REINITIALISED] > 0.0:
                feet.on[0, f], feet.since[0, f], feet.last_cov[0, f, 0] = False, 0.0, 0.0
            pos, P = vec3(filtered[k, j, :3]), _position_cov(filtered[k, j])
            height = up[0] * xyz[k, j, 0] + up[1] * xyz[k, j, 1] + up[2] * xyz[k, j, 2]
            z, R = vec3(measured[k, f, :3]), sym3(measured[k, f, 3:])
            q, step = autocorrelation[k], dt[k]
            _step(0, f, pos, P, speed[k], z, R, q, step, height, up, SETTLED_LATER_S, LEFT, 0.0, False, feet)
            _copy(feet, 0, f, work, k)
        _copy(work, count - 1, f, feet, 0)
        for k in range(T - 2, -1, -1):
            if work.on[k, f] and not work.on[k + 1, f] and speed[k] > SLOW_M_S:
                work.on[k, f] = False
        _shorten(f, T, dt, work)
        _stand_back(f, T, dt, work)
        _blend(f, j, T, dt, feet, work, xyz, cov, contact)
        copy_row(work.offset[count - 1, f], feet.offset[0, f])


@inner
def _shorten(f: int, frames: int, dt: Array, work: Feet) -> None:
    """The last moment of a contact, in which a point may be leaving already, is not part of it."""
    ends = np.inf
    for k in range(frames - 2, -1, -1):
        ends = (ends if work.on[k + 1, f] else 0.0) + dt[k + 1]
        if work.on[k, f] and not work.on[k + 1, f]:
            ends = dt[k + 1]
        if work.on[k, f] and ends < LEAVING_S:
            work.since[k, f] = -1.0
    for k in range(frames):
        if work.since[k, f] < 0.0:
            work.on[k, f] = False


@inner
def _speed(xyz: Array, j: int, k: int, dt: Array) -> float:
    """Of a joint in frame k, by the frames beside it."""
    before, after = max(k - 1, 0), min(k + 1, xyz.shape[0] - 1)
    passed = (dt[k] if before < k else 0.0) + (dt[after] if after > k else 0.0)
    way = norm(sub_vec(vec3(xyz[after, j]), vec3(xyz[before, j])))
    return way / passed if passed > 0.0 else np.inf


@inner
def _position_cov(packed: Array) -> Sym3:
    return (
        packed[COV], packed[COV + 1], packed[COV + 2], packed[COV + 7], packed[COV + 8], packed[COV + 14],
    )  # fmt: skip


@inner
def _copy(source: Feet, k: int, f: int, target: Feet, n: int) -> None:
    target.on[n, f], target.since[n, f] = source.on[k, f], source.since[k, f]
    target.level[n, f] = source.level[k, f]
    copy_row(source.place[k, f], target.place[n, f])
    copy_row(source.cov[k, f], target.cov[n, f])
    copy_row(source.last[k, f], target.last[n, f])
    copy_row(source.last_cov[k, f], target.last_cov[n, f])
    copy_row(source.drift[k, f], target.drift[n, f])
    copy_row(source.drift_cov[k, f], target.drift_cov[n, f])


@inner
def _stand_back(f: int, frames: int, dt: Array, work: Feet) -> None:
    """While a point stands, later frames correct where: Rauch, Tung and Striebel for a random walk."""
    for k in range(frames - 2, -1, -1):
        if not (work.on[k, f] and work.on[k + 1, f]):
            continue
        C, creep = sym3(work.cov[k, f]), CREEP_M2_S * dt[k + 1]
        ahead = (C[0] + creep, C[1], C[2], C[3] + creep, C[4], C[5] + creep)
        G = mul(full(C), full(inverse_sym3(*ahead)))
        place = vec3(work.place[k, f])
        put_vec3(work.place[k, f], add_vec(place, mul_vec(G, sub_vec(vec3(work.place[k + 1, f]), place))))
        more = sub(full(sym3(work.cov[k + 1, f])), full(ahead))
        put_sym3(work.cov[k, f], upper(add(full(C), mul(mul(G, more), transpose(G)))))


@inner
def _blend(
    f: int, j: int, frames: int, dt: Array, feet: Feet, work: Feet, xyz: Array, cov: Array, contact: Array
) -> None:
    """A point that stands is where it stands; before and after, its joint returns there within moments."""
    for k in range(frames):
        for a in range(3):
            if work.on[k, f]:
                work.offset[k, f, a] = work.place[k, f, a] - xyz[k, j, a]
            else:
                before = work.offset[k - 1, f, a] if k > 0 else feet.offset[0, f, a]
                work.offset[k, f, a] = before * math.exp(-dt[k] / RETURN_S)
    for a in range(3):
        coming = 0.0
        for k in range(frames - 1, -1, -1):
            if work.on[k, f]:
                coming = work.offset[k, f, a]
            else:
                coming *= math.exp(-dt[k + 1] / RETURN_S) if k + 1 < frames else 0.0
                work.offset[k, f, a] += coming
    for k in range(frames):
        if np.isnan(xyz[k, j, 0]):
            continue
        off = vec3(work.offset[k, f])
        contact[k, j] = work.on[k, f]
        C = sym3(work.cov[k, f])
        for a in range(3):
            xyz[k, j, a] += off[a]
            for b in range(3):
                if work.on[k, f]:
                    cov[k, j, a, b] = C[a + b + (a > 0 and b > 0)]
                else:
                    cov[k, j, a, b] += off[a] * off[b]


@inner
def _along(m: Sym3, up: Array) -> float:
    """The variance along a direction."""
    return quadratic_sym3(m, up[0], up[1], up[2])
