"""Bone lengths: learned for each person, and used to tell joints that ran away."""

from __future__ import annotations

import math

import numpy as np

from multiview.fusion.estimation.lane_group_kernels import Group
from multiview.fusion.state.body_model import Body
from multiview.fusion.state.track_state import LENGTH_CV, NONRIGID_LENGTH_CV
from multiview.geometry.four import choose, load, some, store
from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.row_kernels import six, store_six, store_three, three
from multiview.geometry.sym3_kernels import inverse_sym3, quadratic_sym3, sym3

IMPOSSIBLE = 0.25, 0.4  # a known bone that differs by more than this part of its length is no bone; an unknown one
UNSURE = 3.0  # deviations of a length within which the bone may be as long
SURE = 0.5  # a length is learned from ends known this well, relative to it
STIFFEST, MOST_BEND = 0.005, 0.3
PRIOR_FRAMES = 5.0  # noise-free frames that these are worth
FADE = 0.999


@kernel
def strange_bones(people: Group, body: Body) -> bool:
    """Whether anyone has a bone that may be impossible for its length: nobody else needs `gate_bones`."""
    strange = load(people.views, 0) < 0.0
    for j in range(body.parent.shape[0]):
        p = body.parent[j]
        if p < 0:
            continue
        x0, y0, z0 = three(people.xyz, 3 * j)
        x1, y1, z1 = three(people.xyz, 3 * p)
        x, y, z = x0 - x1, y0 - y1, z0 - z1
        length = load(people.length, j)
        size = choose(length < 0.1, 0.1, length)
        unsure, least, most = (
            UNSURE * math.sqrt(load(people.length_variance, j)),
            IMPOSSIBLE[0] * size,
            IMPOSSIBLE[1] * size,
        )
        allowed = choose(unsure > least, unsure, least)
        allowed = choose(allowed < most, allowed, most)
        measured = (load(people.views, j) >= 2.0) & (load(people.views, p) >= 2.0) & (length > 0.0)
        strange = strange | (measured & (abs(math.sqrt(x * x + y * y + z * z) - length) - allowed > 0.0))
    store(people.off, 0, choose(strange, 1.0, 0.0))
    return some(strange)


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
        x, y, z = xyz[j, 0] - xyz[p, 0], xyz[j, 1] - xyz[p, 1], xyz[j, 2] - xyz[p, 2]
        now = math.sqrt(x * x + y * y + z * z)
        bones[j] += 1
        bones[p] += 1
        size = max(length[j], 0.1)
        excess = abs(now - length[j])
        excess -= min(IMPOSSIBLE[1] * size, max(IMPOSSIBLE[0] * size, UNSURE * math.sqrt(variance[j])))
        if not excess > 0.0:
            continue
        own, other = 0.0, 0.0
        if now > 1e-6:
            own = quadratic_sym3(inverse_sym3(*sym3(H[j])), x / now, y / now, z / now)
            other = quadratic_sym3(inverse_sym3(*sym3(H[p])), x / now, y / now, z / now)
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
        rays[:, culprit] = -1
    for j in range(joints):
        if open_ended[j]:
            views[j] = -views[j]


@kernel
def learn_bones(people: Group, body: Body, error_autocorrelation: float) -> None:
    """Kalman update of four people's bone lengths (m) and their variances from what this frame's rays alone say.

    With errors that persist, many frames tell as much about a length as one independent frame. `length_cv` is the
    learned relative variation of each bone that is no noise: keypoints slide on a body; `length_cv_sums` are the sums
    it comes from.
    Left and right bones are as long as each other.
    """
    joints = people.views.shape[0]
    alone, C = people.room[: 3 * joints], people.C
    for j in range(joints):
        _without_prior(j, people, alone, C)
    repeats = (1.0 + error_autocorrelation) / (1.0 - error_autocorrelation)
    for e in range(body.ends.shape[0]):
        if body.ends[e, 1] >= 0:
            _learn_bone(e, people, body, repeats, alone, C)
    for e in range(body.ends.shape[0]):
        if body.mirror[e] > e:
            _share_length(e, body.mirror[e], people)


@inlined
def _without_prior(j: int, people: Group, alone: Array, C: Array) -> None:
    """Take the prediction out of joint j, which combines it with rays: what the rays alone say, and its covariance."""
    h0, h1, h2, h3, h4, h5 = six(people.H, 6 * j)
    w0, w1, w2, w3, w4, w5 = six(people.predicted_information, 6 * j)
    c0, c1, c2, c3, c4, c5 = inverse_sym3(h0 - w0, h1 - w1, h2 - w2, h3 - w3, h4 - w4, h5 - w5)
    x0, y0, z0 = three(people.xyz, 3 * j)
    mx, my, mz = three(people.pos, 3 * j)
    x, y, z = x0 - mx, y0 - my, z0 - mz
    a, b, c = w0 * x + w1 * y + w2 * z, w1 * x + w3 * y + w4 * z, w2 * x + w4 * y + w5 * z
    store_three(
        alone, 3 * j,
        x0 + c0 * a + c1 * b + c2 * c, y0 + c1 * a + c3 * b + c4 * c, z0 + c2 * a + c4 * b + c5 * c,
    )  # fmt: skip
    store_six(C, 6 * j, c0, c1, c2, c3, c4, c5)


@inlined
def _learn_bone(e: int, people: Group, body: Body, repeats: float, alone: Array, C: Array) -> None:
    """One bone's length, variance and variation, of those whose two joints say something of it."""
    j, p = body.ends[e, 0], body.ends[e, 1]
    both_seen = (load(people.views, j) >= 2.0) & (load(people.views, p) >= 2.0)
    if not some(both_seen):
        return
    ax, ay, az = three(alone, 3 * j)
    bx, by, bz = three(alone, 3 * p)
    x, y, z = ax - bx, ay - by, az - bz
    now = math.sqrt(x * x + y * y + z * z)
    told = both_seen & (now > 0.005)
    own, other = six(C, 6 * j), six(C, 6 * p)
    ux, uy, uz = x / now, y / now, z / now
    spread = quadratic_sym3(own, ux, uy, uz) + quadratic_sym3(other, ux, uy, uz)
    trace = own[0] + own[3] + own[5] + other[0] + other[3] + other[5]
    length, variance, bend = load(people.length, e), load(people.length_variance, e), load(people.length_cv, e)
    first = told & (length == 0.0)
    near = SURE * length
    # Noise makes a bone longer: the square is right on average when the trace is taken off.
    error = (now * now - trace - length * length) / (2 * length)
    wander = bend * length
    wander = wander * wander
    told = told & ~first & (spread > 0.0) & (spread < near * near)
    told = told & ~(error * error > 25 * (spread + wander + variance))
    noise = repeats * (spread + wander)
    gain = variance / (variance + noise)
    longer, surer = length + gain * error, variance * (1 - gain)
    # A frame says something about the variation only where noise is not much larger.
    square = longer * longer
    weight = square / (spread + wander + surer)
    weight = weight * weight
    above, below = load(people.length_cv_sums, 2 * e), load(people.length_cv_sums, 2 * e + 1)
    more = FADE * above + weight * (error * error - spread - surer) / square
    worth = FADE * below + weight
    start = NONRIGID_LENGTH_CV * NONRIGID_LENGTH_CV if body.nonrigid[e] else LENGTH_CV * LENGTH_CV
    trust = PRIOR_FRAMES * repeats / (start * start)
    both = (trust * start + more) / (trust + worth)
    least, most = STIFFEST * STIFFEST, MOST_BEND * MOST_BEND
    both = choose(both > least, both, least)
    both = choose(both < most, both, most)
    store(people.length, e, choose(told, longer, choose(first, now, length)))
    store(people.length_variance, e, choose(told, surer, choose(first, 0.25 * now * now, variance)))
    store(people.length_cv, e, choose(told, math.sqrt(both), bend))
    store(people.length_cv_sums, 2 * e, choose(told, more, above))
    store(people.length_cv_sums, 2 * e + 1, choose(told, worth, below))


@inlined
def _share_length(e: int, k: int, people: Group) -> None:
    """Two bones that are as long as each other, unless they differ much: each is drawn towards their mean."""
    left, right = load(people.length, e), load(people.length, k)
    a, b = 1.0 / load(people.length_variance, e), 1.0 / load(people.length_variance, k)
    both = (a * left + b * right) / (a + b)
    alike = (left > 0.0) & (right > 0.0) & (abs(left - right) < 0.15 * both)
    store(people.length, e, choose(alike, left + 0.5 * b / (a + b) * (both - left), left))
    store(people.length, k, choose(alike, right + 0.5 * a / (a + b) * (both - right), right))
