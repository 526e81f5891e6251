"""Each joint as a point with nearly constant velocity, seen with an error that persists.

Two-dimensional detectors err alike from frame to frame: what the rays of one frame say together has an error that is a
first-order Markov process. A filter that takes each frame for independent believes itself too much. The difference
between what this frame says and `persistence` times what the last one said has an error that is white, and is a
measurement of position and velocity (measurement differencing: Bryson and Henrikson 1968; Bar-Shalom, Li and
Kirubarajan 2001, section 8.5). That is exact because a joint gets from frame to frame with its new velocity: the
random acceleration changes the velocity first. Without persistence this is the plain Kalman filter.
"""

from __future__ import annotations

import numpy as np

from multiview.fit.people import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.small_kernels import inverse_sym3, quadratic_sym3, sym3

FAINT = 1e-3  # of the prediction's information: what is added where rays leave a direction open


@kernel
def predict(slots: Array, dt: Array, people: State) -> None:
    """Carry the joints of `slots` forward by dt[n] s, each with its own agility."""
    for n in range(slots.shape[0]):
        m = slots[n]
        h = dt[n]
        for j in range(people.pos.shape[1]):
            p, x, v = people.pp[m, j], people.pv[m, j], people.vv[m, j]
            for i in range(3):
                people.pos[m, j, i] += h * people.vel[m, j, i]
            for k in (0, 3, 5):
                v[k] += people.agility[m, j] * h
            p[0] += 2 * h * x[0] + h * h * v[0]
            p[1] += h * (x[1] + x[3]) + h * h * v[1]
            p[2] += h * (x[2] + x[6]) + h * h * v[2]
            p[3] += 2 * h * x[4] + h * h * v[3]
            p[4] += h * (x[5] + x[7]) + h * h * v[4]
            p[5] += 2 * h * x[8] + h * h * v[5]
            x[0] += h * v[0]
            x[1] += h * v[1]
            x[2] += h * v[2]
            x[3] += h * v[1]
            x[4] += h * v[3]
            x[5] += h * v[4]
            x[6] += h * v[2]
            x[7] += h * v[4]
            x[8] += h * v[5]
            people.anew[m, j] = False
            w = people.prior[m, j]
            w[0], w[1], w[2], w[3], w[4], w[5] = inverse_sym3(p[0], p[1], p[2], p[3], p[4], p[5])


@kernel
def measure(
    m: int,
    people: State,
    dt: float,
    persistence: float,
    share: float,
    views: Array,
    xyz: Array,
    C: Array,
    found: Array,
    expected: Array,
) -> None:
    """Update slot m by where this frame sees the joints: `xyz` (J, 3) with covariances C (J, 6).

    These still contain `share` of the prediction's information. `found[j]` gets the squared shift of the position under
    the predicted covariance, `expected[j]` what that should be.
    """
    z, N = np.empty(3), np.empty(6)
    K, cross = np.empty((6, 3)), np.empty((6, 3))
    for j in range(xyz.shape[0]):
        found[j] = expected[j] = 0.0
        W = people.prior[m, j]
        if W[0] == 0.0:
            _start(m, j, people, xyz[j], C[j])
            continue
        _without_prediction(W, people.pos[m, j], xyz[j], C[j], share, z, N)
        before, now = _trace(people.blur[m, j]), _trace(N)
        k, fresh = 0.0, 1.0
        if before > 0.0 and views[j] > 0:
            # Of nested sets of rays, the smaller one's error is the larger one's plus something new, and the larger
            # one's contains the smaller one's in proportion to their variances.
            k = persistence * min(1.0, now / before)
            fresh = 1.0 - k * k * before / now
        _update(m, j, people, k, dt, fresh, z, N, cross, K)
        for i in range(3):
            people.seen[m, j, i] = z[i]
        for i in range(6):
            people.blur[m, j, i] = N[i] if views[j] > 0 else 0.0
        if views[j] >= 2:
            w, pp = sym3(W), people.pp[m, j]
            found[j] = quadratic_sym3(w, K[0, 0], K[1, 0], K[2, 0])
            expected[j] = 3.0 - (W[0] * pp[0] + W[3] * pp[3] + W[5] * pp[5])
            expected[j] -= 2 * (W[1] * pp[1] + W[2] * pp[2] + W[4] * pp[4])


@inner
def _trace(m: Array) -> float:
    return m[0] + m[3] + m[5]


@inner
def _start(m: int, j: int, people: State, point: Array, C: Array) -> None:
    """A joint without a prediction is where this frame sees it."""
    people.anew[m, j] = True
    people.pv[m, j] = 0.0
    for k in range(3):
        people.pos[m, j, k] = people.seen[m, j, k] = point[k]
    for k in range(6):
        people.pp[m, j, k] = people.blur[m, j, k] = C[k]


@inner
def _without_prediction(W: Array, mean: Array, point: Array, C: Array, share: float, z: Array, N: Array) -> None:
    """Take `share` of the prediction (mean, information W) out of a point that contains it: z, its covariance N."""
    k = share - FAINT
    H = inverse_sym3(C[0], C[1], C[2], C[3], C[4], C[5])
    N[0], N[1], N[2], N[3], N[4], N[5] = inverse_sym3(
        H[0] - k * W[0], H[1] - k * W[1], H[2] - k * W[2], H[3] - k * W[3], H[4] - k * W[4], H[5] - k * W[5]
    )
    x, y, w = point[0] - mean[0], point[1] - mean[1], point[2] - mean[2]
    a = H[0] * x + H[1] * y + H[2] * w
    b = H[1] * x + H[3] * y + H[4] * w
    c = H[2] * x + H[4] * y + H[5] * w
    z[0] = mean[0] + N[0] * a + N[1] * b + N[2] * c
    z[1] = mean[1] + N[1] * a + N[3] * b + N[4] * c
    z[2] = mean[2] + N[2] * a + N[4] * b + N[5] * c


@inner
def _update(
    m: int, j: int, people: State, k: float, dt: float, fresh: float, z: Array, N: Array, cross: Array, K: Array
) -> None:
    """Kalman update by z - k times the last frame's = (1 - k) position + k dt velocity + noise of covariance `fresh` N.

    K[:3, 0] returns the position's shift.
    """
    h, g = 1.0 - k, k * dt
    pp, pv, vv = people.pp[m, j], people.pv[m, j], people.vv[m, j]
    # cross = covariance of position and velocity with what is measured.
    for a in range(3):
        for b in range(3):
            cross[a, b] = h * pp[_at(a, b)] + g * pv[3 * a + b]
            cross[3 + a, b] = h * pv[3 * b + a] + g * vv[_at(a, b)]
    s = inverse_sym3(
        h * cross[0, 0] + g * cross[3, 0] + fresh * N[0],
        h * cross[0, 1] + g * cross[3, 1] + fresh * N[1],
        h * cross[0, 2] + g * cross[3, 2] + fresh * N[2],
        h * cross[1, 1] + g * cross[4, 1] + fresh * N[3],
        h * cross[1, 2] + g * cross[4, 2] + fresh * N[4],
        h * cross[2, 2] + g * cross[5, 2] + fresh * N[5],
    )
    for a in range(6):
        x, y, w = cross[a, 0], cross[a, 1], cross[a, 2]
        K[a, 0] = x * s[0] + y * s[1] + w * s[2]
        K[a, 1] = x * s[1] + y * s[3] + w * s[4]
        K[a, 2] = x * s[2] + y * s[4] + w * s[5]
    for a in range(3):
        for b in range(3):
            if a <= b:
                i = _at(a, b)
                pp[i] -= K[a, 0] * cross[b, 0] + K[a, 1] * cross[b, 1] + K[a, 2] * cross[b, 2]
                vv[i] -= K[3 + a, 0] * cross[3 + b, 0] + K[3 + a, 1] * cross[3 + b, 1] + K[3 + a, 2] * cross[3 + b, 2]
            pv[3 * a + b] -= K[a, 0] * cross[3 + b, 0] + K[a, 1] * cross[3 + b, 1] + K[a, 2] * cross[3 + b, 2]
    pos, vel, last = people.pos[m, j], people.vel[m, j], people.seen[m, j]
    y0 = z[0] - k * last[0] - h * pos[0] - g * vel[0]
    y1 = z[1] - k * last[1] - h * pos[1] - g * vel[1]
    y2 = z[2] - k * last[2] - h * pos[2] - g * vel[2]
    for a in range(6):
        K[a, 0] = K[a, 0] * y0 + K[a, 1] * y1 + K[a, 2] * y2
    for a in range(3):
        pos[a] += K[a, 0]
        vel[a] += K[3 + a, 0]


@kernel
def _at(a: int, b: int) -> int:
    """Place of element (a, b) among the six numbers of a symmetric matrix."""
    return a + b + (a > 0 and b > 0)
