"""Predicted people claim detections: where each joint is expected, how far detections are off, who gets which.

Joints stand side by side in rows of `padded(J)` = W numbers, so that one instruction does four; behind the last joint
is NaN. `chi2[n, d, j]` is the squared distance of detection d's joint j from where its camera should see person n's,
over the sum of both covariances; NaN where either is unknown. It is filled only where `near[n, d]`: the others are so
far that no joint could lie within the gate.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.observations import PackedRig, Rays
from multiview.fusion.estimation.kalman_kernels import predict
from multiview.fusion.state.track_state import State
from multiview.geometry.four import LANES, Four, choose, four, load, read, some, store, transpose, write
from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.point_batch_kernels import padded
from multiview.geometry.reprojection_kernels import NEAREST_M

SOFT_SQUARED = 9.0  # a joint three deviations off counts half
CHANCE = 0.3  # what a joint of a stranger scores at most; below it a detection speaks against the person
HELPS_SQUARED = SOFT_SQUARED * (1.0 / CHANCE - 1.0)  # a joint nearer than this speaks for the person
FITS = 0.5  # of what a perfect detection is worth: one that is worth less to everyone may have its sides exchanged
PROMISING = FITS * (1.0 - CHANCE)  # that, for each joint
U, V, UU, UV, VV = 0, 1, 2, 3, 4  # rows of an expectation: coordinates and their covariance


class Room(NamedTuple):
    """What `claim_people` works in.

    `known` is where one person's joints are, `seen` one detection, by coordinate. `place[n, c]` is the box in which
    person n may be seen. Persons `beside[k]` are near that detection; `worth[k]` is how much each joint speaks for
    them, and `total[k]` all together. `benefit[n, d]` is how much detection d speaks for person n at best; `off` are
    squared distances that are not kept.
    """

    known: Float64[np.ndarray, "9 W"]
    seen: Float64[np.ndarray, "5 W"]
    place: Float64[np.ndarray, "P C 4"]
    beside: Int64[np.ndarray, " P_and_1"]
    worth: Float64[np.ndarray, "P_and_3 W"]
    total: Float64[np.ndarray, " P_and_3"]
    off: Float64[np.ndarray, "1 W"]
    benefit: Float64[np.ndarray, "P D"]

    @staticmethod
    def empty(people: int, detections: int, cameras: int, joints: int) -> Room:
        """Room, with nobody in it yet, nor behind the last joint."""
        W = padded(joints)
        return Room(
            known=np.full((9, W), np.nan),
            seen=np.full((5, W), np.nan),
            place=np.empty((people, cameras, 4)),
            beside=np.empty(people + 1, np.int64),
            worth=np.zeros((people + 3, W)),
            total=np.empty(people + 3),
            off=np.empty((1, W)),
            benefit=np.empty((people, detections)),
        )


@kernel
def claim_people(
    slots: Array,
    dt: float,
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
    room: Room,
) -> None:
    """Carry everyone forward by dt s and give them detections: claims[n, c], -1 for none.

    `expected` (P, C, 5, W), `near` (P, D) and `chi2` (P, D, W) are filled too. In each view the total agreement is the
    largest possible with one detection per person. A detection that fits nobody is tried with left and right exchanged.
    """
    predict(slots, dt, people)
    persons, cameras = claims.shape
    joints, reach, seen = rays.xy.shape[1], max(gate, HELPS_SQUARED), room.seen
    for n in range(persons):
        known_of(people.pos[slots[n]], people.cov_pp[slots[n]], room.known)
        for c in range(cameras):
            expect(room.known, c, rig, joints, expected[n, c])
            left, top, right, bottom = bounds(expected[n, c], joints, reach)
            store(room.place[n], c, least(left, top, right, bottom))
    for c in range(cameras):
        begin, end = rays.first[c], rays.first[c + 1]
        for d in range(begin, end):
            by_coordinate(rays.xy[d], rays.noise[d], seen)
            count = find_near(d, c, persons, joints, reach, near, room)
            for k in range(count):
                distances(expected[room.beside[k], c], seen, joints, chi2[room.beside[k]], d, room.worth, k)
            best = gain(room, count, core, d)
            if best < PROMISING * core.shape[0] and best < PROMISING * known_among(seen, core):
                exchange(seen, pairs)
                for k in range(count):
                    distances(expected[room.beside[k], c], seen, joints, room.off, 0, room.worth, k)
                gain(room, count, core, d)
        assign(room.benefit[:persons, begin:end], claims[:, c])
        for n in range(persons):
            claims[n, c] += begin if claims[n, c] >= 0 else 0


@inlined
def find_free(claims: Array, free: Array) -> int:
    """The detections that nobody claims, in the first rows of `free` (D); their number."""
    for d in range(free.shape[0]):
        free[d] = d
    for n in range(claims.shape[0]):
        for c in range(claims.shape[1]):
            if claims[n, c] >= 0:
                free[claims[n, c]] = -1
    count = 0
    for d in range(free.shape[0]):
        left = free[d] >= 0
        free[count] = d
        count += left
    return count


@inlined
def expect(known: Array, c: int, rig: PackedRig, joints: int, out: Array) -> None:
    """Where camera c should see joints (9, W: position, covariance): coordinates, their covariance; NaN behind it."""
    r00, r01, r02, t0 = rig.R[c, 0, 0], rig.R[c, 0, 1], rig.R[c, 0, 2], rig.t[c, 0]
    r10, r11, r12, t1 = rig.R[c, 1, 0], rig.R[c, 1, 1], rig.R[c, 1, 2], rig.t[c, 1]
    r20, r21, r22, t2 = rig.R[c, 2, 0], rig.R[c, 2, 1], rig.R[c, 2, 2], rig.t[c, 2]
    for j in range(0, joints, LANES):
        x, y, z = read(known, 0, j), read(known, 1, j), read(known, 2, j)
        depth = r20 * x + r21 * y + r22 * z + t2
        near = choose(depth > NEAREST_M, 1.0 / depth, np.nan)
        write(out, U, j, (r00 * x + r01 * y + r02 * z + t0) * near)
        write(out, V, j, (r10 * x + r11 * y + r12 * z + t1) * near)
        write(out, UU, j, near)
    for j in range(0, joints, LANES):  # apart, because divisions are long in coming
        u, v, near = read(out, U, j), read(out, V, j), read(out, UU, j)
        p0, p1, p2 = read(known, 3, j), read(known, 4, j), read(known, 5, j)
        p3, p4, p5 = read(known, 6, j), read(known, 7, j), read(known, 8, j)
        a0, a1, a2 = (r00 - u * r20) * near, (r01 - u * r21) * near, (r02 - u * r22) * near
        b0, b1, b2 = (r10 - v * r20) * near, (r11 - v * r21) * near, (r12 - v * r22) * near
        x0, x1, x2 = p0 * a0 + p1 * a1 + p2 * a2, p1 * a0 + p3 * a1 + p4 * a2, p2 * a0 + p4 * a1 + p5 * a2
        y0, y1, y2 = p0 * b0 + p1 * b1 + p2 * b2, p1 * b0 + p3 * b1 + p4 * b2, p2 * b0 + p4 * b1 + p5 * b2
        write(out, UU, j, a0 * x0 + a1 * x1 + a2 * x2)
        write(out, UV, j, b0 * x0 + b1 * x1 + b2 * x2)
        write(out, VV, j, b0 * y0 + b1 * y1 + b2 * y2)


@inlined
def known_of(pos: Array, pp: Array, out: Array) -> None:
    """Positions (J, 3) and covariances (J, 6) of joints, a row for each number (9, W)."""
    # In two loops, which the compiler makes twice as fast as one.
    for j in range(pos.shape[0]):
        for k in range(3):
            out[k, j] = pos[j, k]
    for j in range(pp.shape[0]):
        for k in range(6):
            out[3 + k, j] = pp[j, k]


@inlined
def by_coordinate(xy: Array, noise: Array, out: Array) -> None:
    """One detection's joints as rows of coordinates (5, W), in the order of an expectation."""
    done = 0
    for j in range(0, xy.shape[0] - LANES, LANES):  # what is read ends in the joint behind
        u, v, _, _ = transpose(read(xy, j, 0), read(xy, j + 1, 0), read(xy, j + 2, 0), read(xy, j + 3, 0))
        uu, uv, vv, _ = transpose(
            read(noise, j, 0), read(noise, j + 1, 0), read(noise, j + 2, 0), read(noise, j + 3, 0)
        )
        write(out, U, j, u)
        write(out, V, j, v)
        write(out, UU, j, uu)
        write(out, UV, j, uv)
        write(out, VV, j, vv)
        done = j + LANES
    for j in range(done, xy.shape[0]):
        out[U, j], out[V, j] = xy[j, 0], xy[j, 1]
        out[UU, j], out[UV, j], out[VV, j] = noise[j, 0], noise[j, 1], noise[j, 2]


@inlined
def find_near(d: int, c: int, persons: int, joints: int, reach: float, near: Array, room: Room) -> int:
    """Who may be the one `seen` as detection d: `near`, and the `beside`, of whom the number is returned.

    Without a branch, for it is hard to foresee who is. Nothing yet is to anyone's `benefit`.
    """
    left, top, right, bottom = bounds(room.seen, joints, reach)
    opposite = -1.0 * least(right, bottom, left, top)
    count = 0
    for n in range(persons):
        near[n, d] = not some(~(load(room.place[n], c) <= opposite))  # the two boxes share a point
        room.benefit[n, d], room.beside[count] = 0.0, n
        count += near[n, d]
    return count


@inlined
def exchange(seen: Array, pairs: Array) -> None:
    """Exchange left and right of a detection's joints (5, W)."""
    for s in range(pairs.shape[0]):
        left, right = pairs[s, 0], pairs[s, 1]
        for k in range(seen.shape[0]):
            seen[k, left], seen[k, right] = seen[k, right], seen[k, left]


@inlined
def known_among(seen: Array, core: Array) -> int:
    """How many of the core joints a detection (5, W) has."""
    count = 0
    for j in core:
        count += seen[0, j] == seen[0, j]
    return count


@inlined
def gain(room: Room, count: int, core: Array, d: int) -> float:
    """Raise the benefit of those beside detection d to what its core joints together are worth; returns the largest.

    There are four sums side by side, for every addition waits for the one before.
    """
    worth, best = room.worth, 0.0
    for k in range(0, count, 4):
        w0, w1, w2, w3 = 0.0, 0.0, 0.0, 0.0
        for j in core:
            w0 += worth[k, j]
            w1 += worth[k + 1, j]
            w2 += worth[k + 2, j]
            w3 += worth[k + 3, j]
        room.total[k], room.total[k + 1], room.total[k + 2], room.total[k + 3] = w0, w1, w2, w3
    for k in range(count):
        n = room.beside[k]
        room.benefit[n, d] = max(room.benefit[n, d], room.total[k])
        best = max(best, room.benefit[n, d])
    return best


@inlined
def bounds(where: Array, joints: int, reach: float) -> tuple[Four, Four, Four, Four]:
    """The box around all known joints (5, W), each with as many deviations around it as `reach` is variances.

    Left, top, -right and -bottom, each of which is the least of its lanes.
    """
    left, top, right, bottom = four(np.inf), four(np.inf), four(np.inf), four(np.inf)
    for j in range(0, joints, LANES):
        u, v = read(where, U, j), read(where, V, j)
        around = math.sqrt(reach * (read(where, UU, j) + read(where, VV, j)))
        around = choose(around < np.inf, around, -np.inf)  # around a joint that is not known there is no box
        left, right = lesser(u - around, left), lesser(-1.0 * u - around, right)
        top, bottom = lesser(v - around, top), lesser(-1.0 * v - around, bottom)
    return left, top, right, bottom


@inlined
def lesser(new: Four, old: Four) -> Four:
    """The lesser in each lane; NaN counts for nothing."""
    return choose(new < old, new, old)


@inlined
def least(a: Four, b: Four, c: Four, d: Four) -> Four:
    """The least of each."""
    a, b, c, d = transpose(a, b, c, d)
    return lesser(lesser(a, b), lesser(c, d))


@inlined
def distances(expected: Array, seen: Array, joints: int, chi2: Array, d: int, worth: Array, n: int) -> None:
    """Squared distance of each joint seen from where it is expected (both 5, W), over the sum of their covariances.

    It goes to chi2[d], and to worth[n] how much each speaks for the person, between 1 - CHANCE and -CHANCE.
    """
    for j in range(0, joints, LANES):
        p, q = read(expected, UU, j) + read(seen, UU, j), read(expected, UV, j) + read(seen, UV, j)
        r = read(expected, VV, j) + read(seen, VV, j)
        du, dv = read(seen, U, j) - read(expected, U, j), read(seen, V, j) - read(expected, V, j)
        x = (r * du * du - 2 * q * du * dv + p * dv * dv) / (p * r - q * q)
        write(chi2, d, j, x)
        write(worth, n, j, choose(x == x, SOFT_SQUARED / (SOFT_SQUARED + x) - CHANCE, 0.0))


@inner
def nobody_disagrees(benefit: Array, chosen: Array) -> bool:
    """Whether everyone can have the column they like best, which is in `chosen`."""
    rows, columns = benefit.shape
    agreed = True
    for i in range(rows):
        best, at = 0.0, -1
        for k in range(columns):
            if benefit[i, k] > best:
                best, at = benefit[i, k], k
        chosen[i] = at
        for other in range(i):
            agreed = agreed and (at < 0 or chosen[other] != at)
    return agreed


@inlined
def find_rivals(benefit: Array, best: Array, rival: Array) -> int:
    """Who likes best what another may like, too; their number."""
    count = 0
    for i in range(benefit.shape[0]):
        others = 0
        for other in range(benefit.shape[0]):
            others += best[i] >= 0 and other != i and benefit[other, best[i]] > 0.0
        rival[count] = i
        count += others > 0
    return count


@kernel
def assign(benefit: Array, chosen: Array) -> None:
    """The column `chosen` for each row, so that the sum of positive benefits is largest; -1 for rows better left alone.

    Shortest augmenting paths (Jonker and Volgenant 1987), with one free column per row that costs nothing. That is only
    done for the rows whose best column is of use to others, too.
    """
    if nobody_disagrees(benefit, chosen):
        return
    rival = np.empty(benefit.shape[0], dtype=np.int64)
    rows, real = find_rivals(benefit, chosen, rival), benefit.shape[1]
    columns = real + rows
    u, v = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, dtype=np.int64)
    way = np.zeros(columns + 1, dtype=np.int64)
    least, used = np.empty(columns + 1), np.empty(columns + 1, dtype=np.bool_)
    for row in range(1, rows + 1):
        owner[0] = row
        at = 0
        least[:] = np.inf
        used[:] = False
        while True:
            used[at] = True
            i, delta, nearest = owner[at], np.inf, 0
            for k in range(1, columns + 1):
                if used[k]:
                    continue
                cost = -max(benefit[rival[i - 1], k - 1], 0.0) if k <= real else 0.0
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
    for i in rival[:rows]:
        chosen[i] = -1
    for k in range(1, real + 1):
        if owner[k] and benefit[rival[owner[k] - 1], k - 1] > 0.0:
            chosen[rival[owner[k] - 1]] = k - 1
