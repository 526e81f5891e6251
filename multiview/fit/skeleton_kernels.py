"""One person's joints in one frame: what the rays say of each, and the bones, in one problem on the graph of bones.

The normal equations have a 3x3 block per joint and one per bone. Eliminating joint after joint solves them exactly, and
the way back gives every joint's marginal covariance (selected inversion: Takahashi, Fagan and Chen 1973; Erisman and
Tinney 1975).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from multiview.fit.elimination import Elimination
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.small_kernels import inverse_sym3


class Pulls(NamedTuple):
    """What draws joints together: E bones between their `ends`, the first J from each joint to its parent."""

    ends: Array  # (E, 2)
    length: Array  # (E,) m
    stiffness: Array  # (E,) 1/m^2
    offset: Array  # (J, 3) m, from the parent
    tether: Array  # (J,) 1/m^2


@kernel
def fit_skeleton(graph: Elimination, pulls: Pulls, xyz: Array, D: Array, g: Array, C: Array) -> None:
    """Solve for the joints around `xyz` (J, 3), where each has the information D (J, 6) and the pull g (J, 3).

    The bones are linearised there: `stiffness` times (bone length - `length`)^2, `tether` times |bone - `offset`|^2. On
    return `xyz` are the solution, C (J, 6) the covariances; D and g are used up.
    """
    blocks = graph.blocks.shape[0]
    E, cross = np.zeros((blocks, 9)), np.empty((blocks, 9))
    S = np.empty((xyz.shape[0], 6))
    _add_bones(graph, pulls, xyz, D, g, E)
    _eliminate(graph, D, g, S, E)
    _go_back(graph, S, E, g, C, cross)
    for j in range(xyz.shape[0]):
        for a in range(3):
            xyz[j, a] += g[j, a]


@inner
def _add_bones(graph: Elimination, pulls: Pulls, xyz: Array, D: Array, g: Array, E: Array) -> None:
    """Add each bone's information to both its ends and, with the other sign, to its block; its pull to their pulls."""
    joints = xyz.shape[0]
    for e in range(pulls.ends.shape[0]):
        i = graph.bone[e]
        s = pulls.stiffness[e]
        w = pulls.tether[e] if e < joints else 0.0
        if i < 0 or not s + w > 0.0:
            continue
        j, p = pulls.ends[e, 0], pulls.ends[e, 1]
        x, y, z = xyz[j, 0] - xyz[p, 0], xyz[j, 1] - xyz[p, 1], xyz[j, 2] - xyz[p, 2]
        now = math.sqrt(x * x + y * y + z * z)
        gx = gy = gz = 0.0
        a = b = c = d = f = h = 0.0
        if s > 0.0 and now > 1e-6:
            ux, uy, uz = x / now, y / now, z / now
            pull = s * (pulls.length[e] - now)
            gx, gy, gz = pull * ux, pull * uy, pull * uz
            a, b, c, d, f, h = s * ux * ux, s * ux * uy, s * ux * uz, s * uy * uy, s * uy * uz, s * uz * uz
        if w > 0.0:
            gx += w * (pulls.offset[e, 0] - x)
            gy += w * (pulls.offset[e, 1] - y)
            gz += w * (pulls.offset[e, 2] - z)
            a += w
            d += w
            h += w
        for k in (j, p):
            m = D[k]
            m[0] += a
            m[1] += b
            m[2] += c
            m[3] += d
            m[4] += f
            m[5] += h
        g[j, 0] += gx
        g[j, 1] += gy
        g[j, 2] += gz
        g[p, 0] -= gx
        g[p, 1] -= gy
        g[p, 2] -= gz
        m = E[i]
        m[0] -= a
        m[1] -= b
        m[2] -= c
        m[3] -= b
        m[4] -= d
        m[5] -= f
        m[6] -= c
        m[7] -= f
        m[8] -= h


@inner
def _eliminate(graph: Elimination, D: Array, g: Array, S: Array, E: Array) -> None:
    """Take joint after joint out of the equations: S gets the inverses of their blocks, E the gains S E."""
    gain = np.empty((graph.later.shape[1], 9))
    for n in range(graph.order.shape[0]):
        j = graph.order[n]
        d, s = D[j], S[j]
        s[0], s[1], s[2], s[3], s[4], s[5] = inverse_sym3(d[0], d[1], d[2], d[3], d[4], d[5])
        for k in range(graph.later.shape[1]):
            p = graph.later[j, k]
            if p < 0:
                break
            e, m = E[graph.block[j, k]], gain[k]
            for c in range(3):
                x, y, z = e[c], e[3 + c], e[6 + c]
                m[c] = s[0] * x + s[1] * y + s[2] * z
                m[3 + c] = s[1] * x + s[3] * y + s[4] * z
                m[6 + c] = s[2] * x + s[4] * y + s[5] * z
                g[p, c] -= m[c] * g[j, 0] + m[3 + c] * g[j, 1] + m[6 + c] * g[j, 2]
        for k in range(graph.later.shape[1]):
            p = graph.later[j, k]
            if p < 0:
                break
            e = E[graph.block[j, k]]
            m, d = gain[k], D[p]
            d[0] -= e[0] * m[0] + e[3] * m[3] + e[6] * m[6]
            d[1] -= e[0] * m[1] + e[3] * m[4] + e[6] * m[7]
            d[2] -= e[0] * m[2] + e[3] * m[5] + e[6] * m[8]
            d[3] -= e[1] * m[1] + e[4] * m[4] + e[7] * m[7]
            d[4] -= e[1] * m[2] + e[4] * m[5] + e[7] * m[8]
            d[5] -= e[2] * m[2] + e[5] * m[5] + e[8] * m[8]
            for i in range(k + 1, graph.later.shape[1]):
                if graph.later[j, i] < 0:
                    break
                target, m = E[graph.fill[j, k, i]], gain[i]
                for a in range(3):
                    for b in range(3):
                        target[3 * a + b] -= e[a] * m[b] + e[3 + a] * m[3 + b] + e[6 + a] * m[6 + b]
        for k in range(graph.later.shape[1]):
            if graph.later[j, k] < 0:
                break
            e, m = E[graph.block[j, k]], gain[k]
            for a in range(9):
                e[a] = m[a]


@inner
def _go_back(graph: Elimination, S: Array, E: Array, g: Array, C: Array, cross: Array) -> None:
    """From the last joint to the first: the solution in g, the covariances C and those `cross` of connected joints."""
    for n in range(graph.order.shape[0] - 1, -1, -1):
        j = graph.order[n]
        s, c = S[j], C[j]
        x, y, z = g[j, 0], g[j, 1], g[j, 2]
        g[j, 0] = s[0] * x + s[1] * y + s[2] * z
        g[j, 1] = s[1] * x + s[3] * y + s[4] * z
        g[j, 2] = s[2] * x + s[4] * y + s[5] * z
        for k in range(6):
            c[k] = s[k]
        for k in range(graph.later.shape[1]):
            p = graph.later[j, k]
            if p < 0:
                break
            m = E[graph.block[j, k]]
            for a in range(3):
                g[j, a] -= m[3 * a] * g[p, 0] + m[3 * a + 1] * g[p, 1] + m[3 * a + 2] * g[p, 2]
            # cov(j, p) = - sum over the later joints i of gain_i cov(i, p)
            out = cross[graph.block[j, k]]
            for a in range(9):
                out[a] = 0.0
            for i in range(graph.later.shape[1]):
                q = graph.later[j, i]
                if q < 0:
                    break
                m = E[graph.block[j, i]]
                if i == k:
                    v = C[p]
                    _subtract_product(m, v[0], v[1], v[2], v[1], v[3], v[4], v[2], v[4], v[5], out)
                elif i < k:
                    v = cross[graph.fill[j, i, k]]
                    _subtract_product(m, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], out)
                else:
                    v = cross[graph.fill[j, k, i]]
                    _subtract_product(m, v[0], v[3], v[6], v[1], v[4], v[7], v[2], v[5], v[8], out)
        for k in range(graph.later.shape[1]):
            if graph.later[j, k] < 0:
                break
            m, v = E[graph.block[j, k]], cross[graph.block[j, k]]
            c[0] -= v[0] * m[0] + v[1] * m[1] + v[2] * m[2]
            c[1] -= v[0] * m[3] + v[1] * m[4] + v[2] * m[5]
            c[2] -= v[0] * m[6] + v[1] * m[7] + v[2] * m[8]
            c[3] -= v[3] * m[3] + v[4] * m[4] + v[5] * m[5]
            c[4] -= v[3] * m[6] + v[4] * m[7] + v[5] * m[8]
            c[5] -= v[6] * m[6] + v[7] * m[7] + v[8] * m[8]


@inner
def _subtract_product(
    m: Array, a: float, b: float, c: float, d: float, e: float, f: float, g: float, h: float, i: float, out: Array
) -> None:
    """out -= m [[a b c] [d e f] [g h i]]."""
    for r in range(3):
        x, y, z = m[3 * r], m[3 * r + 1], m[3 * r + 2]
        out[3 * r] -= x * a + y * d + z * g
        out[3 * r + 1] -= x * b + y * e + z * h
        out[3 * r + 2] -= x * c + y * f + z * i
