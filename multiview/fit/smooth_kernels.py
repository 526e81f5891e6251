"""Later frames correct earlier ones: the Rauch-Tung-Striebel smoother of each joint's filter.

It solves the block-tridiagonal normal equations of a whole trajectory (position, velocity and bias in every frame),
in one pass back over what the filter left (Rauch, Tung and Striebel 1965; Bierman 1977, chapter 10).
"""

from __future__ import annotations

import math

import numpy as np

from multiview.fit.people import State
from multiview.geometry.jit import Array, kernel

COV, AGILITY, FADE, BLUR, SIZE = 9, 90, 91, 92, 98  # places in a packed joint
LEAST = 1e-12  # m^2, of a bias that is known to be none


@kernel
def pack(slots: Array, people: State, packed: Array) -> None:
    """Everything that the way back needs of each joint: mean (9), covariance (9 x 9), agility, fade, blur."""
    for n in range(slots.shape[0]):
        m = slots[n]
        for j in range(packed.shape[1]):
            f = packed[n, j]
            P = f[COV : COV + 81].reshape(9, 9)
            for a in range(3):
                f[a], f[3 + a], f[6 + a] = people.pos[m, j, a], people.vel[m, j, a], people.bias[m, j, a]
                for b in range(3):
                    i = a + b + (a > 0 and b > 0)
                    P[a, b], P[3 + a, 3 + b] = people.pp[m, j, i], people.vv[m, j, i]
                    P[6 + a, 6 + b] = people.bb[m, j, i]
                    P[a, 3 + b] = P[3 + b, a] = people.pv[m, j, 3 * a + b]
                    P[a, 6 + b] = P[6 + b, a] = people.pb[m, j, 3 * a + b]
                    P[3 + a, 6 + b] = P[6 + b, 3 + a] = people.vb[m, j, 3 * a + b]
            f[AGILITY], f[FADE] = people.agility[m, j], people.fade[m, j]
            for i in range(6):
                f[BLUR + i] = people.blur[m, j, i]


@kernel
def smooth(filtered: Array, dt: Array, xyz: Array, cov: Array) -> None:
    """Smoothed positions (T, J, 3) and covariances (T, J, 6) of one person's packed frames (T, J, SIZE).

    dt[k] s leads from frame k - 1 to k. A joint that began anew in a frame tells nothing of the frames before.
    """
    A, L, G, W = np.empty((9, 9)), np.empty((9, 9)), np.empty((9, 9)), np.empty((9, 9))
    x, ahead, P = np.empty(9), np.empty(9), np.empty((9, 9))
    last = filtered.shape[0] - 1
    for j in range(filtered.shape[1]):
        x[:] = filtered[last, j, :9]
        P[:] = filtered[last, j, COV : COV + 81].reshape(9, 9)
        _keep(x, P, xyz[last, j], cov[last, j])
        for k in range(last - 1, -1, -1):
            f, after = filtered[k, j], filtered[k + 1, j]
            Pf = f[COV : COV + 81].reshape(9, 9)
            if after[FADE] < 0.0:
                x[:] = f[:9]
                P[:] = Pf
            else:
                _step_back(f, Pf, after, dt[k + 1], x, P, ahead, A, L, G, W)
            _keep(x, P, xyz[k, j], cov[k, j])


@kernel
def _keep(x: Array, P: Array, xyz: Array, cov: Array) -> None:
    xyz[0], xyz[1], xyz[2] = x[0], x[1], x[2]
    cov[0], cov[1], cov[2], cov[3], cov[4], cov[5] = P[0, 0], P[0, 1], P[0, 2], P[1, 1], P[1, 2], P[2, 2]


@kernel
def _step_back(
    f: Array,
    Pf: Array,
    after: Array,
    h: float,
    x: Array,
    P: Array,
    ahead: Array,
    A: Array,
    L: Array,
    G: Array,
    W: Array,
) -> None:
    """From the smoothed x, P of the next frame to this one's: x = f + G (x - F f), P = Pf + G (P - Pp) G'.

    F moves positions by h times the velocity and fades the bias, Pp is the predicted covariance, G = Pf F' Pp^-1.
    """
    fade, q = after[FADE], f[AGILITY]
    for a in range(9):
        for b in range(3):
            A[a, b] = Pf[a, b] + h * Pf[a, 3 + b]
            A[a, 3 + b] = Pf[a, 3 + b]
            A[a, 6 + b] = fade * Pf[a, 6 + b]
    for b in range(9):
        for a in range(3):
            L[a, b] = A[a, b] + h * A[3 + a, b]
            L[3 + a, b] = A[3 + a, b]
            L[6 + a, b] = fade * A[6 + a, b]
    for a in range(3):
        L[a, a] += q * h * h * h / 3
        L[a, 3 + a] += q * h * h / 2
        L[3 + a, a] += q * h * h / 2
        L[3 + a, 3 + a] += q * h
        ahead[a], ahead[3 + a], ahead[6 + a] = f[a] + h * f[3 + a], f[3 + a], fade * f[6 + a]
    _add_blur(L, after, fade)
    for a in range(9):
        x[a] -= ahead[a]
        for b in range(9):
            P[a, b] -= L[a, b]
    _gain(A, L, G)
    for a in range(9):
        total = 0.0
        for b in range(9):
            total += G[a, b] * x[b]
        ahead[a] = f[a] + total
        for b in range(9):
            W[a, b] = 0.0
        for i in range(9):
            g = G[a, i]
            for b in range(9):
                W[a, b] += g * P[i, b]
    for a in range(9):
        x[a] = ahead[a]
        for b in range(a, 9):
            total = Pf[a, b]
            for i in range(9):
                total += W[a, i] * G[b, i]
            P[a, b] = P[b, a] = total


@kernel
def _add_blur(L: Array, after: Array, fade: float) -> None:
    """The part of the bias that is new in a frame."""
    k = 1.0 - fade * fade
    L[6, 6] += k * after[BLUR] + LEAST
    L[6, 7] += k * after[BLUR + 1]
    L[7, 6] += k * after[BLUR + 1]
    L[6, 8] += k * after[BLUR + 2]
    L[8, 6] += k * after[BLUR + 2]
    L[7, 7] += k * after[BLUR + 3] + LEAST
    L[7, 8] += k * after[BLUR + 4]
    L[8, 7] += k * after[BLUR + 4]
    L[8, 8] += k * after[BLUR + 5] + LEAST


@kernel
def _gain(A: Array, S: Array, G: Array) -> None:
    """G = A S^-1 by Cholesky; S is overwritten."""
    for a in range(9):
        for b in range(a + 1):
            total = S[a, b]
            for i in range(b):
                total -= S[a, i] * S[b, i]
            S[a, b] = math.sqrt(max(total, 1e-18)) if a == b else total / S[b, b]
    for r in range(9):
        for a in range(9):
            total = A[r, a]
            for i in range(a):
                total -= S[a, i] * G[r, i]
            G[r, a] = total / S[a, a]
        for a in range(8, -1, -1):
            total = G[r, a]
            for i in range(a + 1, 9):
                total -= S[i, a] * G[r, i]
            G[r, a] = total / S[a, a]
