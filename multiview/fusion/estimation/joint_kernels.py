"""The joints of everyone in a frame, each as a point: from its rays, and from where it was predicted.

Most joints are where they were expected, give or take: those are settled side by side, from their predictions. Joints
with a ray that does not fit are settled again without it; where the prediction may be what is wrong, and for people
just born, pairs of rays propose where the joint is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner
from multiview.geometry.point_batch_kernels import (
    CHI2,
    PULL,
    RAYS,
    W0,
    WORST,
    Batch,
    L,
    X,
    Y,
    Z,
    count_rays,
    evaluate,
    in_use,
    put_point,
    put_predictions,
    put_rays,
    put_rays_in_line,
    read_points,
    settle,
    trust,
)
from multiview.geometry.sym3_kernels import copy_row, quadratic_sym3, sym3
from multiview.geometry.triangulate_kernels import Sight, agree, propose, rays_in_use

STEPS = 2  # from a prediction; it is near


class Work(NamedTuple):
    """The first `total` people in a frame, and what is known of them."""

    frame: Any  # a `Workspace`, whose rooms for rays, points and queues this is done in
    people: State
    sight: Sight
    gate: float
    total: int


@inner
def triangulate_people(work: Work) -> None:
    """Each joint's point `xyz`, its information `H`, and how many rays are `used`; outliers leave the `table`.

    An outlying prediction costs two outlying rays: three views that agree overrule it, two do not. A prediction that is
    overruled is forgotten (its `prior` becomes 0). A joint without any ray is where it is predicted.
    """
    people, joints, doubtful, alone = _predicted(work), work.frame.table.shape[2], 0, 0
    for i in range(0, people * joints, L):
        doubtful, alone = _as_predicted(i, min(i + L, people * joints), doubtful, alone, work)
    for n in range(people, work.total):
        for j in range(joints):
            alone = _queue_alone(n, j, alone, work)
    for i in range(0, doubtful, L):
        _without_outliers(work.frame.doubtful[i : min(i + L, doubtful)], work)
    for i in range(0, alone, L):
        _from_pairs(work.frame.alone[i : min(i + L, alone)], work)


@inner
def _predicted(work: Work) -> int:
    """How many people there are up to the last of whom anything is predicted; behind them are newborns."""
    prior = work.people.predicted_information
    for n in range(work.total - 1, -1, -1):
        for j in range(prior.shape[1]):
            if prior[work.frame.slots[n], j, 0] > 0.0:
                return n + 1
    return 0


@inner
def _as_predicted(begin: int, end: int, doubtful: int, alone: int, work: Work) -> tuple[int, int]:
    """Settle joints begin ... end of all people, who follow one another, from their predictions.

    Those that leave a ray or the prediction outside the gate are queued as doubtful, those of which nothing is
    predicted as alone; how many there are by now.
    """
    f, sight, people = work.frame, work.sight, work.people
    batch, table = f.batch, f.table
    joints = table.shape[2]
    first, last = begin // joints, (end - 1) // joints
    for n in range(first, last + 1):
        m = f.slots[n]
        j, to, k = _part(n, begin, end, joints)
        put_predictions(batch, k, people.pos[m, j:to], people.predicted_information[m, j:to])
        for c in range(table.shape[1]):
            put_rays_in_line(batch, c, k, table[n, c, j:to], sight.xy, sight.info)
    settle(batch, sight.R, sight.t, end - begin, STEPS)
    count_rays(batch)
    for n in range(first, last + 1):
        j, to, k = _part(n, begin, end, joints)
        read_points(batch, k, f.xyz[n, j:to], f.H[n, j:to])
        a = batch.lanes[k:]
        for i in range(to - j):
            f.used[n, j + i] = int(a[RAYS + i])
            if not a[W0 + i] > 0.0:
                alone = _queue_alone(n, j + i, alone, work)
            elif not (a[WORST + i] <= work.gate and a[PULL + i] < work.gate):
                f.doubtful[doubtful, 0], f.doubtful[doubtful, 1] = n, j + i
                doubtful += 1
    return doubtful, alone


@inner
def _part(n: int, begin: int, end: int, joints: int) -> tuple[int, int, int]:
    """Which of person n's joints are among begin ... end of all people, and at what point they start."""
    first = max(begin, n * joints)
    return first - n * joints, min(end - n * joints, joints), first - begin


@inner
def _queue_alone(n: int, j: int, alone: int, work: Work) -> int:
    """Queue a joint of which nothing is predicted if two rays see it, or it loses its own; how many are queued."""
    f, seen = work.frame, 0
    for c in range(f.table.shape[1]):
        seen += f.table[n, c, j] >= 0
    if seen >= 2:
        f.alone[alone, 0], f.alone[alone, 1] = n, j
        return alone + 1
    _lose(n, j, work)
    return alone


@inner
def _without_outliers(queue: Array, work: Work) -> None:
    """Settle joints from their predictions with the rays that fit, or from the rays alone where that explains more."""
    f, sight, people, gate = work.frame, work.sight, work.people, work.gate
    batch, other, count = f.batch, f.other, queue.shape[0]
    for k in range(count):
        n, j = queue[k, 0], queue[k, 1]
        put_predictions(
            batch, k, people.pos[f.slots[n], j : j + 1], people.predicted_information[f.slots[n], j : j + 1]
        )
        put_rays(batch, k, f.table[n, :, j], sight.xy, sight.info)
    evaluate(batch, sight.R, sight.t, count)
    trust(batch, 4 * gate)
    settle(batch, sight.R, sight.t, count, STEPS)
    trust(batch, gate)
    settle(batch, sight.R, sight.t, count, STEPS)
    _contest(queue, work)
    for k in range(count):
        n, j, rival = queue[k, 0], queue[k, 1], queue[k, 2]
        if rival >= 0 and rays_in_use(other, rival) >= 3:
            pull, price = _pull(other, rival, people, f.slots[n], j), batch.lanes[PULL + k]
            if _cost(other, rival, pull, gate) < _cost(batch, k, price, gate):
                _take(other, rival, n, j, work)
                people.predicted_information[f.slots[n], j] = 0.0
                continue
        _take(batch, k, n, j, work)


@inner
def _contest(queue: Array, work: Work) -> None:
    """Put into `other` where rays alone see those joints whose prediction they might overrule."""
    f, gate, contested = work.frame, work.gate, 0
    batch, other = f.batch, f.other
    for k in range(queue.shape[0]):
        queue[k, 2] = -1
        # Whoever overrules the prediction pays for it; that cannot be worth it below that price.
        if _cost(batch, k, batch.lanes[PULL + k], gate) > 2 * gate:
            rays = f.table[queue[k, 0], :, queue[k, 1]]
            if _put_proposed(other, contested, rays, work):
                queue[k, 2] = contested
                contested += 1
    if contested:
        agree(other, work.sight.R, work.sight.t, contested, gate)


@inner
def _put_proposed(batch: Batch, k: int, rays: Array, work: Work) -> bool:
    """Start point k where a pair of rays meets, without a prediction; False if none does."""
    sound, x, y, z = propose(rays, work.sight, 2 * work.gate, work.frame.trial)
    if sound:
        put_point(batch, k, x, y, z)
        put_rays(batch, k, rays, work.sight.xy, work.sight.info)
    return sound


@inner
def _from_pairs(queue: Array, work: Work) -> None:
    """Settle joints of which nothing is predicted; those on which no two rays agree lose all."""
    f, count = work.frame, 0
    batch = f.batch
    for k in range(queue.shape[0]):
        n, j = queue[k, 0], queue[k, 1]
        if _put_proposed(batch, count, f.table[n, :, j], work):
            queue[count, 0], queue[count, 1] = n, j
            count += 1
        else:
            _lose(n, j, work)
    agree(batch, work.sight.R, work.sight.t, count, work.gate)
    for k in range(count):
        n, j = queue[k, 0], queue[k, 1]
        if rays_in_use(batch, k) >= 2:
            _take(batch, k, n, j, work)
        else:
            _lose(n, j, work)


@inner
def _take(batch: Batch, k: int, n: int, j: int, work: Work) -> None:
    """Point k is person n's joint j; rays that are not in use leave the table."""
    f, kept = work.frame, 0
    read_points(batch, k, f.xyz[n, j : j + 1], f.H[n, j : j + 1])
    for c in range(f.table.shape[1]):
        if in_use(batch, c, k):
            kept += 1
        else:
            f.table[n, c, j] = -1
    f.used[n, j] = kept


@inner
def _lose(n: int, j: int, work: Work) -> None:
    """Person n's joint j has no ray: it is where it was before."""
    f, m = work.frame, work.frame.slots[n]
    copy_row(work.people.pos[m, j], f.xyz[n, j])
    copy_row(work.people.predicted_information[m, j], f.H[n, j])
    f.used[n, j] = 0
    for c in range(f.table.shape[1]):
        f.table[n, c, j] = -1


@inner
def _pull(batch: Batch, k: int, people: State, m: int, j: int) -> float:
    """Chi-square of slot m's prediction of joint j where point k is."""
    mean, a = people.pos[m, j], batch.lanes
    return float(
        quadratic_sym3(
            sym3(people.predicted_information[m, j]), a[X + k] - mean[0], a[Y + k] - mean[1], a[Z + k] - mean[2]
        )
    )


@inner
def _cost(batch: Batch, k: int, pull: float, gate: float) -> float:
    """Chi-squares of prediction and rays, each at most what an outlier costs."""
    cost = min(2 * gate, pull)
    for c in range(batch.seen.shape[0]):
        cost += min(gate, batch.seen[c, CHI2 + k])
    return cost
