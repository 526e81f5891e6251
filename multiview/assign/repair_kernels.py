"""Joint-level repair: which ray each person's joint gets from each view.

`table[n, c, j]` is the row (detection * J + joint) that camera c contributes to joint j of person n, or -1. Dropping,
exchanging and adopting joints all are changes of that table.
"""

from __future__ import annotations

import numpy as np

from multiview.assign.claim_kernels import mahalanobis
from multiview.geometry.jit import Array, inner, kernel
from multiview.rays import Rays

FAR_SQUARED = 50.0  # beyond this many variances it does not matter how far


@kernel
def fill_table(claims: Array, info: Array, table: Array) -> None:
    """Every joint from the detection that its person claims in each view."""
    joints = info.shape[1]
    for n in range(claims.shape[0]):
        for c in range(claims.shape[1]):
            d = claims[n, c]
            for j in range(joints):
                table[n, c, j] = d * joints + j if d >= 0 and info[d, j, 0] > 0.0 else -1


@inner
def row_distance(row: int, n: int, c: int, j: int, uv: Array, S: Array, rays: Rays) -> float:
    """Squared distance of a row from where person n's joint j is predicted in camera c."""
    joints = rays.xy.shape[1]
    d, k = row // joints, row % joints
    if uv[n, c, j, 0] != uv[n, c, j, 0]:
        return np.inf
    du, dv = rays.xy[d, k, 0] - uv[n, c, j, 0], rays.xy[d, k, 1] - uv[n, c, j, 1]
    most = S[n, c, j, 0] + S[n, c, j, 2] + rays.noise[d, k, 0] + rays.noise[d, k, 2]
    if du * du + dv * dv > FAR_SQUARED * most:
        return np.inf
    return mahalanobis(uv[n, c, j], S[n, c, j], rays.xy[d, k], rays.noise[d, k])


@kernel
def undo_swaps(table: Array, tracked: int, pairs: Array, uv: Array, S: Array, rays: Rays, gate: float) -> None:
    """Exchange left and right in views where that fits the prediction far better, if these are fewer than the others.

    When most views agree on the exchange, the person turned and the prediction is wrong.
    """
    cameras = table.shape[1]
    vote = np.zeros(cameras, dtype=np.int64)
    for n in range(tracked):
        for s in range(pairs.shape[0]):
            left, right = pairs[s, 0], pairs[s, 1]
            straight, swapped = 0, 0
            for c in range(cameras):
                a, b = table[n, c, left], table[n, c, right]
                vote[c] = 0
                if a < 0 and b < 0:
                    continue
                keep, swap = 0.0, 0.0
                if a >= 0:
                    keep += min(gate, row_distance(a, n, c, left, uv, S, rays))
                if b >= 0:
                    keep += min(gate, row_distance(b, n, c, right, uv, S, rays))
                if keep <= 0.5 * gate:
                    straight += 1
                    continue
                if a >= 0:
                    swap += min(gate, row_distance(a, n, c, right, uv, S, rays))
                if b >= 0:
                    swap += min(gate, row_distance(b, n, c, left, uv, S, rays))
                if swap < 0.5 * gate and swap + 0.5 * gate < keep:
                    vote[c] = 1
                    swapped += 1
                else:
                    straight += 1
            if 0 < swapped <= straight:
                for c in range(cameras):
                    if vote[c]:
                        table[n, c, left], table[n, c, right] = table[n, c, right], table[n, c, left]


@kernel
def adopt(
    table: Array,
    tracked: int,
    claims: Array,
    uv: Array,
    S: Array,
    rays: Rays,
    gate: float,
) -> None:
    """Where a person's own detection has no fitting joint, take one that fits from any detection of the view.

    A joint that fits the person whose detection it is stays there. Grouped 2D often gives a limb to the wrong person,
    or splits one person in two.
    """
    joints = rays.xy.shape[1]
    owner = np.full(rays.camera.shape[0], -1)
    for n in range(claims.shape[0]):
        for c in range(claims.shape[1]):
            if claims[n, c] >= 0:
                owner[claims[n, c]] = n
    for n in range(tracked):
        for c in range(table.shape[1]):
            if rays.first[c] == rays.first[c + 1]:
                continue
            for j in range(joints):
                row = table[n, c, j]
                if row >= 0 and row_distance(row, n, c, j, uv, S, rays) < gate:
                    continue
                best, chosen = gate, -1
                for d in range(rays.first[c], rays.first[c + 1]):
                    if not rays.info[d, j, 0] > 0.0 or row == d * joints + j:
                        continue
                    chi2 = row_distance(d * joints + j, n, c, j, uv, S, rays)
                    if not chi2 < best:
                        continue
                    o = owner[d]
                    if 0 <= o < tracked and row_distance(d * joints + j, o, c, j, uv, S, rays) < gate:
                        continue
                    best, chosen = chi2, d * joints + j
                if chosen >= 0:
                    table[n, c, j] = chosen
