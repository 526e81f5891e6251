"""Predicted people claim detections: where each joint is expected, how far detections are off, who gets which.

Joints stand side by side in rows of `padded(J)` = W numbers, so that one instruction does eight; behind the last joint
is NaN. `chi2[n, d, j]` is the squared distance of detection d's joint j from where its camera should see person n's,
over the sum of both covariances; NaN where either is unknown. It is filled only where `near[n, d]`: the others are so
far that no joint could lie within the gate.
"""

from __future__ import annotations

import math

import numpy as np

from multiview.fit.filter_kernels import predict
from multiview.fit.people import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.lane_kernels import NEAREST_M
from multiview.rays import PackedRig, Rays

SOFT_SQUARED = 9.0  # a joint three deviations off counts half
CHANCE = 0.3  # what a joint of a stranger scores at most; below it a detection speaks against the person
HELPS_SQUARED = SOFT_SQUARED * (1.0 / CHANCE - 1.0)  # a joint nearer than this speaks for the person
FITS = 0.5  # of what a perfect detection is worth: one that is worth less to everyone may have its sides exchanged
U, V, UU, UV, VV = 0, 1, 2, 3, 4  # rows of an expectation: coordinates and their covariance


@kernel
def claim_people(
    slots: Array,
    dt: Array,
    people: State,
    rig: PackedRig,
    rays: Rays,
    core: Array,
    pairs: Array,
    gate: float,
    expected: Array,
    near: Array,
    chi2: Array,
    claims: Array,
) -> None:
    """Carry everyone forward by dt[n] s and give them detections: claims[n, c], -1 for none.

    `expected` (P, C, 5, W), `near` (P, D) and `chi2` (P, D, W) are filled too. In each view the total agreement is the
    largest possible with one detection per person. A detection that fits nobody is tried with left and right exchanged.
    """
    predict(slots, dt, people)
    persons, cameras = claims.shape
    reach = max(gate, HELPS_SQUARED)
    place, known = np.empty((persons, cameras, 4)), np.full((9, chi2.shape[2]), np.nan)
    for n in range(persons):
        known_of(slots[n], people, known)
        for c in range(cameras):
            expect(known, c, rig, expected[n, c])
            bounds(expected[n, c, U], expected[n, c, V], expected[n, c, UU], expected[n, c, VV], reach, place[n, c])
    seen, box, worth = np.full((5, chi2.shape[2]), np.nan), np.empty(4), np.empty(chi2.shape[2])
    off = np.empty(chi2.shape[2])
    for c in range(cameras):
        begin, end = rays.first[c], rays.first[c + 1]
        if begin == end:
            claims[:, c] = -1
            continue
        benefit = np.zeros((persons, end - begin))
        for d in range(begin, end):
            by_coordinate(rays, d, seen)
            bounds(seen[U], seen[V], seen[UU], seen[VV], reach, box)
            best = 0.0
            for n in range(persons):
                near[n, d] = overlap(box, place[n, c])
                if near[n, d]:
                    distances(expected[n, c], seen, chi2[n, d], worth)
                    benefit[n, d - begin] = total(worth, core)
                    best = max(best, benefit[n, d - begin])
            if best < FITS * (1.0 - CHANCE) * known_among(seen, core):
                exchange(seen, pairs)
                for n in range(persons):
                    if near[n, d]:
                        distances(expected[n, c], seen, off, worth)
                        benefit[n, d - begin] = max(benefit[n, d - begin], total(worth, core))
        chosen = assign(benefit)
        for n in range(persons):
            claims[n, c] = begin + chosen[n] if chosen[n] >= 0 else -1


@kernel
def expect(known: Array, c: int, rig: PackedRig, out: Array) -> None:
    """Where camera c should see joints (9, W: position, covariance): coordinates, their covariance; NaN behind it."""
    r00, r01, r02, t0 = rig.R[c, 0, 0], rig.R[c, 0, 1], rig.R[c, 0, 2], rig.t[c, 0]
    r10, r11, r12, t1 = rig.R[c, 1, 0], rig.R[c, 1, 1], rig.R[c, 1, 2], rig.t[c, 1]
    r20, r21, r22, t2 = rig.R[c, 2, 0], rig.R[c, 2, 1], rig.R[c, 2, 2], rig.t[c, 2]
    for j in range(out.shape[1]):
        x, y, z = known[0, j], known[1, j], known[2, j]
        p0, p1, p2, p3, p4, p5 = known[3, j], known[4, j], known[5, j], known[6, j], known[7, j], known[8, j]
        depth = r20 * x + r21 * y + r22 * z + t2
        near = 1.0 / depth if depth > NEAREST_M else np.nan
        u, v = (r00 * x + r01 * y + r02 * z + t0) * near, (r10 * x + r11 * y + r12 * z + t1) * near
        a0, a1, a2 = (r00 - u * r20) * near, (r01 - u * r21) * near, (r02 - u * r22) * near
        b0, b1, b2 = (r10 - v * r20) * near, (r11 - v * r21) * near, (r12 - v * r22) * near
        x0, x1, x2 = p0 * a0 + p1 * a1 + p2 * a2, p1 * a0 + p3 * a1 + p4 * a2, p2 * a0 + p4 * a1 + p5 * a2
        y0, y1, y2 = p0 * b0 + p1 * b1 + p2 * b2, p1 * b0 + p3 * b1 + p4 * b2, p2 * b0 + p4 * b1 + p5 * b2
        out[0, j], out[1, j] = u, v
        out[2, j] = a0 * x0 + a1 * x1 + a2 * x2
        out[3, j] = b0 * x0 + b1 * x1 + b2 * x2
        out[4, j] = b0 * y0 + b1 * y1 + b2 * y2


@inner
def known_of(m: int, people: State, out: Array) -> None:
    """Positions and covariances of slot m's joints, a row for each number (9, W)."""
    for j in range(people.pos.shape[1]):
        for k in range(3):
            out[k, j] = people.pos[m, j, k]
        for k in range(6):
            out[3 + k, j] = people.pp[m, j, k]


@inner
def by_coordinate(rays: Rays, d: int, out: Array) -> None:
    """One detection's joints as rows of coordinates (5, W), in the order of an expectation."""
    for j in range(rays.xy.shape[1]):
        out[0, j], out[1, j] = rays.xy[d, j, 0], rays.xy[d, j, 1]
        out[2, j], out[3, j], out[4, j] = rays.noise[d, j, 0], rays.noise[d, j, 1], rays.noise[d, j, 2]


@inner
def exchange(seen: Array, pairs: Array) -> None:
    """Exchange left and right of a detection's joints (5, W)."""
    for s in range(pairs.shape[0]):
        left, right = pairs[s, 0], pairs[s, 1]
        for k in range(seen.shape[0]):
            seen[k, left], seen[k, right] = seen[k, right], seen[k, left]


@inner
def known_among(seen: Array, core: Array) -> int:
    """How many of the core joints a detection (5, W) has."""
    count = 0
    for j in core:
        count += seen[0, j] == seen[0, j]
    return count


@inner
def total(worth: Array, core: Array) -> float:
    """How much the core joints speak for a person, together."""
    together = 0.0
    for j in core:
        together += worth[j]
    return together


@inner
def bounds(u: Array, v: Array, uu: Array, vv: Array, reach: float, box: Array) -> None:
    """The box around all known joints, each with as many deviations around it as `reach` is variances."""
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for j in range(u.shape[0]):
        around = math.sqrt(reach * (uu[j] + vv[j]))
        if around < np.inf:  # neither unknown nor NaN
            left, right = min(left, u[j] - around), max(right, u[j] + around)
            top, bottom = min(top, v[j] - around), max(bottom, v[j] + around)
    box[0], box[1], box[2], box[3] = left, top, right, bottom


@inner
def overlap(a: Array, b: Array) -> bool:
    """Whether two boxes share a point."""
    return bool(a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3])


@kernel
def distances(expected: Array, seen: Array, chi2: Array, worth: Array) -> None:
    """Squared distance of each joint seen from where it is expected (both 5, W), over the sum of their covariances.

    `worth` (W) gets how much each speaks for the person, between 1 - CHANCE and -CHANCE.
    """
    for j in range(chi2.shape[0]):
        p, q, r = expected[2, j] + seen[2, j], expected[3, j] + seen[3, j], expected[4, j] + seen[4, j]
        du, dv = seen[0, j] - expected[0, j], seen[1, j] - expected[1, j]
        x = (r * du * du - 2 * q * du * dv + p * dv * dv) / (p * r - q * q)
        chi2[j] = x
        w = SOFT_SQUARED / (SOFT_SQUARED + x) - CHANCE
        worth[j] = w if x == x else 0.0


@inner
def nobody_disagrees(benefit: Array, chosen: Array) -> bool:
    """Whether everyone can have the column they like best; those are in `chosen` then."""
    rows, columns = benefit.shape
    for i in range(rows):
        best, at = 0.0, -1
        for k in range(columns):
            if benefit[i, k] > best:
                best, at = benefit[i, k], k
        chosen[i] = at
        for other in range(i):
            if at >= 0 and chosen[other] == at:
                return False
    return True


@kernel
def assign(benefit: Array) -> Array:
    """Column of each row so that the sum of positive benefits is largest; -1 for rows better left alone.

    Shortest augmenting paths (Jonker and Volgenant 1987), with one free column per row that costs nothing.
    """
    rows, real = benefit.shape
    chosen = np.empty(rows, dtype=np.int64)
    if nobody_disagrees(benefit, chosen):
        return chosen
    columns = real + rows
    u, v = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, dtype=np.int64)
    way = np.zeros(columns + 1, dtype=np.int64)
    for row in range(1, rows + 1):
        owner[0] = row
        at = 0
        least = np.full(columns + 1, np.inf)
        used = np.zeros(columns + 1, dtype=np.bool_)
        while True:
            used[at] = True
            i, delta, nearest = owner[at], np.inf, 0
            for k in range(1, columns + 1):
                if used[k]:
                    continue
                cost = -max(benefit[i - 1, k - 1], 0.0) if k <= real else 0.0
                reduced = cost - u[i] - v[k]
                if reduced < least[k]:
                    least[k], way[k] = reduced, at
                if least[k] < delta:
                    delta, nearest = least[k], k
            for k in range(columns + 1):
                if used[k]:
                    u[owner[k]] += delta
                    v[k] -= delta
                else:
                    least[k] -= delta
            at = nearest
            if owner[at] == 0:
                break
        while at:
            owner[at] = owner[way[at]]
            at = way[at]
    chosen[:] = -1
    for k in range(1, real + 1):
        if owner[k] and benefit[owner[k] - 1, k - 1] > 0.0:
            chosen[owner[k] - 1] = k - 1
    return chosen
