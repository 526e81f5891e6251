"""Each joint as a point with nearly constant velocity (Bar-Shalom, Li and Kirubarajan 2001, section 6.2).

The state's covariance is kept as three 3x3 blocks: position `P` (6 numbers), cross `Q` (9, row major) and velocity `V`
(6).
"""

from __future__ import annotations

import numpy as np

from multiview.geometry.jit import Array, kernel
from multiview.geometry.small_kernels import inverse_sym3, sym3


@kernel
def predict(
    slots: Array, dt: Array, agility: Array, pos: Array, vel: Array, P: Array, Q: Array, V: Array, prior: Array
) -> None:
    """Carry the joints of `slots` forward by dt[slot] s; `prior` gets the inverse of the predicted P.

    `agility[slot, joint]` m^2/s^3 is the power of the white acceleration that the model allows.
    """
    for n in range(slots.shape[0]):
        m = slots[n]
        h = dt[n]
        for j in range(pos.shape[1]):
            q = agility[m, j]
            p, x, v = P[m, j], Q[m, j], V[m, j]
            for i in range(3):
                pos[m, j, i] += h * vel[m, j, i]
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
            for k in (0, 3, 5):
                p[k] += q * h * h * h / 3
                v[k] += q * h
            for k in (0, 4, 8):
                x[k] += q * h * h / 2
            prior[m, j, 0], prior[m, j, 1], prior[m, j, 2], prior[m, j, 3], prior[m, j, 4], prior[m, j, 5] = (
                inverse_sym3(p[0], p[1], p[2], p[3], p[4], p[5])
            )


@kernel
def correct(m: int, pos: Array, vel: Array, P: Array, Q: Array, V: Array, prior: Array, xyz: Array, C: Array) -> None:
    """The fit moved slot m's positions to `xyz` with covariance C: carry that over to the velocities.

    With the gain G = Q' P^-1 of velocity on position: v += G (x - x_predicted), Q = C G', V -= G (P - C) G'.
    """
    G, D, GD = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for j in range(xyz.shape[0]):
        W = sym3(prior[m, j])
        q = Q[m, j]
        for a in range(3):
            G[a, 0] = q[a] * W[0] + q[3 + a] * W[1] + q[6 + a] * W[2]
            G[a, 1] = q[a] * W[1] + q[3 + a] * W[3] + q[6 + a] * W[4]
            G[a, 2] = q[a] * W[2] + q[3 + a] * W[4] + q[6 + a] * W[5]
        c, p = C[j], P[m, j]
        D[0, 0], D[0, 1], D[0, 2] = p[0] - c[0], p[1] - c[1], p[2] - c[2]
        D[1, 0], D[1, 1], D[1, 2] = D[0, 1], p[3] - c[3], p[4] - c[4]
        D[2, 0], D[2, 1], D[2, 2] = D[0, 2], D[1, 2], p[5] - c[5]
        for a in range(3):
            for b in range(3):
                GD[a, b] = G[a, 0] * D[0, b] + G[a, 1] * D[1, b] + G[a, 2] * D[2, b]
        k = 0
        for a in range(3):
            for b in range(a, 3):
                V[m, j, k] -= GD[a, 0] * G[b, 0] + GD[a, 1] * G[b, 1] + GD[a, 2] * G[b, 2]
                k += 1
        for a in range(3):
            q[a] = c[0] * G[a, 0] + c[1] * G[a, 1] + c[2] * G[a, 2]
            q[3 + a] = c[1] * G[a, 0] + c[3] * G[a, 1] + c[4] * G[a, 2]
            q[6 + a] = c[2] * G[a, 0] + c[4] * G[a, 1] + c[5] * G[a, 2]
        dx, dy, dz = xyz[j, 0] - pos[m, j, 0], xyz[j, 1] - pos[m, j, 1], xyz[j, 2] - pos[m, j, 2]
        for a in range(3):
            vel[m, j, a] += G[a, 0] * dx + G[a, 1] * dy + G[a, 2] * dz
            pos[m, j, a] = xyz[j, a]
        for k in range(6):
            p[k] = c[k]
