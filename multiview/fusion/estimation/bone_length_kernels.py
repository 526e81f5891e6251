"""Bone lengths: learned for each person, and used to reject joints whose rays were someone else's."""

from __future__ import annotations

import math

import numpy as np

from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV, State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import (
    Sym3,
    Vec3,
    add_vec,
    full,
    inverse_sym3,
    mul_vec,
    norm,
    put_sym3,
    put_vec3,
    quadratic_sym3,
    sub,
    sub_vec,
    sym3,
    upper,
    vec3,
)

MIN_TOLERANCE, MAX_TOLERANCE = 0.25, 0.4  # of a bone's length: how far a known and an unknown one may be off
LENGTH_SDS = 3.0  # standard deviations of a length within which it may be off
MAX_SD = 0.5  # a length is learned from ends known this well, relative to it
MAX_ERROR_SQ = 25.0  # of a measured length, over its expectation: beyond that it is no measurement
MIN_CV, MAX_CV = 0.005, 0.3
PRIOR_FRAMES = 5.0  # noise-free frames that the prior of a length's variation is worth
FADE = 0.999  # per frame, of the sums that the variation comes from
ALIKE = 0.15  # left and right bones that differ by more than this part are no pair
AGREES_SQ = 4.0  # squared standard deviations within which rays agree with a length: beyond, it is not to be trusted


@kernel
def bone_length_outliers(m: int, body: Body, people: State, xyz: Array, views: Array) -> bool:
    """Whether slot m has a bone of an impossible length: without one, `gate_bones` has nothing to do."""
    length, variance, parent = people.length[m], people.length_variance[m], body.parent
    for j in range(parent.shape[0]):
        p = parent[j]
        if p < 0 or views[j] < 2 or views[p] < 2 or not length[j] > 0.0:
            continue
        now = norm(sub_vec(vec3(xyz[j]), vec3(xyz[p])))
        if abs(now - length[j]) - _tolerance(length[j], variance[j]) > 0.0:
            return True
    return False


@inner
def _tolerance(length: float, variance: float) -> float:
    """How much a bone may differ from its length, m."""
    size = max(length, 0.1)
    return min(MAX_TOLERANCE * size, max(MIN_TOLERANCE * size, LENGTH_SDS * math.sqrt(variance)))


@inner
def gate_bones(
    body: Body, length: Array, variance: Array, xyz: Array, H: Array, rays: Array, views: Array, gate: float
) -> None:
    """Take the rays from joints whose bones are impossible. `rays` (C, J), `views` (J) are changed.

    Of a bad bone's two ends, the one with more bad bones is wrong; then the one with fewer views; then the outer one.
    A joint whose rays leave its bone open by more than its length keeps them, but is to start anew at the bone: its
    `views` come back negative.
    """
    parent, order = body.parent, body.order
    joints = parent.shape[0]
    bad, bones = np.zeros(joints), np.zeros(joints)
    wrong, open_ended = np.zeros(joints, dtype=np.bool_), np.zeros(joints, dtype=np.bool_)
    for j in range(joints):
        p = parent[j]
        if p < 0 or views[j] < 2 or views[p] < 2 or not length[j] > 0.0:
            continue
        bone = sub_vec(vec3(xyz[j]), vec3(xyz[p]))
        now = norm(bone)
        bones[j] += 1
        bones[p] += 1
        excess = abs(now - length[j]) - _tolerance(length[j], variance[j])
        if not excess > 0.0:
            continue
        own, other = 0.0, 0.0
        if now > 1e-6:
            x, y, z = bone[0] / now, bone[1] / now, bone[2] / now
            own = quadratic_sym3(inverse_sym3(*sym3(H[j])), x, y, z)
            other = quadratic_sym3(inverse_sym3(*sym3(H[p])), x, y, z)
        if excess * excess > gate * (own + other):
            wrong[j] = True
            bad[j] += 1
            bad[p] += 1
        elif own + other > length[j] * length[j]:
            open_ended[j if own >= other else p] = True
    for n in range(joints - 1, -1, -1):
        j = order[n]
        if not wrong[j]:
            continue
        p = parent[j]
        if views[j] < 2 or views[p] < 2:
            continue
        culprit = j
        if bad[p] > bad[j] or (bad[p] == bad[j] and bones[p] == bad[p] and views[p] < views[j]):
            culprit = p
        views[culprit] = 0
        for c in range(rays.shape[0]):
            rays[c, culprit] = -1
    for j in range(joints):
        if open_ended[j]:
            views[j] = -views[j]


@kernel
def learn_bones(
    m: int, body: Body, autocorrelation: float, people: State, xyz: Array, H: Array, views: Array, fit: FitScratch
) -> None:
    """Kalman update of slot m's bone lengths (m) and their variances by what this frame's rays alone say.

    With autocorrelated errors, many frames tell as much about a length as one independent frame: a mean of n samples
    of an AR(1) process with the coefficient q has (1 + q) / (1 - q) times the variance of independent ones. `length_cv`
    is the learned variation of a bone that is no noise: keypoints slide on a body. Left and right bones are as long as
    each other.
    """
    rays_xyz, rays_cov = fit.rays_xyz, fit.rays_cov
    for j in range(views.shape[0]):
        if views[j] >= 2:
            mean, W = vec3(people.pos[m, j]), sym3(people.predicted_information[m, j])
            x, C = _rays_alone(vec3(xyz[j]), sym3(H[j]), mean, W)
            put_vec3(rays_xyz[j], x)
            put_sym3(rays_cov[j], C)
    repeats = (1.0 + autocorrelation) / (1.0 - autocorrelation)
    for e in range(body.ends.shape[0]):
        j, p = body.ends[e, 0], body.ends[e, 1]
        if p >= 0 and views[j] >= 2 and views[p] >= 2:
            bone = sub_vec(vec3(rays_xyz[j]), vec3(rays_xyz[p]))
            _learn_bone(m, e, bone, sym3(rays_cov[j]), sym3(rays_cov[p]), body.nonrigid[e], repeats, people)
    for e in range(body.ends.shape[0]):
        if body.mirror[e] > e:
            _share_length(people.length[m], people.length_variance[m], e, body.mirror[e])


@inner
def _rays_alone(x: Vec3, H: Sym3, mean: Vec3, W: Sym3) -> tuple[Vec3, Sym3]:
    """Take the prediction out of a point with information H, which contains it; with the covariance then."""
    C = inverse_sym3(*upper(sub(full(H), full(W))))
    return add_vec(x, mul_vec(full(C), mul_vec(full(W), sub_vec(x, mean)))), C


@inner
def _learn_bone(
    m: int, e: int, bone: Vec3, own: Sym3, other: Sym3, nonrigid: bool, repeats: float, people: State
) -> None:
    """Update one bone by what was measured, a vector between two ends with covariances `own` and `other`."""
    now = norm(bone)
    if not now > 0.005:
        return
    length, variance, cv = people.length[m, e], people.length_variance[m, e], people.length_cv[m, e]
    if length == 0.0:
        people.length[m, e], people.length_variance[m, e] = now, 0.25 * now * now
        return
    error, noise = _length_error(bone, now, own, other, length)
    if not 0.0 < noise < (MAX_SD * length) * (MAX_SD * length):
        return
    variation = (cv * length) * (cv * length)
    if error * error > MAX_ERROR_SQ * (noise + variation + variance):
        return
    gain = variance / (variance + repeats * (noise + variation))
    length, variance = length + gain * error, variance * (1 - gain)
    people.length[m, e], people.length_variance[m, e] = length, variance
    # A frame says something about the variation only where noise is not much larger.
    weight = length * length / (noise + variation + variance)
    weight *= weight
    sums, prior_cv = people.length_cv_sums[m, e], NONRIGID_LENGTH_CV if nonrigid else LENGTH_CV
    sums[0] = FADE * sums[0] + weight * (error * error - noise - variance) / (length * length)
    sums[1] = FADE * sums[1] + weight
    prior = prior_cv * prior_cv
    trust = PRIOR_FRAMES * repeats / (prior * prior)
    cv_sq = (trust * prior + sums[0]) / (trust + sums[1])
    people.length_cv[m, e] = math.sqrt(min(max(cv_sq, MIN_CV * MIN_CV), MAX_CV * MAX_CV))


@inner
def _length_error(bone: Vec3, now: float, own: Sym3, other: Sym3, length: float) -> tuple[float, float]:
    """How much longer than `length` a vector between two measured ends is, and the variance of that."""
    x, y, z = bone[0] / now, bone[1] / now, bone[2] / now
    noise = quadratic_sym3(own, x, y, z) + quadratic_sym3(other, x, y, z)
    # Noise makes a bone longer: the square is right on average when the trace is taken off.
    trace = own[0] + own[3] + own[5] + other[0] + other[3] + other[5]
    return (now * now - trace - length * length) / (2 * length), noise


@inner
def agreement(bone: Vec3, own: Sym3, other: Sym3, length: float, variance: float) -> float:
    """The weight of a length of `variance` beside what this frame's rays measure: 1 where they agree, else towards 0.

    A part of a body that has kept its shape for long may bend any moment.
    """
    now = norm(bone)
    if not now > 0.005:
        return 0.0
    error, noise = _length_error(bone, now, own, other, length)
    excess = error * error / (AGREES_SQ * (noise + variance))
    return 1.0 if excess <= 1.0 else 1.0 / (excess * excess)


@inner
def _share_length(length: Array, variance: Array, e: int, k: int) -> None:
    """Draw two bones that are as long as each other, unless they differ much, towards their mean."""
    left, right = length[e], length[k]
    if not (left > 0.0 and right > 0.0):
        return
    a, b = 1.0 / variance[e], 1.0 / variance[k]
    mean = (a * left + b * right) / (a + b)
    if abs(left - right) < ALIKE * mean:
        length[e] = left + 0.5 * b / (a + b) * (mean - left)
        length[k] = right + 0.5 * a / (a + b) * (mean - right)
