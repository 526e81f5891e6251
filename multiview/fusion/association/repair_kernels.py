"""Joint-level repair of the assignment: which ray each person's joint gets from each view.

`table[n, c, j]` is the row (detection * J + joint) that camera c contributes to joint j of person n, or -1. Swapping
sides, dropping and adopting joints all are changes of that table.

Which few joints do not fit cannot be predicted by a processor: they are searched for without branches.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.cameras.observations import Rays
from multiview.fusion.association.assignment_kernels import UU, UV, VV, Association, U, V
from multiview.fusion.state.track_state import DISPUTED_FRAMES
from multiview.geometry.jit import inner
from multiview.geometry.point_batch_kernels import padded

POOR, FAR_BETTER = 0.25, 0.25  # of the gate: a joint that fits worse gives way to one that is so much nearer
MISSING = -1.0  # instead of a squared distance

Row = Float64[np.ndarray, " W"]
Rows = Int64[np.ndarray, " J"]


class Scratch(NamedTuple):
    """Memory that the table is repaired in.

    `chi2[n, c, j]` is the squared distance of table[n, c, j] from where it is expected, at most the gate. `whole[n, c]`
    says that the person has all joints of the assigned detection, and no others: this is also a result. Of one person
    in one view, another who is nearer to a joint than `drop_below` takes it from the person, and a joint of another
    detection that is nearer to the person than `adopt_below` becomes theirs. `swap_candidates` are pairs of joints and
    views.
    """

    chi2: Float64[np.ndarray, "P C W"]
    whole: Bool[np.ndarray, "P C"]
    drop_below: Float64[np.ndarray, " W"]
    adopt_below: Float64[np.ndarray, " W"]
    swap_candidates: Int64[np.ndarray, "C*J 2"]

    @staticmethod
    def empty(people: int, cameras: int, joints: int) -> Scratch:
        """Scratch memory for so many."""
        return Scratch(
            chi2=np.full((people, cameras, padded(joints)), MISSING),
            whole=np.zeros((people, cameras), np.bool_),
            drop_below=np.zeros(padded(joints)),
            adopt_below=np.zeros(padded(joints)),
            swap_candidates=np.zeros((cameras * joints, 2), np.int64),
        )


class RepairProblem(NamedTuple):
    """The assignment of P people, of whom the first `tracked` are expected, and the table to fill.

    `disputed` counts, for who is in a slot, the frames in which most views contradict left and right less the others.
    """

    tracked: int
    slots: Int64[np.ndarray, " P"]
    disputed: Float64[np.ndarray, " M"]
    pairs: Int64[np.ndarray, "S 2"]
    gate: float
    rays: Rays
    found: Association
    table: Int64[np.ndarray, "P C J"]
    scratch: Scratch


@inner
def repair_table(work: RepairProblem) -> None:
    """Fill the table; newborns, who are expected nowhere, keep what their detections say."""
    table, assignment, chi2, info = work.table, work.found.assignment, work.found.chi2, work.rays.info
    own, whole = work.scratch.chi2, work.scratch.whole
    people, cameras = table.shape[0], table.shape[1]
    for n in range(people):
        for c in range(cameras):
            whole[n, c] = assignment[n, c] >= 0
            fill(assignment[n, c], info, table[n, c])
    for n in range(work.tracked):
        for c in range(cameras):
            judge(table[n, c], chi2[n, max(assignment[n, c], 0)], work.gate, own[n, c])
        undo_view_swaps(n, work)
        undo_swaps(n, work)
    for n in range(work.tracked):
        for c in range(cameras):
            if set_limits(own[n, c], work.gate, work.scratch.drop_below, work.scratch.adopt_below):
                drop_joints(n, c, work)
            adopt_joints(n, c, work)


@inner
def fill(d: int, info: Float64[np.ndarray, "D J 3"], row: Rows) -> None:
    """Every joint from the assigned detection."""
    joints = row.shape[0]
    for j in range(joints):
        row[j] = d * joints + j if d >= 0 and info[d, j, 0] > 0.0 else -1


@inner
def judge(row: Rows, chi2: Row, gate: float, out: Row) -> None:
    """How far the joints of the assigned detection are off."""
    for j in range(row.shape[0]):
        capped = chi2[j] if chi2[j] < gate else gate
        out[j] = capped if row[j] >= 0 else MISSING


@inner
def squared_distance(d: int, k: int, n: int, c: int, j: int, work: RepairProblem) -> float:
    """Squared distance of detection d's joint k from where person n's joint j is expected, at most the gate."""
    e, xy, noise = work.found.expected[n, c], work.rays.xy[d, k], work.rays.noise[d, k]
    p, q, r = e[UU, j] + noise[0], e[UV, j] + noise[1], e[VV, j] + noise[2]
    du, dv = xy[0] - e[U, j], xy[1] - e[V, j]
    x = (r * du * du - 2 * q * du * dv + p * dv * dv) / (p * r - q * q)
    return float(x if x < work.gate else work.gate)


@inner
def undo_view_swaps(n: int, work: RepairProblem) -> None:
    """Swap all of person n's pairs in views that fit the prediction far better so.

    Where a limb's left and right are near each other in the image, only the other pairs can tell. Detectors swap sides
    for a few frames; if most views say for longer that the sides are others, then the prediction is wrong.
    """
    swapped, kept = 0, 0
    for c in range(work.table.shape[1]):
        is_swapped = view_fits_swapped(n, c, work)
        swapped += is_swapped
        kept += work.found.assignment[n, c] >= 0 and not is_swapped
    disputed, slot = work.disputed, work.slots[n]
    disputed[slot] = max(0.0, disputed[slot] + (1.0 if swapped > kept else -1.0))
    if swapped > 0 and (swapped <= kept or disputed[slot] < DISPUTED_FRAMES):
        for c in range(work.table.shape[1]):
            if view_fits_swapped(n, c, work):
                for s in range(work.pairs.shape[0]):
                    left, right = work.pairs[s, 0], work.pairs[s, 1]
                    if swap_gain(n, c, left, right, work) > -0.5 * work.gate:
                        swap_pair(n, c, left, right, work)


@inner
def view_fits_swapped(n: int, c: int, work: RepairProblem) -> bool:
    """Whether all pairs of person n's detection in view c together fit far better swapped."""
    pairs, chi2, kept, gain = work.pairs, work.scratch.chi2[n, c], 0.0, 0.0
    for s in range(pairs.shape[0]):
        kept += max(chi2[pairs[s, 0]], 0.0) + max(chi2[pairs[s, 1]], 0.0)
    if not kept > work.gate:
        return False
    for s in range(pairs.shape[0]):
        gain += swap_gain(n, c, pairs[s, 0], pairs[s, 1], work)
    return bool(gain > work.gate)


@inner
def swap_gain(n: int, c: int, left: int, right: int, work: RepairProblem) -> float:
    """By how much the squared distances of two joints of person n's detection in view c fall when swapped."""
    chi2, d, gain = work.scratch.chi2[n, c], work.found.assignment[n, c], 0.0
    if chi2[left] > MISSING:
        gain += chi2[left] - squared_distance(d, left, n, c, right, work)
    if chi2[right] > MISSING:
        gain += chi2[right] - squared_distance(d, right, n, c, left, work)
    return gain


@inner
def swap_pair(n: int, c: int, left: int, right: int, work: RepairProblem) -> None:
    """Swap two joints of person n's detection in view c."""
    table, chi2, d = work.table, work.scratch.chi2[n, c], work.found.assignment[n, c]
    a, b = table[n, c, left], table[n, c, right]
    chi2[right] = squared_distance(d, left, n, c, right, work) if a >= 0 else MISSING
    chi2[left] = squared_distance(d, right, n, c, left, work) if b >= 0 else MISSING
    table[n, c, left], table[n, c, right], work.scratch.whole[n, c] = b, a, False


@inner
def undo_swaps(n: int, work: RepairProblem) -> None:
    """Swap left and right in views where that fits the prediction far better, if these are fewer than the others.

    When most views agree on the swap, the person turned and the prediction is wrong.
    """
    pairs, chi2, candidates, count = work.pairs, work.scratch.chi2, work.scratch.swap_candidates, 0
    for s in range(pairs.shape[0]):
        left, right = pairs[s, 0], pairs[s, 1]
        for c in range(chi2.shape[1]):
            candidates[count, 0], candidates[count, 1] = s, c
            count += max(chi2[n, c, left], 0.0) + max(chi2[n, c, right], 0.0) > 0.5 * work.gate
    done = -1
    for k in range(count):
        s, c = candidates[k, 0], candidates[k, 1]
        if s != done and fits_swapped(n, c, pairs[s, 0], pairs[s, 1], work):
            undo_swap(n, pairs[s, 0], pairs[s, 1], work)
            done = s


@inner
def fits_swapped(n: int, c: int, left: int, right: int, work: RepairProblem) -> bool:
    """Whether two joints of person n's detection in view c fit far better in each other's place."""
    chi2, d = work.scratch.chi2[n, c], work.found.assignment[n, c]
    kept = max(chi2[left], 0.0) + max(chi2[right], 0.0)
    if not kept > 0.5 * work.gate:
        return False
    swapped = squared_distance(d, left, n, c, right, work) if chi2[left] > MISSING else 0.0
    swapped += squared_distance(d, right, n, c, left, work) if chi2[right] > MISSING else 0.0
    return bool(swapped < 0.5 * work.gate and swapped + 0.5 * work.gate < kept)


@inner
def undo_swap(n: int, left: int, right: int, work: RepairProblem) -> None:
    """The same for one pair of joints, which some view sees swapped."""
    table, kept, swapped = work.table, 0, 0
    for c in range(table.shape[1]):
        if table[n, c, left] >= 0 or table[n, c, right] >= 0:
            is_swapped = fits_swapped(n, c, left, right, work)
            swapped += is_swapped
            kept += not is_swapped
    if swapped > kept:
        return
    for c in range(table.shape[1]):
        if fits_swapped(n, c, left, right, work):
            swap_pair(n, c, left, right, work)


@inner
def set_limits(chi2: Row, gate: float, drop_below: Row, adopt_below: Row) -> bool:
    """Set both limits for the joints of one person in one view; returns whether any may be dropped."""
    count = 0
    for j in range(chi2.shape[0]):
        poor = (chi2[j] > POOR * gate) & (chi2[j] < gate)
        drop_below[j] = FAR_BETTER * chi2[j] if poor else -np.inf
        count += poor
    for j in range(chi2.shape[0]):
        limit = FAR_BETTER * chi2[j] if chi2[j] >= POOR * gate else -np.inf
        adopt_below[j] = limit if (chi2[j] > MISSING) & (chi2[j] < gate) else gate
    return count > 0


@inner
def any_below(chi2: Row, limit: Row) -> bool:
    """Whether any joint is nearer than its limit; NaN is not."""
    count = 0
    for j in range(chi2.shape[0]):
        count += chi2[j] < limit[j]
    return count > 0


@inner
def drop_joints(n: int, c: int, work: RepairProblem) -> None:
    """Drop joints of the assigned detection that fit poorly, and the same joint of another person far better.

    Both halves of a detection that is half one person and half another are within the gate of whoever is hard to see.
    """
    chi2, gated, table, whole = work.found.chi2, work.found.gated, work.table, work.scratch.whole
    drop_below, adopt_below = work.scratch.drop_below, work.scratch.adopt_below
    d, joints = work.found.assignment[n, c], table.shape[2]
    for o in range(work.tracked):
        if o == n or not gated[o, d] or not any_below(chi2[o, d], drop_below):
            continue
        for j in range(joints):
            if chi2[o, d, j] < drop_below[j] and table[n, c, j] == d * joints + j:
                table[n, c, j], adopt_below[j], whole[n, c] = -1, work.gate, False


@inner
def adopt_joints(n: int, c: int, work: RepairProblem) -> None:
    """Where the assigned detection has no fitting joint, adopt one that fits from any detection of the view.

    The same where its joint fits poorly, and another one far better: people whose limbs were swapped are near each
    other, and so are their limbs. A joint that fits the person whose detection it is stays there, also as the other
    side's. Detectors often give a limb to the wrong person, or split one person in two.
    """
    chi2, gated, table, whole = work.found.chi2, work.found.gated, work.table, work.scratch.whole
    limit, joints = work.scratch.adopt_below, table.shape[2]
    for d in range(work.rays.first[c], work.rays.first[c + 1]):
        if d == work.found.assignment[n, c] or not gated[n, d] or not any_below(chi2[n, d], limit):
            continue
        o = find_owner(d, c, work)
        for j in range(joints):
            if chi2[n, d, j] < limit[j] and not (o >= 0 and fits_owner(d, j, o, c, work)):
                table[n, c, j], limit[j], whole[n, c] = d * joints + j, chi2[n, d, j], False


@inner
def find_owner(d: int, c: int, work: RepairProblem) -> int:
    """The tracked person to whom detection d of view c is assigned; -1 for nobody."""
    assignment = work.found.assignment
    for n in range(work.tracked):
        if assignment[n, c] == d:
            return n
    return -1


@inner
def fits_owner(d: int, j: int, o: int, c: int, work: RepairProblem) -> bool:
    """Whether detection d's joint j fits its owner o, as that joint or as the other side's."""
    if work.found.gated[o, d] and work.found.chi2[o, d, j] < work.gate:
        return True
    side = other_side(j, work)
    swapped = side != j and work.table[o, c, side] == d * work.table.shape[2] + j
    return bool(swapped and squared_distance(d, j, o, c, side, work) < work.gate)


@inner
def other_side(j: int, work: RepairProblem) -> int:
    """The joint that j is when left and right are swapped."""
    pairs = work.pairs
    for s in range(pairs.shape[0]):
        if pairs[s, 0] == j:
            return int(pairs[s, 1])
        if pairs[s, 1] == j:
            return int(pairs[s, 0])
    return j
