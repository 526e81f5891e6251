"""Later frames correct earlier ones: the Rauch-Tung-Striebel smoother of each joint's filter.

It solves the block-tridiagonal normal equations of a whole trajectory (position and velocity in every frame) in one
pass back over what the filter left (Rauch, Tung and Striebel 1965; Bierman 1977, chapter 10).
"""

from __future__ import annotations

import numpy as np

from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import copy_row

COV, AGILITY, ANEW, KNOWN, SIZE = 6, 42, 43, 44, 45  # places in a packed joint


@kernel
def pack(slots: Array, people: State, packed: Array) -> None:
    """What the way back needs of each joint: mean (6), covariance (6 x 6), agility, whether it began anew, is known."""
    for n in range(slots.shape[0]):
        m = slots[n]
        for j in range(packed.shape[1]):
            f = packed[n, j]
            P = f[COV : COV + 36].reshape(6, 6)
            for a in range(3):
                f[a], f[3 + a] = people.pos[m, j, a], people.vel[m, j, a]
                for b in range(3):
                    i = a + b + (a > 0 and b > 0)
                    P[a, b], P[3 + a, 3 + b] = people.cov_pp[m, j, i], people.cov_vv[m, j, i]
                    P[a, 3 + b] = P[3 + b, a] = people.cov_pv[m, j, 3 * a + b]
            f[AGILITY], f[ANEW], f[KNOWN] = (
                people.acceleration_psd[m, j],
                people.reinitialised[m, j],
                people.has_estimate[m, j],
            )


@kernel
def smooth(filtered: Array, dt: Array, xyz: Array, cov: Array) -> None:
    """Smoothed positions (T, J, 3) and covariances (T, J, 3, 3) of one person's packed frames (T, J, SIZE), NaN where
    a joint is unknown.

    dt[k] s leads from frame k - 1 to k. A joint that began anew in a frame tells nothing of the frames before.
    """
    M, W = np.empty((6, 12)), np.empty((6, 6))
    x, ahead, P = np.empty(6), np.empty(6), np.empty((6, 6))
    last = filtered.shape[0] - 1
    for j in range(filtered.shape[1]):
        _unpack(filtered[last, j], x, P)
        _keep(x, P, filtered[last, j, KNOWN], xyz[last, j], cov[last, j])
        for k in range(last - 1, -1, -1):
            f, after = filtered[k, j], filtered[k + 1, j]
            Pf = f[COV : COV + 36].reshape(6, 6)
            if after[ANEW] > 0.0:
                _unpack(f, x, P)
            else:
                _step_back(f, Pf, dt[k + 1], x, P, ahead, M, W)
            _keep(x, P, f[KNOWN], xyz[k, j], cov[k, j])


@inner
def _unpack(f: Array, x: Array, P: Array) -> None:
    copy_row(f[:6], x)
    for a in range(6):
        copy_row(f[COV + 6 * a : COV + 6 * a + 6], P[a])


@inner
def _keep(x: Array, P: Array, known: float, xyz: Array, cov: Array) -> None:
    for a in range(3):
        xyz[a] = x[a] if known > 0.0 else np.nan
        for b in range(3):
            cov[a, b] = P[min(a, b), max(a, b)] if known > 0.0 else np.nan


@inner
def _step_back(f: Array, Pf: Array, h: float, x: Array, P: Array, ahead: Array, M: Array, W: Array) -> None:
    """From the smoothed x, P of the next frame to this one's: x = f + G (x - F f), P = Pf + G (P - Pp) G'.

    F moves positions by h times the velocity, Pp is the predicted covariance, G = Pf F' Pp^-1. M holds [Pp | F Pf] and
    then, on its right, G'. All inner loops run along rows.
    """
    q = f[AGILITY]
    for a in range(3):
        for b in range(6):
            M[a, 6 + b] = Pf[a, b] + h * Pf[3 + a, b]
            M[3 + a, 6 + b] = Pf[3 + a, b]
    for a in range(6):
        for b in range(3):
            M[a, b] = M[a, 6 + b] + h * M[a, 9 + b]
            M[a, 3 + b] = M[a, 9 + b]
    for a in range(3):
        M[a, a] += q * h * h * h
        M[a, 3 + a] += q * h * h
        M[3 + a, a] += q * h * h
        M[3 + a, 3 + a] += q * h
        ahead[a], ahead[3 + a] = f[a] + h * f[3 + a], f[3 + a]
    for a in range(6):
        x[a] -= ahead[a]
        for b in range(6):
            P[a, b] -= M[a, b]
    _solve(M)
    for a in range(6):
        for b in range(6):
            W[a, b] = 0.0
        for i in range(6):
            g = P[a, i]
            for b in range(6):
                W[a, b] += g * M[i, 6 + b]
    for a in range(6):
        ahead[a] = f[a]
        for b in range(6):
            P[a, b] = Pf[a, b]
    for i in range(6):
        for a in range(6):
            g = M[i, 6 + a]
            ahead[a] += g * x[i]
            for b in range(6):
                P[a, b] += g * W[i, b]
    copy_row(ahead, x)


@inner
def _solve(M: Array) -> None:
    """Turn M = [S | B] into [. | S^-1 B] by elimination; S is positive definite and needs no pivoting."""
    for i in range(6):
        inverse = 1.0 / max(M[i, i], 1e-18)
        for r in range(i + 1, 6):
            g = M[r, i] * inverse
            for b in range(12):
                M[r, b] -= g * M[i, b]
    for i in range(5, -1, -1):
        inverse = 1.0 / max(M[i, i], 1e-18)
        for b in range(6, 12):
            M[i, b] *= inverse
        for r in range(i):
            g = M[r, i]
            for b in range(6, 12):
                M[r, b] -= g * M[i, b]
