"""Bone lengths: learned for each person, and used to tell joints that ran away."""

from __future__ import annotations

import math

import numpy as np

from multiview.fit.body import Body
from multiview.fit.people import BEND, LOOSE_BEND, State
from multiview.geometry.jit import Array, inner
from multiview.geometry.small_kernels import inverse_sym3, quadratic_sym3, sym3

IMPOSSIBLE = 0.25, 0.4  # a known bone that differs by more than this part of its length is no bone; an unknown one
UNSURE = 3.0  # deviations of a length within which the bone may be as long
SURE = 0.5  # a length is learned from ends known this well, relative to it
STIFFEST, MOST_BEND = 0.005, 0.3
PRIOR_FRAMES = 5.0  # noise-free frames that these are worth
FADE = 0.999


@inner
def gate_bones(
    body: Body, length: Array, variance: Array, xyz: Array, H: Array, rays: Array, views: Array, gate: float
) -> int:
    """Take the rays from joints whose bones are impossible; how many. `rays` (C, J), `views` (J) are changed.

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
        a, b = H[j], H[p]
        own, other = 0.0, 0.0
        if now > 1e-6:
            own = quadratic_sym3(inverse_sym3(a[0], a[1], a[2], a[3], a[4], a[5]), x / now, y / now, z / now)
            other = quadratic_sym3(inverse_sym3(b[0], b[1], b[2], b[3], b[4], b[5]), x / now, y / now, z / now)
        bones[j] += 1
        bones[p] += 1
        size = max(length[j], 0.1)
        excess = abs(now - length[j])
        excess -= min(IMPOSSIBLE[1] * size, max(IMPOSSIBLE[0] * size, UNSURE * math.sqrt(variance[j])))
        if not excess > 0.0:
            continue
        if excess * excess > gate * (own + other):
            wrong[j] = True
            bad[j] += 1
            bad[p] += 1
        elif own + other > length[j] * length[j]:
            open_ended[j if own >= other else p] = True
    dropped = 0
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
        dropped += 1
    for j in range(joints):
        if open_ended[j]:
            views[j] = -views[j]
    return dropped


@inner
def learn_bones(m: int, body: Body, people: State, persistence: float, views: Array, xyz: Array, H: Array) -> None:
    """Kalman update of one person's bone lengths (m) and their variances from what this frame's rays alone say.

    With errors that persist, many frames tell as much about a length as one independent frame. `bend` is the learned
    relative variation of each bone that is no noise: keypoints slide on a body; `wobble` (E, 2) are the sums it comes
    from. Left and right bones are as long as each other.
    """
    mean, prior = people.pos[m], people.prior[m]
    length, variance, bend, wobble = people.length[m], people.variance[m], people.bend[m], people.wobble[m]
    joints = xyz.shape[0]
    repeats = (1.0 + persistence) / (1.0 - persistence)
    alone = np.empty((joints, 3))
    C = np.empty((joints, 6))
    for j in range(joints):
        if views[j] >= 2:
            without_prior(xyz[j], H[j], mean[j], prior[j], alone[j], C[j])
    for e in range(length.shape[0]):
        j, p = body.ends[e, 0], body.ends[e, 1]
        if p < 0 or views[j] < 2 or views[p] < 2:
            continue
        x, y, z = alone[j, 0] - alone[p, 0], alone[j, 1] - alone[p, 1], alone[j, 2] - alone[p, 2]
        now = math.sqrt(x * x + y * y + z * z)
        if not now > 0.005:
            continue
        spread = quadratic_sym3(sym3(C[j]), x / now, y / now, z / now)
        spread += quadratic_sym3(sym3(C[p]), x / now, y / now, z / now)
        trace = C[j, 0] + C[j, 3] + C[j, 5] + C[p, 0] + C[p, 3] + C[p, 5]
        if length[e] == 0.0:
            length[e], variance[e] = now, 0.25 * now * now
            continue
        if not (spread > 0.0 and spread < (SURE * length[e]) ** 2):
            continue
        # Noise makes a bone longer: the square is right on average when the trace is taken off.
        error = (now * now - trace - length[e] * length[e]) / (2 * length[e])
        wander = (bend[e] * length[e]) ** 2
        if error * error > 25 * (spread + wander + variance[e]):
            continue
        noise = repeats * (spread + wander)
        gain = variance[e] / (variance[e] + noise)
        length[e] += gain * error
        variance[e] *= 1 - gain
        # A frame says something about the variation only where noise is not much larger.
        square = length[e] * length[e]
        weight = (square / (spread + wander + variance[e])) ** 2
        wobble[e, 0] = FADE * wobble[e, 0] + weight * (error * error - spread - variance[e]) / square
        wobble[e, 1] = FADE * wobble[e, 1] + weight
        start = LOOSE_BEND**2 if body.loose[e] else BEND**2
        trust = PRIOR_FRAMES * repeats / start**2
        both = (trust * start + wobble[e, 0]) / (trust + wobble[e, 1])
        bend[e] = math.sqrt(min(MOST_BEND**2, max(STIFFEST**2, both)))
    for e in range(length.shape[0]):
        k = body.mirror[e]
        if k > e and length[e] > 0.0 and length[k] > 0.0:
            a, b = 1 / variance[e], 1 / variance[k]
            both = (a * length[e] + b * length[k]) / (a + b)
            if abs(length[e] - length[k]) < 0.15 * both:
                length[e] += 0.5 * b / (a + b) * (both - length[e])
                length[k] += 0.5 * a / (a + b) * (both - length[k])


@inner
def without_prior(point: Array, H: Array, mean: Array, prior: Array, alone: Array, C: Array) -> None:
    """Take the prediction out of a point that combines it with rays: what the rays alone say, and its covariance."""
    C[0], C[1], C[2], C[3], C[4], C[5] = inverse_sym3(
        H[0] - prior[0], H[1] - prior[1], H[2] - prior[2], H[3] - prior[3], H[4] - prior[4], H[5] - prior[5]
    )
    x, y, z = point[0] - mean[0], point[1] - mean[1], point[2] - mean[2]
    a = prior[0] * x + prior[1] * y + prior[2] * z
    b = prior[1] * x + prior[3] * y + prior[4] * z
    c = prior[2] * x + prior[4] * y + prior[5] * z
    alone[0] = point[0] + C[0] * a + C[1] * b + C[2] * c
    alone[1] = point[1] + C[1] * a + C[3] * b + C[4] * c
    alone[2] = point[2] + C[2] * a + C[4] * b + C[5] * c
