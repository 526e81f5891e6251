"""Joint-level repair: which ray each person's joint gets from each view.

`table[n, c, j]` is the row (detection * J + joint) that camera c contributes to joint j of person n, or -1. Dropping,
exchanging and adopting joints all are changes of that table. `expected`, `near` and `chi2` are those of the claims.
"""

from __future__ import annotations

import numpy as np

from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.rays import Rays

POOR, FAR_BETTER = 0.25, 0.25  # of the gate: an own joint that fits worse gives way to one that is so much nearer


@kernel
def repair(
    claims: Array,
    pairs: Array,
    expected: Array,
    near: Array,
    chi2: Array,
    rays: Rays,
    gate: float,
    table: Array,
) -> None:
    """Fill `table`; the first people have expectations, the newborn behind them keep what their detections say."""
    fill_table(claims, rays.info, table)
    for n in range(near.shape[0]):
        undo_swaps(n, table, pairs, expected, chi2, rays, gate)
    disown(table, claims, near, chi2, gate)
    adopt(table, claims, pairs, expected, near, chi2, rays, gate)


@inner
def fill_table(claims: Array, info: Array, table: Array) -> None:
    """Every joint from the detection that its person claims in each view."""
    joints = info.shape[1]
    for n in range(claims.shape[0]):
        for c in range(claims.shape[1]):
            d = claims[n, c]
            for j in range(joints):
                table[n, c, j] = d * joints + j if d >= 0 and info[d, j, 0] > 0.0 else -1


@inlined
def distance(row: int, n: int, c: int, j: int, expected: Array, chi2: Array, rays: Rays) -> float:
    """Squared distance of any row from where person n's joint j is expected in camera c; NaN if unknown."""
    joints = rays.xy.shape[1]
    d, k = row // joints, row % joints
    if j == k:
        return float(chi2[n, d, j])
    p, q = expected[n, c, 2, j] + rays.noise[d, k, 0], expected[n, c, 3, j] + rays.noise[d, k, 1]
    r = expected[n, c, 4, j] + rays.noise[d, k, 2]
    du, dv = rays.xy[d, k, 0] - expected[n, c, 0, j], rays.xy[d, k, 1] - expected[n, c, 1, j]
    return float((r * du * du - 2 * q * du * dv + p * dv * dv) / (p * r - q * q))


@inlined
def capped(row: int, n: int, c: int, j: int, expected: Array, chi2: Array, rays: Rays, gate: float) -> float:
    """The same, at most `gate`; nothing for no row."""
    if row < 0:
        return 0.0
    x = distance(row, n, c, j, expected, chi2, rays)
    return x if x < gate else gate


@inner
def undo_swaps(n: int, table: Array, pairs: Array, expected: Array, chi2: Array, rays: Rays, gate: float) -> None:
    """Exchange left and right in views where that fits the prediction far better, if these are fewer than the others.

    When most views agree on the exchange, the person turned and the prediction is wrong.
    """
    cameras = table.shape[1]
    vote = np.empty(cameras, dtype=np.bool_)
    for s in range(pairs.shape[0]):
        left, right = pairs[s, 0], pairs[s, 1]
        straight, swapped = 0, 0
        for c in range(cameras):
            a, b = table[n, c, left], table[n, c, right]
            vote[c] = False
            if a < 0 and b < 0:
                continue
            keep = capped(a, n, c, left, expected, chi2, rays, gate)
            keep += capped(b, n, c, right, expected, chi2, rays, gate)
            if keep > 0.5 * gate:
                swap = capped(a, n, c, right, expected, chi2, rays, gate)
                swap += capped(b, n, c, left, expected, chi2, rays, gate)
                vote[c] = swap < 0.5 * gate and swap + 0.5 * gate < keep
            swapped += vote[c]
            straight += not vote[c]
        if 0 < swapped <= straight:
            for c in range(cameras):
                if vote[c]:
                    table[n, c, left], table[n, c, right] = table[n, c, right], table[n, c, left]


@inner
def disown(table: Array, claims: Array, near: Array, chi2: Array, gate: float) -> None:
    """Take joints of people's own detections from them that fit them poorly, and the same joint of another far better.

    Both halves of a detection that is half one person and half another are within the gate of whoever is hard to see.
    """
    joints = table.shape[2]
    for n in range(near.shape[0]):
        for c in range(table.shape[1]):
            d = claims[n, c]
            if d < 0:
                continue
            for j in range(joints):
                own = chi2[n, d, j]
                if table[n, c, j] != d * joints + j or not POOR * gate < own < gate:
                    continue
                for o in range(near.shape[0]):
                    if o != n and near[o, d] and chi2[o, d, j] < FAR_BETTER * own:
                        table[n, c, j] = -1


@inner
def adopt(
    table: Array, claims: Array, pairs: Array, expected: Array, near: Array, chi2: Array, rays: Rays, gate: float
) -> None:
    """Where a person's own detection has no fitting joint, take one that fits from any detection of the view.

    The same where the own joint fits poorly, and another one far better: people whose limbs were exchanged are near
    each other, and so are their limbs. A joint that fits the person whose detection it is stays there, also where it is
    the other side's because left and right were exchanged. Grouped 2D often gives a limb to the wrong person, or splits
    one person in two.
    """
    tracked, joints = near.shape[0], rays.xy.shape[1]
    owner = np.full(rays.camera.shape[0], -1)
    for n in range(tracked):
        for c in range(claims.shape[1]):
            if claims[n, c] >= 0:
                owner[claims[n, c]] = n
    mirrored = np.arange(joints)
    for s in range(pairs.shape[0]):
        mirrored[pairs[s, 0]], mirrored[pairs[s, 1]] = pairs[s, 1], pairs[s, 0]
    wanting, best = np.empty(joints, dtype=np.int64), np.empty(joints)
    for n in range(tracked):
        for c in range(table.shape[1]):
            begin, end = rays.first[c], rays.first[c + 1]
            count = 0
            for j in range(joints):
                row, own = table[n, c, j], np.inf
                if row >= 0:
                    own = distance(row, n, c, j, expected, chi2, rays)
                if not own < POOR * gate:
                    wanting[count], best[count] = j, FAR_BETTER * own if own < gate else gate
                    count += 1
            if not count:
                continue
            for d in range(begin, end):
                o = owner[d]
                if o == n or not near[n, d]:  # the own detection's joints had their turn
                    continue
                for k in range(count):
                    j = wanting[k]
                    if not chi2[n, d, j] < best[k] or (o >= 0 and near[o, d] and chi2[o, d, j] < gate):
                        continue
                    row, side = d * joints + j, mirrored[j]
                    exchanged = o >= 0 and side != j and table[o, c, side] == row
                    if not (exchanged and distance(row, o, c, side, expected, chi2, rays) < gate):
                        table[n, c, j], best[k] = row, chi2[n, d, j]
