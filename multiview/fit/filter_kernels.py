"""Each joint as a point with nearly constant velocity, seen with an error that persists.

The state is position, velocity and bias: what a joint's rays say together is position + bias, and the bias is a
first-order Markov process (Bar-Shalom, Li and Kirubarajan 2001, sections 6.2 and 8.2). Two-dimensional detectors err
alike from frame to frame; a filter that takes each frame for independent believes itself too much, and too little what
it knows of the bones. Without persistence this is the plain Kalman filter.
"""

from __future__ import annotations

import numpy as np

from multiview.fit.people import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.small_kernels import copy_row, inverse_sym3, quadratic_sym3, sym3

FAINT = 1e-3  # of the prediction's information: what is added where rays leave a direction open


@kernel
def predict(slots: Array, dt: Array, people: State) -> None:
    """Carry the joints of `slots` forward by dt[n] s, each with its own agility; the bias is left to `measure`."""
    for n in range(slots.shape[0]):
        m = slots[n]
        h = dt[n]
        for j in range(people.pos.shape[1]):
            q = people.agility[m, j]
            p, x, v = people.pp[m, j], people.pv[m, j], people.vv[m, j]
            for i in range(3):
                people.pos[m, j, i] += h * people.vel[m, j, i]
            p[0] += 2 * h * x[0] + h * h * v[0] + q * h * h * h / 3
            p[1] += h * (x[1] + x[3]) + h * h * v[1]
            p[2] += h * (x[2] + x[6]) + h * h * v[2]
            p[3] += 2 * h * x[4] + h * h * v[3] + q * h * h * h / 3
            p[4] += h * (x[5] + x[7]) + h * h * v[4]
            p[5] += 2 * h * x[8] + h * h * v[5] + q * h * h * h / 3
            x[0] += h * v[0] + q * h * h / 2
            x[1] += h * v[1]
            x[2] += h * v[2]
            x[3] += h * v[1]
            x[4] += h * v[3] + q * h * h / 2
            x[5] += h * v[4]
            x[6] += h * v[2]
            x[7] += h * v[4]
            x[8] += h * v[5] + q * h * h / 2
            for k in (0, 3, 5):
                v[k] += q * h
            for k in range(9):
                people.pb[m, j, k] += h * people.vb[m, j, k]
            people.fade[m, j] = 0.0
            w = people.prior[m, j]
            w[0], w[1], w[2], w[3], w[4], w[5] = inverse_sym3(p[0], p[1], p[2], p[3], p[4], p[5])


@inner
def forget_bias(m: int, j: int, people: State) -> None:
    """Nothing is known of the error that the next rays will make."""
    people.bias[m, j] = 0.0
    people.pb[m, j] = 0.0
    people.vb[m, j] = 0.0
    people.bb[m, j] = 0.0
    people.blur[m, j] = 0.0
    people.fade[m, j] = 0.0


@kernel
def measure(
    m: int, people: State, persistence: float, views: Array, xyz: Array, H: Array, found: Array, expected: Array
) -> None:
    """Update slot m with what the rays say: `xyz` (J, 3) with information H (J, 6), which still contain the prediction.

    `found[j]` gets the squared shift of the position under the predicted covariance, `expected[j]` what that should be.
    """
    z, N, K, S = np.empty(3), np.empty(6), np.empty((9, 3)), np.empty((9, 3))
    for j in range(xyz.shape[0]):
        found[j] = expected[j] = 0.0
        if views[j] == 0:
            lost = people.fade[m, j] < 0.0  # it was hung on its parent just now
            forget_bias(m, j, people)
            people.fade[m, j] = -1.0 if lost else 0.0
            continue
        if people.prior[m, j, 0] == 0.0:
            _start(m, j, people, xyz[j], H[j])
            continue
        _rays_alone(people.prior[m, j], people.pos[m, j], xyz[j], H[j], z, N)
        _fade_bias(m, j, people, persistence, N)
        _update(m, j, people, z, S, K)
        if views[j] >= 2:
            W, pp = sym3(people.prior[m, j]), people.pp[m, j]
            found[j] = quadratic_sym3(W, K[0, 0], K[1, 0], K[2, 0])
            expected[j] = 3.0 - (W[0] * pp[0] + W[3] * pp[3] + W[5] * pp[5])
            expected[j] -= 2 * (W[1] * pp[1] + W[2] * pp[2] + W[4] * pp[4])


@inner
def _start(m: int, j: int, people: State, point: Array, H: Array) -> None:
    """A joint without a prediction is where its rays say, minus a bias of which only the size is known."""
    N = inverse_sym3(H[0], H[1], H[2], H[3], H[4], H[5])
    copy_row(point, people.pos[m, j])
    people.fade[m, j] = -1.0
    people.bias[m, j] = 0.0
    people.pv[m, j] = 0.0
    people.vb[m, j] = 0.0
    pb = people.pb[m, j]
    pb[0], pb[1], pb[2], pb[3], pb[4], pb[5], pb[6], pb[7], pb[8] = (
        -N[0], -N[1], -N[2], -N[1], -N[3], -N[4], -N[2], -N[4], -N[5],
    )  # fmt: skip
    for k in range(6):
        people.pp[m, j, k] = people.bb[m, j, k] = people.blur[m, j, k] = N[k]


@inner
def _rays_alone(W: Array, mean: Array, point: Array, H: Array, z: Array, N: Array) -> None:
    """Take the prediction (mean, information W) out of a point that contains it: z and its covariance N."""
    k = 1.0 - FAINT
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
def _fade_bias(m: int, j: int, people: State, persistence: float, N: Array) -> None:
    """The bias one frame on, of a set of rays whose error has covariance N.

    Of nested sets of rays, the smaller one's error is the larger one's plus something new, and the larger one's
    contains the smaller one's in proportion to their variances.
    """
    old = people.blur[m, j]
    before, now = old[0] + old[3] + old[5], N[0] + N[3] + N[5]
    k, fresh = 0.0, 1.0
    if before > 0.0:
        k = persistence * min(1.0, now / before)
        fresh = 1.0 - k * k * before / now
    people.fade[m, j], people.fresh[m, j] = k, fresh
    for i in range(3):
        people.bias[m, j, i] *= k
    for i in range(9):
        people.pb[m, j, i] *= k
        people.vb[m, j, i] *= k
    for i in range(6):
        people.bb[m, j, i] = k * k * people.bb[m, j, i] + fresh * N[i]
        old[i] = N[i]


@inner
def _update(m: int, j: int, people: State, z: Array, cross: Array, K: Array) -> None:
    """Kalman update by z = position + bias, without further noise. K[:3, 0] returns the position's shift."""
    pp, pv, pb = people.pp[m, j], people.pv[m, j], people.pb[m, j]
    vv, vb, bb = people.vv[m, j], people.vb[m, j], people.bb[m, j]
    # cross = covariance of (position, velocity, bias) with position + bias, and S that of the sum.
    for a in range(3):
        for b in range(3):
            cross[a, b] = pp[_at(a, b)] + pb[3 * a + b]
            cross[3 + a, b] = pv[3 * b + a] + vb[3 * a + b]
            cross[6 + a, b] = pb[3 * b + a] + bb[_at(a, b)]
    s = inverse_sym3(
        cross[0, 0] + cross[6, 0], cross[0, 1] + cross[6, 1], cross[0, 2] + cross[6, 2],
        cross[1, 1] + cross[7, 1], cross[1, 2] + cross[7, 2], cross[2, 2] + cross[8, 2],
    )  # fmt: skip
    for a in range(9):
        x, y, w = cross[a, 0], cross[a, 1], cross[a, 2]
        K[a, 0] = x * s[0] + y * s[1] + w * s[2]
        K[a, 1] = x * s[1] + y * s[3] + w * s[4]
        K[a, 2] = x * s[2] + y * s[4] + w * s[5]
    for a in range(3):
        for b in range(3):
            if a <= b:
                pp[_at(a, b)] -= _dot(K[a], cross[b])
                vv[_at(a, b)] -= _dot(K[3 + a], cross[3 + b])
                bb[_at(a, b)] -= _dot(K[6 + a], cross[6 + b])
            pv[3 * a + b] -= _dot(K[a], cross[3 + b])
            pb[3 * a + b] -= _dot(K[a], cross[6 + b])
            vb[3 * a + b] -= _dot(K[3 + a], cross[6 + b])
    pos, vel, bias = people.pos[m, j], people.vel[m, j], people.bias[m, j]
    y0, y1, y2 = z[0] - pos[0] - bias[0], z[1] - pos[1] - bias[1], z[2] - pos[2] - bias[2]
    for a in range(9):
        K[a, 0] = K[a, 0] * y0 + K[a, 1] * y1 + K[a, 2] * y2
    for a in range(3):
        pos[a] += K[a, 0]
        vel[a] += K[3 + a, 0]
        bias[a] += K[6 + a, 0]


@kernel
def _at(a: int, b: int) -> int:
    """Place of element (a, b) among the six numbers of a symmetric matrix."""
    return a + b + (a > 0 and b > 0)


@inner
def _dot(a: Array, b: Array) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@kernel
def correct(m: int, people: State, known: Array, xyz: Array, C: Array) -> None:
    """Bones moved slot m's positions, of which the filters had the information `known`, to `xyz` with covariances C.

    Carry that over to velocity and bias: with the gain G = cov(rest, position) `known`, rest += G shift, and
    cov(rest, rest) += G (C - P) G'.
    """
    G, D, GD = np.empty((6, 3)), np.empty((3, 3)), np.empty((6, 3))
    for j in range(xyz.shape[0]):
        W, c, pp = sym3(known[j]), C[j], people.pp[m, j]
        pv, pb, vv, vb, bb = people.pv[m, j], people.pb[m, j], people.vv[m, j], people.vb[m, j], people.bb[m, j]
        for a in range(3):
            x, y, z = pv[a], pv[3 + a], pv[6 + a]
            G[a, 0] = x * W[0] + y * W[1] + z * W[2]
            G[a, 1] = x * W[1] + y * W[3] + z * W[4]
            G[a, 2] = x * W[2] + y * W[4] + z * W[5]
            x, y, z = pb[a], pb[3 + a], pb[6 + a]
            G[3 + a, 0] = x * W[0] + y * W[1] + z * W[2]
            G[3 + a, 1] = x * W[1] + y * W[3] + z * W[4]
            G[3 + a, 2] = x * W[2] + y * W[4] + z * W[5]
            for b in range(3):
                D[a, b] = pp[_at(a, b)] - c[_at(a, b)]
        for a in range(6):
            for b in range(3):
                GD[a, b] = G[a, 0] * D[0, b] + G[a, 1] * D[1, b] + G[a, 2] * D[2, b]
        for a in range(3):
            for b in range(3):
                if a <= b:
                    vv[_at(a, b)] -= _dot(GD[a], G[b])
                    bb[_at(a, b)] -= _dot(GD[3 + a], G[3 + b])
                vb[3 * a + b] -= _dot(GD[a], G[3 + b])
                pv[3 * a + b] = c[_at(a, 0)] * G[b, 0] + c[_at(a, 1)] * G[b, 1] + c[_at(a, 2)] * G[b, 2]
                pb[3 * a + b] = c[_at(a, 0)] * G[3 + b, 0] + c[_at(a, 1)] * G[3 + b, 1] + c[_at(a, 2)] * G[3 + b, 2]
        pos, vel, bias = people.pos[m, j], people.vel[m, j], people.bias[m, j]
        dx, dy, dz = xyz[j, 0] - pos[0], xyz[j, 1] - pos[1], xyz[j, 2] - pos[2]
        for a in range(3):
            vel[a] += G[a, 0] * dx + G[a, 1] * dy + G[a, 2] * dz
            bias[a] += G[3 + a, 0] * dx + G[3 + a, 1] * dy + G[3 + a, 2] * dz
            pos[a] = xyz[j, a]
        for k in range(6):
            pp[k] = c[k]
