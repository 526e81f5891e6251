"""Later frames correct earlier ones: the Rauch-Tung-Striebel smoother of each joint's filter.

It solves the block-tridiagonal normal equations of a whole trajectory, position and velocity in every frame, in one
pass back over what the filter left (Rauch, Tung and Striebel 1965; Bar-Shalom, Li and Kirubarajan 2001, section 8.6).
With the filter's state x[k], P[k], the step h, the transition F = [[I, h I], [0, I]] and the process noise Q of
`kalman_kernels`:

    P-[k+1] = F P[k] F' + Q                                                     (1)
    G = P[k] F' P-[k+1]^-1                                                      (2)
    xs[k] = x[k] + G (xs[k+1] - F x[k])                                         (3)
    Ps[k] = P[k] + G (Ps[k+1] - P-[k+1]) G'                                     (4)
"""

from __future__ import annotations

import numpy as np

from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import copy_row

# Where a packed joint has what: the mean (6) from 0 on, the covariance (6 x 6) from COV on.
COV, ACCELERATION_PSD, REINITIALISED, HAS_ESTIMATE, SIZE = 6, 42, 43, 44, 45


@kernel
def pack(slots: Array, people: State, packed: Array) -> None:
    """Put what the way back needs of each joint into `packed` (N, J, SIZE)."""
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
            f[ACCELERATION_PSD] = people.acceleration_psd[m, j]
            f[REINITIALISED] = people.reinitialised[m, j]
            f[HAS_ESTIMATE] = people.has_estimate[m, j]


@kernel
def smooth(filtered: Array, dt: Array, xyz: Array, cov: Array) -> None:
    """Smoothed positions (T, J, 3) and covariances (T, J, 3, 3) of one person's packed frames (T, J, SIZE).

    NaN where a joint has no estimate. dt[k] s leads from frame k - 1 to k. A frame in which a joint was reinitialised
    says nothing of the frames before.
    """
    M, W = np.empty((6, 12)), np.empty((6, 6))
    x, ahead, P = np.empty(6), np.empty(6), np.empty((6, 6))
    last = filtered.shape[0] - 1
    for j in range(filtered.shape[1]):
        _start(filtered[last, j], x, P)
        _write(x, P, filtered[last, j, HAS_ESTIMATE], xyz[last, j], cov[last, j])
        for k in range(last - 1, -1, -1):
            f, after = filtered[k, j], filtered[k + 1, j]
            if after[REINITIALISED] > 0.0:
                _start(f, x, P)
            else:
                _step_back(f, f[COV : COV + 36].reshape(6, 6), dt[k + 1], x, P, ahead, M, W)
            _write(x, P, f[HAS_ESTIMATE], xyz[k, j], cov[k, j])


@inner
def _start(f: Array, x: Array, P: Array) -> None:
    """The smoothed x, P of a last frame are the filter's."""
    copy_row(f[:6], x)
    for a in range(6):
        copy_row(f[COV + 6 * a : COV + 6 * a + 6], P[a])


@inner
def _write(x: Array, P: Array, has_estimate: float, xyz: Array, cov: Array) -> None:
    for a in range(3):
        xyz[a] = x[a] if has_estimate > 0.0 else np.nan
        for b in range(3):
            cov[a, b] = P[min(a, b), max(a, b)] if has_estimate > 0.0 else np.nan


@inner
def _step_back(f: Array, Pf: Array, h: float, x: Array, P: Array, ahead: Array, M: Array, W: Array) -> None:
    """From the smoothed x, P of the next frame to this one's; f and Pf are the filter's mean and covariance.

    M holds [P- | F Pf] and then, on its right, G'. All inner loops run along rows.
    """
    q = f[ACCELERATION_PSD]
    for a in range(3):
        for b in range(6):
            M[a, 6 + b] = Pf[a, b] + h * Pf[3 + a, b]
            M[3 + a, 6 + b] = Pf[3 + a, b]
    for a in range(6):  # (1)
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
    _solve(M)  # (2)
    for a in range(6):  # W = (P - P-) G'
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
    for i in range(6):  # (3) and (4)
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
