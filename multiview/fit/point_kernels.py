"""The joints of everyone in a frame, each as a point: from its rays, and from where it was predicted.

Most joints are where they were expected, give or take: those are settled side by side, from their predictions. Joints
with a ray that does not fit are settled again without it; where the prediction may be what is wrong, and for people
just born, pairs of rays propose where the joint is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiview.fit.people import State
from multiview.geometry.jit import Array, inner
from multiview.geometry.lane_kernels import (
    PULL,
    WORST,
    Batch,
    L,
    X,
    Y,
    Z,
    evaluate,
    in_use,
    new_batch,
    put_point,
    put_prediction,
    put_rays,
    read_point,
    settle,
    trust,
)
from multiview.geometry.small_kernels import quadratic_sym3, sym3
from multiview.geometry.triangulate_kernels import Sight, agree, propose, rays_in_use
from multiview.rays import PackedRig, Rays

STEPS = 2  # from a prediction; it is near


class Work(NamedTuple):
    """What a frame's joints are worked out with: the results, two batches, room for proposals."""

    table: Array  # (P, C, J)
    xyz: Array  # (P, J, 3)
    H: Array  # (P, J, 6)
    views: Array  # (P, J)
    batch: Batch
    other: Batch
    trial: Array  # (4 L,)


@inner
def sight_of(rays: Rays, rig: PackedRig) -> Sight:
    """A frame's rays by row (detection * J + joint)."""
    return Sight(rays.xy.reshape(-1, 2), rays.info.reshape(-1, 3), rays.ray.reshape(-1, 3), rig.R, rig.t, rig.centre)


@inner
def triangulate_people(
    slots: Array,
    table: Array,
    rays: Rays,
    rig: PackedRig,
    gate: float,
    people: State,
    xyz: Array,
    H: Array,
    views: Array,
) -> None:
    """Each joint's point and information H from its rays and its prediction; outliers leave `table`.

    An outlying prediction costs two outlying rays: three views that agree overrule it, two do not. A prediction that is
    overruled is forgotten (its `prior` becomes 0).
    """
    sight = sight_of(rays, rig)
    work = Work(table, xyz, H, views, new_batch(table.shape[1]), new_batch(table.shape[1]), np.empty(4 * L))
    queue = np.empty((2, slots.shape[0] * table.shape[2], 2), dtype=np.int64)
    count, alone = _sort_joints(slots, people, work, queue)
    doubtful = 0
    for i in range(0, count, L):
        doubtful = _as_predicted(queue[0], i, min(i + L, count), doubtful, slots, sight, gate, people, work)
    for i in range(0, doubtful, L):
        _without_outliers(queue[0, i : min(i + L, doubtful)], slots, sight, gate, people, work)
    for i in range(0, alone, L):
        _from_pairs(queue[1, i : min(i + L, alone)], sight, gate, work)


@inner
def _sort_joints(slots: Array, people: State, work: Work, queue: Array) -> tuple[int, int]:
    """Joints (n, j) that have a prediction and rays go to queue[0], others with two rays to queue[1]; how many each.

    All others are where they are predicted. `views` begins as the number of rays.
    """
    table = work.table
    predicted, alone = 0, 0
    for n in range(slots.shape[0]):
        m = slots[n]
        for j in range(table.shape[2]):
            seen = 0
            for c in range(table.shape[1]):
                seen += table[n, c, j] >= 0
            for i in range(3):
                work.xyz[n, j, i] = people.pos[m, j, i]
            for i in range(6):
                work.H[n, j, i] = people.prior[m, j, i]
            work.views[n, j] = seen
            if people.prior[m, j, 0] > 0.0:
                if seen:
                    queue[0, predicted, 0], queue[0, predicted, 1] = n, j
                    predicted += 1
            elif seen >= 2:
                queue[1, alone, 0], queue[1, alone, 1] = n, j
                alone += 1
            elif seen:
                _lose(n, j, work)
    return predicted, alone


@inner
def _as_predicted(
    queue: Array,
    begin: int,
    end: int,
    doubtful: int,
    slots: Array,
    sight: Sight,
    gate: float,
    people: State,
    work: Work,
) -> int:
    """Settle joints from their predictions. Those that leave a ray or the prediction outside the gate go to the front
    of the queue; how many there are by now.
    """
    batch, count = work.batch, end - begin
    _put_predicted(queue[begin:end], slots, sight, people, work)
    settle(batch, sight.R, sight.t, count, STEPS)
    for k in range(count):
        n, j = queue[begin + k, 0], queue[begin + k, 1]
        if batch.lanes[WORST + k] <= gate and batch.lanes[PULL + k] < gate:
            read_point(batch, k, work.xyz, work.H, n, j)
        else:
            queue[doubtful, 0], queue[doubtful, 1] = n, j
            doubtful += 1
    return doubtful


@inner
def _without_outliers(queue: Array, slots: Array, sight: Sight, gate: float, people: State, work: Work) -> None:
    """Settle joints from their predictions with the rays that fit, or from the rays alone where that explains more."""
    batch, other = work.batch, work.other
    cameras, count = work.table.shape[1], queue.shape[0]
    _put_predicted(queue, slots, sight, people, work)
    evaluate(batch, sight.R, sight.t, count)
    trust(batch, cameras, 4 * gate)
    settle(batch, sight.R, sight.t, count, STEPS)
    trust(batch, cameras, gate)
    settle(batch, sight.R, sight.t, count, STEPS)
    who, contested, start = np.empty(L, dtype=np.int64), 0, np.empty(3)
    for k in range(count):
        n, j = queue[k, 0], queue[k, 1]
        # Whoever overrules the prediction pays for it; that cannot be worth it below that price.
        dear = _cost(batch, cameras, k, batch.lanes[PULL + k], gate) > 2 * gate
        if dear and propose(work.table[n, :, j], sight, 2 * gate, work.trial, start):
            put_point(other, contested, start[0], start[1], start[2])
            put_rays(other, contested, work.table[n, :, j], sight.xy, sight.info)
            who[contested] = k
            contested += 1
    if contested:
        agree(other, sight.R, sight.t, contested, gate)
    i = 0
    for k in range(count):
        n, j = queue[k, 0], queue[k, 1]
        if i < contested and who[i] == k:
            i += 1
            pull, price = _pull(other, i - 1, people, slots[n], j), batch.lanes[PULL + k]
            cheaper = _cost(other, cameras, i - 1, pull, gate) < _cost(batch, cameras, k, price, gate)
            if cheaper and rays_in_use(other, cameras, i - 1) >= 3:
                _take(other, i - 1, n, j, work)
                people.prior[slots[n], j] = 0.0
                continue
        _take(batch, k, n, j, work)


@inner
def _from_pairs(queue: Array, sight: Sight, gate: float, work: Work) -> None:
    """Settle joints of which nothing is predicted; those on which no two rays agree lose all."""
    batch, table = work.batch, work.table
    who, count, start = np.empty(L, dtype=np.int64), 0, np.empty(3)
    for k in range(queue.shape[0]):
        n, j = queue[k, 0], queue[k, 1]
        if propose(table[n, :, j], sight, 2 * gate, work.trial, start):
            put_point(batch, count, start[0], start[1], start[2])
            put_rays(batch, count, work.table[n, :, j], sight.xy, sight.info)
            who[count] = k
            count += 1
        else:
            _lose(n, j, work)
    agree(batch, sight.R, sight.t, count, gate)
    for k in range(count):
        n, j = queue[who[k], 0], queue[who[k], 1]
        if rays_in_use(batch, table.shape[1], k) >= 2:
            _take(batch, k, n, j, work)
        else:
            _lose(n, j, work)


@inner
def _put_predicted(queue: Array, slots: Array, sight: Sight, people: State, work: Work) -> None:
    for k in range(queue.shape[0]):
        n, j = queue[k, 0], queue[k, 1]
        put_prediction(work.batch, k, people.pos, people.prior, slots[n], j)
        put_rays(work.batch, k, work.table[n, :, j], sight.xy, sight.info)


@inner
def _take(batch: Batch, k: int, n: int, j: int, work: Work) -> None:
    """Point k is person n's joint j; rays that are not in use leave the table."""
    read_point(batch, k, work.xyz, work.H, n, j)
    kept = 0
    for c in range(work.table.shape[1]):
        if in_use(batch, c, k):
            kept += 1
        else:
            work.table[n, c, j] = -1
    work.views[n, j] = kept


@inner
def _lose(n: int, j: int, work: Work) -> None:
    """Person n's joint j has no ray."""
    work.views[n, j] = 0
    for c in range(work.table.shape[1]):
        work.table[n, c, j] = -1


@inner
def _pull(batch: Batch, k: int, people: State, m: int, j: int) -> float:
    """Chi-square of slot m's prediction of joint j where point k is."""
    mean, a = people.pos[m, j], batch.lanes
    return float(quadratic_sym3(sym3(people.prior[m, j]), a[X + k] - mean[0], a[Y + k] - mean[1], a[Z + k] - mean[2]))


@inner
def _cost(batch: Batch, cameras: int, k: int, pull: float, gate: float) -> float:
    """Chi-squares of prediction and rays, each at most what an outlier costs."""
    cost = min(2 * gate, pull)
    for c in range(cameras):
        cost += min(gate, batch.chi2[L * c + k])
    return cost
