"""The joints of everyone in a frame, each as a point: from its rays, and from where it was predicted.

Most joints are where they were expected, give or take: those are settled side by side, from their predictions. Joints
with a ray that does not fit are settled again without it; where the prediction may be what is wrong, and for people
just born, pairs of rays propose where the joint is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from multiview.fit.people import State
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.lane_kernels import (
    PULL,
    WORST,
    Batch,
    L,
    evaluate,
    in_use,
    new_batch,
    put_point,
    put_prediction,
    put_ray,
    read_point,
    settle,
    trust,
)
from multiview.geometry.small_kernels import copy_row, quadratic_sym3, sym3
from multiview.geometry.triangulate_kernels import Sight, agree, propose, rays_in_use
from multiview.rays import PackedRig, Rays

STEPS = 3


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


@kernel
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
    joints = table.shape[2]
    work = Work(table, xyz, H, views, new_batch(table.shape[1]), new_batch(table.shape[1]), np.empty(4 * L))
    queue = np.empty((2, slots.shape[0] * joints), dtype=np.int64)
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
    """Put joints (n * J + j) that have a prediction and rays into queue[0], others with two rays into queue[1]."""
    table = work.table
    cameras, joints = table.shape[1], table.shape[2]
    predicted, alone = 0, 0
    for n in range(slots.shape[0]):
        m = slots[n]
        for j in range(joints):
            seen = 0
            for c in range(cameras):
                seen += table[n, c, j] >= 0
            copy_row(people.pos[m, j], work.xyz[n, j])
            copy_row(people.prior[m, j], work.H[n, j])
            work.views[n, j] = 0
            if people.prior[m, j, 0] > 0.0:
                if seen:
                    queue[0, predicted] = n * joints + j
                    predicted += 1
            elif seen >= 2:
                queue[1, alone] = n * joints + j
                alone += 1
            elif seen:
                table[n, :, j] = -1
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
    batch, cameras, joints = work.batch, work.table.shape[1], work.table.shape[2]
    count = end - begin
    _put_predicted(queue[begin:end], slots, sight, people, work)
    settle(batch, sight.R, sight.t, count, STEPS)
    for k in range(count):
        q = queue[begin + k]
        if batch.lanes[WORST + k] <= gate and batch.lanes[PULL + k] < gate:
            n, j = q // joints, q % joints
            read_point(batch, k, work.xyz[n, j], work.H[n, j])
            work.views[n, j] = rays_in_use(batch, cameras, k)
        else:
            queue[doubtful] = q
            doubtful += 1
    return doubtful


@inner
def _without_outliers(queue: Array, slots: Array, sight: Sight, gate: float, people: State, work: Work) -> None:
    """Settle joints from their predictions with the rays that fit, or from the rays alone where that explains more."""
    batch, other = work.batch, work.other
    cameras, joints, count = work.table.shape[1], work.table.shape[2], queue.shape[0]
    _put_predicted(queue, slots, sight, people, work)
    evaluate(batch, sight.R, sight.t, count)
    trust(batch, cameras, 4 * gate)
    settle(batch, sight.R, sight.t, count, STEPS)
    trust(batch, cameras, gate)
    settle(batch, sight.R, sight.t, count, STEPS)
    who, contested, point = np.empty(L, dtype=np.int64), 0, np.empty(3)
    for k in range(count):
        n, j = queue[k] // joints, queue[k] % joints
        # Whoever overrules the prediction pays for it; that cannot be worth it below that price.
        dear = _cost(batch, cameras, k, batch.lanes[PULL + k], gate) > 2 * gate
        if dear and propose(work.table[n, :, j], sight, 2 * gate, work.trial, point):
            put_point(other, contested, point)
            _put_rays(other, contested, n, j, work.table, sight)
            who[contested] = k
            contested += 1
    if contested:
        agree(other, sight.R, sight.t, contested, gate)
    i = 0
    for k in range(count):
        n, j = queue[k] // joints, queue[k] % joints
        if i < contested and who[i] == k:
            i += 1
            if rays_in_use(other, cameras, i - 1) >= 3:
                prior = people.prior[slots[n], j]
                read_point(other, i - 1, work.xyz[n, j], work.H[n, j])
                pull = _pull(work.xyz[n, j], people.pos[slots[n], j], prior)
                if _cost(other, cameras, i - 1, pull, gate) < _cost(batch, cameras, k, batch.lanes[PULL + k], gate):
                    _take(other, i - 1, n, j, work)
                    prior[:] = 0.0
                    continue
        _take(batch, k, n, j, work)


@inner
def _from_pairs(queue: Array, sight: Sight, gate: float, work: Work) -> None:
    """Settle joints of which nothing is predicted; those on which no two rays agree lose all."""
    batch, table = work.batch, work.table
    cameras, joints = table.shape[1], table.shape[2]
    who, count, point = np.empty(L, dtype=np.int64), 0, np.empty(3)
    for k in range(queue.shape[0]):
        n, j = queue[k] // joints, queue[k] % joints
        if propose(table[n, :, j], sight, 2 * gate, work.trial, point):
            put_point(batch, count, point)
            _put_rays(batch, count, n, j, table, sight)
            who[count] = queue[k]
            count += 1
        else:
            table[n, :, j] = -1
    agree(batch, sight.R, sight.t, count, gate)
    for k in range(count):
        n, j = who[k] // joints, who[k] % joints
        if rays_in_use(batch, cameras, k) >= 2:
            _take(batch, k, n, j, work)
        else:
            table[n, :, j] = -1


@inner
def _put_predicted(queue: Array, slots: Array, sight: Sight, people: State, work: Work) -> None:
    joints = work.table.shape[2]
    for k in range(queue.shape[0]):
        n, j = queue[k] // joints, queue[k] % joints
        put_prediction(work.batch, k, people.pos[slots[n], j], people.prior[slots[n], j])
        _put_rays(work.batch, k, n, j, work.table, sight)


@inner
def _put_rays(batch: Batch, k: int, n: int, j: int, table: Array, sight: Sight) -> None:
    for c in range(table.shape[1]):
        put_ray(batch, c, k, table[n, c, j], sight.xy, sight.info)


@inner
def _take(batch: Batch, k: int, n: int, j: int, work: Work) -> None:
    """Point k is person n's joint j; rays that are not in use leave the table."""
    read_point(batch, k, work.xyz[n, j], work.H[n, j])
    kept = 0
    for c in range(work.table.shape[1]):
        if in_use(batch, c, k):
            kept += 1
        else:
            work.table[n, c, j] = -1
    work.views[n, j] = kept


@inner
def _pull(point: Array, mean: Array, prior: Array) -> float:
    return float(quadratic_sym3(sym3(prior), point[0] - mean[0], point[1] - mean[1], point[2] - mean[2]))


@inner
def _cost(batch: Batch, cameras: int, k: int, pull: float, gate: float) -> float:
    """Chi-squares of prediction and rays, each at most what an outlier costs."""
    cost = min(2 * gate, pull)
    for c in range(cameras):
        cost += min(gate, batch.chi2[L * c + k])
    return cost
