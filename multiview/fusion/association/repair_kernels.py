"""Joint-level repair: which ray each person's joint gets from each view.

`table[n, c, j]` is the row (detection * J + joint) that camera c contributes to joint j of person n, or -1. Dropping,
exchanging and adopting joints all are changes of that table. `expected`, `near` and `chi2` are those of the claims.

Which few joints do not fit is hard to foresee for a processor: they are looked for without branches, many at a time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.cameras.observations import Rays
from multiview.geometry.four import LANES, choose, read, some, write
from multiview.geometry.jit import Array, inlined, inner, kernel
from multiview.geometry.point_batch_kernels import padded

POOR, FAR_BETTER = 0.25, 0.25  # of the gate: an own joint that fits worse gives way to one that is so much nearer
MISSING = -1.0  # instead of a squared distance
LOSE, GAIN = 0, 1  # rows of limits


class Room(NamedTuple):
    """What `repair` works in.

    `misfit[n, c, j]` is the squared distance of a row of the table from where it is expected, at most the gate;
    `whole[n, c]` says that the person has all joints of the detection, and no others. `doubtful` are pairs of joints
    and cameras that may see them exchanged. Of one person in one view, `limit[LOSE]` is how near another must be to a
    joint for the person to lose it, and `limit[GAIN]` how near one of another detection must be to the person.
    """

    misfit: Float64[np.ndarray, "P C W"]
    whole: Bool[np.ndarray, "P C"]
    limit: Float64[np.ndarray, "2 W"]
    doubtful: Int64[np.ndarray, "C*J 2"]

    @staticmethod
    def empty(people: int, cameras: int, joints: int) -> Room:
        """Room, with nothing in it yet."""
        return Room(
            misfit=np.full((people, cameras, padded(joints)), MISSING),
            whole=np.empty((people, cameras), np.bool_),
            limit=np.empty((2, padded(joints))),
            doubtful=np.empty((cameras * joints, 2), np.int64),
        )


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
    room: Room,
) -> None:
    """Fill `table`; the first people have expectations, the newborn behind them keep what their detections say."""
    tracked, cameras = near.shape[0], table.shape[1]
    for n in range(claims.shape[0]):
        for c in range(cameras):
            fill_row(claims[n, c], rays.info, table[n, c])
            room.whole[n, c] = claims[n, c] >= 0
    for n in range(tracked):
        for c in range(cameras):
            judge(table[n, c], chi2[n, max(claims[n, c], 0)], gate, room.misfit[n, c])
        undo_swaps(n, table, claims, pairs, expected, rays, gate, room)
    for n in range(tracked):
        for c in range(cameras):
            if set_limits(room.misfit[n], c, gate, room.limit):
                disown(n, c, table, claims, near, chi2, gate, room)
            adopt(n, c, table, claims, pairs, expected, near, chi2, rays, gate, room)


@inlined
def fill_row(d: int, info: Array, row: Array) -> None:
    """Every joint from the detection that its person claims in a view."""
    joints = row.shape[0]
    for j in range(joints):
        row[j] = d * joints + j if d >= 0 and info[d, j, 0] > 0.0 else -1


@inlined
def judge(row: Array, chi2: Array, gate: float, misfit: Array) -> None:
    """How badly the joints of a detection fit the person who claims it."""
    for j in range(row.shape[0]):
        off = chi2[j] if chi2[j] < gate else gate
        misfit[j] = off if row[j] >= 0 else MISSING


@inlined
def distance(d: int, k: int, n: int, c: int, j: int, expected: Array, rays: Rays, gate: float) -> float:
    """Squared distance of detection d's joint k from where person n's joint j is expected, at most `gate`."""
    p, q = expected[n, c, 2, j] + rays.noise[d, k, 0], expected[n, c, 3, j] + rays.noise[d, k, 1]
    r = expected[n, c, 4, j] + rays.noise[d, k, 2]
    du, dv = rays.xy[d, k, 0] - expected[n, c, 0, j], rays.xy[d, k, 1] - expected[n, c, 1, j]
    x = (r * du * du - 2 * q * du * dv + p * dv * dv) / (p * r - q * q)
    return x if x < gate else gate


@inlined
def undo_swaps(
    n: int, table: Array, claims: Array, pairs: Array, expected: Array, rays: Rays, gate: float, room: Room
) -> None:
    """Exchange left and right in views where that fits the prediction far better, if these are fewer than the others.

    When most views agree on the exchange, the person turned and the prediction is wrong.
    """
    misfit, doubtful, count = room.misfit, room.doubtful, 0
    for s in range(pairs.shape[0]):
        left, right = pairs[s, 0], pairs[s, 1]
        for c in range(table.shape[1]):
            doubtful[count, 0], doubtful[count, 1] = s, c
            count += max(misfit[n, c, left], 0.0) + max(misfit[n, c, right], 0.0) > 0.5 * gate
    done = -1
    for k in range(count):
        s, c = doubtful[k, 0], doubtful[k, 1]
        if s != done and fits_exchanged(n, c, pairs[s, 0], pairs[s, 1], claims, expected, misfit, rays, gate):
            undo_swap(n, pairs[s, 0], pairs[s, 1], table, claims, expected, rays, gate, room)
            done = s


@inlined
def fits_exchanged(
    n: int, c: int, left: int, right: int, claims: Array, expected: Array, misfit: Array, rays: Rays, gate: float
) -> bool:
    """Whether two joints of person n's detection in camera c fit far better in each other's place."""
    a, b, d = misfit[n, c, left] > MISSING, misfit[n, c, right] > MISSING, claims[n, c]
    keep = (misfit[n, c, left] if a else 0.0) + (misfit[n, c, right] if b else 0.0)
    if not keep > 0.5 * gate:
        return False
    swap = distance(d, left, n, c, right, expected, rays, gate) if a else 0.0
    swap += distance(d, right, n, c, left, expected, rays, gate) if b else 0.0
    return bool(swap < 0.5 * gate and swap + 0.5 * gate < keep)


@inner
def undo_swap(
    n: int, left: int, right: int, table: Array, claims: Array, expected: Array, rays: Rays, gate: float, room: Room
) -> None:
    """The same for one pair of joints, of which some view says that it is exchanged."""
    misfit, straight, swapped = room.misfit, 0, 0
    for c in range(table.shape[1]):
        if table[n, c, left] >= 0 or table[n, c, right] >= 0:
            exchanged = fits_exchanged(n, c, left, right, claims, expected, misfit, rays, gate)
            swapped += exchanged
            straight += not exchanged
    if swapped > straight:
        return
    for c in range(table.shape[1]):
        if fits_exchanged(n, c, left, right, claims, expected, misfit, rays, gate):
            a, b, d = table[n, c, left] >= 0, table[n, c, right] >= 0, claims[n, c]
            misfit[n, c, right] = distance(d, left, n, c, right, expected, rays, gate) if a else MISSING
            misfit[n, c, left] = distance(d, right, n, c, left, expected, rays, gate) if b else MISSING
            table[n, c, left], table[n, c, right] = table[n, c, right], table[n, c, left]
            room.whole[n, c] = False


@inlined
def set_limits(misfit: Array, c: int, gate: float, limit: Array) -> bool:
    """How near others have to be to the joints of misfit[c], and theirs to the person; whether any is to be lost."""
    lost = read(misfit, c, 0) > np.inf
    for j in range(0, misfit.shape[1], LANES):
        own = read(misfit, c, j)
        poor = (own > POOR * gate) & (own < gate)
        fits = (own > MISSING) & (own < POOR * gate)
        write(limit, LOSE, j, choose(poor, FAR_BETTER * own, -np.inf))
        write(limit, GAIN, j, choose(fits, -np.inf, choose((own > MISSING) & (own < gate), FAR_BETTER * own, gate)))
        lost |= poor
    return bool(some(lost))


@inlined
def any_less(a: Array, i: int, b: Array, k: int) -> bool:
    """Whether any number of row a[i] is less than the one of row b[k]; NaN is not."""
    less = read(a, i, 0) < read(b, k, 0)
    for j in range(LANES, a.shape[1], LANES):
        less |= read(a, i, j) < read(b, k, j)
    return bool(some(less))


@inlined
def disown(n: int, c: int, table: Array, claims: Array, near: Array, chi2: Array, gate: float, room: Room) -> None:
    """Take joints of people's own detections from them that fit them poorly, and the same joint of another far better.

    Both halves of a detection that is half one person and half another are within the gate of whoever is hard to see.
    """
    d, joints, limit = claims[n, c], table.shape[2], room.limit
    for o in range(near.shape[0]):
        if o == n or not near[o, d] or not any_less(chi2[o], d, limit, LOSE):
            continue
        for j in range(joints):
            if chi2[o, d, j] < limit[LOSE, j] and table[n, c, j] == d * joints + j:
                table[n, c, j], limit[GAIN, j] = -1, gate
                room.whole[n, c] = False


@inlined
def adopt(
    n: int, c: int, table: Array, claims: Array, pairs: Array, expected: Array, near: Array, chi2: Array, rays: Rays,
    gate: float, room: Room,
) -> None:  # fmt: skip
    """Where a person's own detection has no fitting joint, take one that fits from any detection of the view.

    The same where the own joint fits poorly, and another one far better: people whose limbs were exchanged are near
    each other, and so are their limbs. A joint that fits the person whose detection it is stays there, also where it is
    the other side's because left and right were exchanged. Grouped 2D often gives a limb to the wrong person, or splits
    one person in two.
    """
    limit, joints = room.limit, table.shape[2]
    for d in range(rays.first[c], rays.first[c + 1]):
        if d == claims[n, c] or not near[n, d] or not any_less(chi2[n], d, limit, GAIN):
            continue  # the own detection's joints had their turn
        o = owner(d, c, claims, near.shape[0])
        for j in range(joints):
            x = chi2[n, d, j]
            if x < limit[GAIN, j] and not (
                o >= 0 and stays(d, j, o, c, table, pairs, expected, near, chi2, rays, gate)
            ):
                table[n, c, j], limit[GAIN, j] = d * joints + j, x
                room.whole[n, c] = False


@inlined
def stays(
    d: int, j: int, o: int, c: int, table: Array, pairs: Array, expected: Array, near: Array, chi2: Array, rays: Rays,
    gate: float,
) -> bool:  # fmt: skip
    """Whether detection d's joint j fits its owner o, as that joint or as the other side's."""
    if near[o, d] and chi2[o, d, j] < gate:
        return True
    side = other_side(j, pairs)
    exchanged = side != j and table[o, c, side] == d * table.shape[2] + j
    return bool(exchanged and distance(d, j, o, c, side, expected, rays, gate) < gate)


@inlined
def owner(d: int, c: int, claims: Array, tracked: int) -> int:
    """Who of the tracked people claims detection d of camera c; -1 for nobody."""
    for n in range(tracked):
        if claims[n, c] == d:
            return n
    return -1


@inlined
def other_side(j: int, pairs: Array) -> int:
    """The joint that j is when left and right are exchanged."""
    for s in range(pairs.shape[0]):
        if pairs[s, 0] == j:
            return int(pairs[s, 1])
        if pairs[s, 1] == j:
            return int(pairs[s, 0])
    return j
