"""People's joints in one frame: what the rays say of each, and the bones, in one problem on the graph of bones.

The normal equations have a 3x3 block per joint and one per bone. Eliminating joint after joint solves them exactly, and
the way back gives every joint's marginal covariance (selected inversion: Takahashi, Fagan and Chen 1973; Erisman and
Tinney 1975). The graph is the same for all people, so four are solved side by side, one in each lane.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from multiview.fusion.state.elimination import Elimination
from multiview.geometry.four import Four, choose, load, store
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.row_kernels import nine, six, store_six, store_three, three
from multiview.geometry.sym3_kernels import inverse_sym3


class Pulls(NamedTuple):
    """What draws joints together: E bones between their `ends`, the first J from each joint to its parent."""

    ends: Array  # (E, 2)
    length: Array  # (E, 4) m
    stiffness: Array  # (E, 4) 1/m^2
    offset: Array  # (J 3, 4) m, from the parent
    tether: Array  # (J, 4) 1/m^2


def rows_of(graph: Elimination) -> int:
    """Rows of the room that the fit needs."""
    return 18 * len(graph.blocks) + 6 * len(graph.order)


@kernel
def fit_skeleton(graph: Elimination, pulls: Pulls, xyz: Array, D: Array, g: Array, C: Array, room: Array) -> None:
    """Solve for the joints around `xyz` (J 3, 4), where each has the information D (J 6, 4) and the pull g (J 3, 4).

    The bones are linearised there: `stiffness` times (bone length - `length`)^2, `tether` times |bone - `offset`|^2. On
    return `xyz` are the solution, C (J 6, 4) the covariances; D and g are used up, as are `rows_of` rows of `room`.
    """
    blocks, joints = graph.blocks.shape[0], graph.order.shape[0]
    E, gains, S = room[: 9 * blocks], room[9 * blocks : 18 * blocks], room[18 * blocks :]
    for row in range(9 * blocks):
        store(E, row, 0.0)
    _add_bones(graph, pulls, xyz, D, g, E)
    _eliminate(graph, D, g, S, E, gains)
    _go_back(graph, S, gains, g, C, E)
    for row in range(3 * joints):
        store(xyz, row, load(xyz, row) + load(g, row))


@inner
def _add_bones(graph: Elimination, pulls: Pulls, xyz: Array, D: Array, g: Array, E: Array) -> None:
    """Add each bone's information to both its ends and, with the other sign, to its block; its pull to their pulls."""
    joints = graph.order.shape[0]
    for bone in range(pulls.ends.shape[0]):
        if graph.bone[bone] < 0:
            continue
        i, j, p = 9 * graph.bone[bone], pulls.ends[bone, 0], pulls.ends[bone, 1]
        s = load(pulls.stiffness, bone)
        jx, jy, jz = three(xyz, 3 * j)
        px, py, pz = three(xyz, 3 * p)
        x, y, z = jx - px, jy - py, jz - pz
        now = math.sqrt(x * x + y * y + z * z)
        stiff, drawn = (s > 0.0) & (now > 1e-6), s > 0.0
        ux, uy, uz = x / now, y / now, z / now
        pull = s * (load(pulls.length, bone) - now)
        gx, gy, gz = choose(stiff, pull * ux, 0.0), choose(stiff, pull * uy, 0.0), choose(stiff, pull * uz, 0.0)
        sx, sy, sz = s * ux, s * uy, s * uz
        a, b, c = choose(stiff, sx * ux, 0.0), choose(stiff, sx * uy, 0.0), choose(stiff, sx * uz, 0.0)
        d, e, f = choose(stiff, sy * uy, 0.0), choose(stiff, sy * uz, 0.0), choose(stiff, sz * uz, 0.0)
        if bone < joints:
            w = load(pulls.tether, bone)
            tied = w > 0.0
            drawn = drawn | tied
            gx = choose(tied, gx + w * (load(pulls.offset, 3 * bone) - x), gx)
            gy = choose(tied, gy + w * (load(pulls.offset, 3 * bone + 1) - y), gy)
            gz = choose(tied, gz + w * (load(pulls.offset, 3 * bone + 2) - z), gz)
            a, d, f = choose(tied, a + w, a), choose(tied, d + w, d), choose(tied, f + w, f)
        for k in (6 * j, 6 * p):
            _add(D, k, drawn, a)
            _add(D, k + 1, drawn, b)
            _add(D, k + 2, drawn, c)
            _add(D, k + 3, drawn, d)
            _add(D, k + 4, drawn, e)
            _add(D, k + 5, drawn, f)
        _add(g, 3 * j, drawn, gx)
        _add(g, 3 * j + 1, drawn, gy)
        _add(g, 3 * j + 2, drawn, gz)
        _take(g, 3 * p, drawn, gx)
        _take(g, 3 * p + 1, drawn, gy)
        _take(g, 3 * p + 2, drawn, gz)
        _take(E, i, drawn, a)
        _take(E, i + 1, drawn, b)
        _take(E, i + 2, drawn, c)
        _take(E, i + 3, drawn, b)
        _take(E, i + 4, drawn, d)
        _take(E, i + 5, drawn, e)
        _take(E, i + 6, drawn, c)
        _take(E, i + 7, drawn, e)
        _take(E, i + 8, drawn, f)


@inner
def _add(lanes: Array, row: int, which: Four, value: Four) -> None:
    """lanes[row] += value where it is to be; adding -0.0 changes nothing, not even a zero's sign."""
    store(lanes, row, load(lanes, row) + choose(which, value, -0.0))


@inner
def _take(lanes: Array, row: int, which: Four, value: Four) -> None:
    """lanes[row] -= value, likewise."""
    store(lanes, row, load(lanes, row) - choose(which, value, 0.0))


@inner
def _eliminate(graph: Elimination, D: Array, g: Array, S: Array, E: Array, gains: Array) -> None:
    """Take joint after joint out of the equations: S gets the inverses of their blocks, `gains` S E."""
    most = graph.later.shape[1]
    for n in range(graph.order.shape[0]):
        j = graph.order[n]
        d = 6 * j
        s0, s1, s2, s3, s4, s5 = inverse_sym3(*six(D, d))
        store_six(S, d, s0, s1, s2, s3, s4, s5)
        gx, gy, gz = three(g, 3 * j)
        later = 0
        while later < most and graph.later[j, later] >= 0:
            p, e = 3 * graph.later[j, later], 9 * graph.block[j, later]
            for c in range(3):
                x, y, z = load(E, e + c), load(E, e + 3 + c), load(E, e + 6 + c)
                u, v, w = s0 * x + s1 * y + s2 * z, s1 * x + s3 * y + s4 * z, s2 * x + s4 * y + s5 * z
                store(gains, e + c, u)
                store(gains, e + 3 + c, v)
                store(gains, e + 6 + c, w)
                store(g, p + c, load(g, p + c) - (u * gx + v * gy + w * gz))
            later += 1
        for k in range(later):
            e0, e1, e2, e3, e4, e5, e6, e7, e8 = nine(E, 9 * graph.block[j, k])
            m0, m1, m2, m3, m4, m5, m6, m7, m8 = nine(gains, 9 * graph.block[j, k])
            d = 6 * graph.later[j, k]
            store(D, d, load(D, d) - (e0 * m0 + e3 * m3 + e6 * m6))
            store(D, d + 1, load(D, d + 1) - (e0 * m1 + e3 * m4 + e6 * m7))
            store(D, d + 2, load(D, d + 2) - (e0 * m2 + e3 * m5 + e6 * m8))
            store(D, d + 3, load(D, d + 3) - (e1 * m1 + e4 * m4 + e7 * m7))
            store(D, d + 4, load(D, d + 4) - (e1 * m2 + e4 * m5 + e7 * m8))
            store(D, d + 5, load(D, d + 5) - (e2 * m2 + e5 * m5 + e8 * m8))
            for i in range(k + 1, later):
                m0, m1, m2, m3, m4, m5, m6, m7, m8 = nine(gains, 9 * graph.block[j, i])
                f = 9 * graph.fill[j, k, i]
                store(E, f, load(E, f) - (e0 * m0 + e3 * m3 + e6 * m6))
                store(E, f + 1, load(E, f + 1) - (e0 * m1 + e3 * m4 + e6 * m7))
                store(E, f + 2, load(E, f + 2) - (e0 * m2 + e3 * m5 + e6 * m8))
                store(E, f + 3, load(E, f + 3) - (e1 * m0 + e4 * m3 + e7 * m6))
                store(E, f + 4, load(E, f + 4) - (e1 * m1 + e4 * m4 + e7 * m7))
                store(E, f + 5, load(E, f + 5) - (e1 * m2 + e4 * m5 + e7 * m8))
                store(E, f + 6, load(E, f + 6) - (e2 * m0 + e5 * m3 + e8 * m6))
                store(E, f + 7, load(E, f + 7) - (e2 * m1 + e5 * m4 + e8 * m7))
                store(E, f + 8, load(E, f + 8) - (e2 * m2 + e5 * m5 + e8 * m8))


@inner
def _go_back(graph: Elimination, S: Array, gains: Array, g: Array, C: Array, cross: Array) -> None:
    """From the last joint to the first: the solution in g, the covariances C and those `cross` of connected joints."""
    most = graph.later.shape[1]
    for n in range(graph.order.shape[0] - 1, -1, -1):
        j = graph.order[n]
        d = 6 * j
        c0, c1, c2, c3, c4, c5 = six(S, d)
        x, y, z = three(g, 3 * j)
        gx, gy, gz = c0 * x + c1 * y + c2 * z, c1 * x + c3 * y + c4 * z, c2 * x + c4 * y + c5 * z
        later = 0
        while later < most and graph.later[j, later] >= 0:
            p = 3 * graph.later[j, later]
            m0, m1, m2, m3, m4, m5, m6, m7, m8 = nine(gains, 9 * graph.block[j, later])
            x, y, z = three(g, p)
            gx -= m0 * x + m1 * y + m2 * z
            gy -= m3 * x + m4 * y + m5 * z
            gz -= m6 * x + m7 * y + m8 * z
            later += 1
        store_three(g, 3 * j, gx, gy, gz)
        for k in range(later):
            # cov(j, p) = - sum over the later joints i of gain_i cov(i, p)
            out = 9 * graph.block[j, k]
            for i in range(later):
                if i == k:
                    v = 6 * graph.later[j, k]
                    v0, v1, v2, v4, v5, v8 = six(C, v)
                    v3, v6, v7 = v1, v2, v5
                elif i < k:
                    v0, v1, v2, v3, v4, v5, v6, v7, v8 = nine(cross, 9 * graph.fill[j, i, k])
                else:
                    v0, v3, v6, v1, v4, v7, v2, v5, v8 = nine(cross, 9 * graph.fill[j, k, i])
                m = 9 * graph.block[j, i]
                for r in range(0, 9, 3):
                    x, y, z = three(gains, m + r)
                    u, v, w = x * v0 + y * v3 + z * v6, x * v1 + y * v4 + z * v7, x * v2 + y * v5 + z * v8
                    if i == 0:
                        store_three(cross, out + r, 0.0 - u, 0.0 - v, 0.0 - w)
                    else:
                        store(cross, out + r, load(cross, out + r) - u)
                        store(cross, out + r + 1, load(cross, out + r + 1) - v)
                        store(cross, out + r + 2, load(cross, out + r + 2) - w)
        for k in range(later):
            m0, m1, m2, m3, m4, m5, m6, m7, m8 = nine(gains, 9 * graph.block[j, k])
            v0, v1, v2, v3, v4, v5, v6, v7, v8 = nine(cross, 9 * graph.block[j, k])
            c0 -= v0 * m0 + v1 * m1 + v2 * m2
            c1 -= v0 * m3 + v1 * m4 + v2 * m5
            c2 -= v0 * m6 + v1 * m7 + v2 * m8
            c3 -= v3 * m3 + v4 * m4 + v5 * m5
            c4 -= v3 * m6 + v4 * m7 + v5 * m8
            c5 -= v6 * m6 + v7 * m7 + v8 * m8
        store_six(C, d, c0, c1, c2, c3, c4, c5)
