"""Everyone's joints in one frame, each as a point: the maximum a posteriori estimate from its rays and its prediction.

Most joints are near their predictions and are refined side by side from these. A joint with a ray, or a prediction,
outside the gate is refined again without its outliers; and where the prediction may be what is wrong, against the
alternative that rays alone propose. So are joints without a prediction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.fusion.state.track_state import State
from multiview.geometry.jit import inner
from multiview.geometry.point_batch_kernels import (
    CHI2,
    INLIERS,
    MAX_RAY_CHI2,
    PRIOR_CHI2,
    W0,
    Batch,
    L,
    Points,
    X,
    Y,
    Z,
    count_inliers,
    gate_rays,
    gauss_newton,
    is_inlier,
    linearise,
    put_point,
    put_predictions,
    put_ray,
    put_rays,
    read_point,
    read_points,
)
from multiview.geometry.sym3_kernels import copy_row, quadratic_sym3, sym3
from multiview.geometry.triangulate_kernels import RayBundle, propose, refine_inliers

STEPS = 2  # from a prediction, which is near

Queue = Int64[np.ndarray, "N 2"]  # person and joint


class Scratch(NamedTuple):
    """Memory that joints are triangulated in: points, `alternative` points, pairs of rays on `trial`, and queues."""

    batch: Batch
    alternative: Batch
    trials: Float64[np.ndarray, "4 L"]
    outlier_candidates: Int64[np.ndarray, "P*J 2"]
    unpredicted: Int64[np.ndarray, "P*J 2"]
    contested: Int64[np.ndarray, " L"]

    @staticmethod
    def empty(people: int, cameras: int, joints: int) -> Scratch:
        """Scratch memory for so many."""
        return Scratch(
            batch=Batch.empty(cameras),
            alternative=Batch.empty(cameras),
            trials=np.zeros((4, L)),
            outlier_candidates=np.empty((people * joints, 2), np.int64),
            unpredicted=np.empty((people * joints, 2), np.int64),
            contested=np.empty(L, np.int64),
        )


class TriangulationProblem(NamedTuple):
    """What is known of P people's joints, and where the estimates go."""

    slots: Int64[np.ndarray, " P"]
    people: State
    bundle: RayBundle
    gate: float
    table: Int64[np.ndarray, "P C J"]
    xyz: Float64[np.ndarray, "P J 3"]
    H: Float64[np.ndarray, "P J 6"]
    used: Int64[np.ndarray, "P J"]
    scratch: Scratch


@inner
def triangulate_people(work: TriangulationProblem) -> None:
    """Estimate each joint's point `xyz`, its information `H` and how many rays it `used`; outliers leave the `table`.

    An outlying prediction costs as much as two outlying rays: three views that agree overrule it, two do not. The
    information of a prediction that is overruled becomes 0. A joint without any ray is where it is predicted.
    """
    joints, scratch = work.table.shape[2], work.scratch
    predicted, candidates, unpredicted = joints * count_predicted(work), 0, 0
    for begin in range(0, predicted, L):
        end = min(begin + L, predicted)
        refine_predicted(begin, end, work)
        candidates, unpredicted = queue_unsettled(begin, end, candidates, unpredicted, work)
    for i in range(predicted, joints * work.table.shape[0]):
        unpredicted = queue_unpredicted(i // joints, i % joints, unpredicted, work)
    for i in range(0, candidates, L):
        remove_outliers(scratch.outlier_candidates[i : min(i + L, candidates)], work)
    for i in range(0, unpredicted, L):
        triangulate_unpredicted(scratch.unpredicted[i : min(i + L, unpredicted)], work)


@inner
def count_predicted(work: TriangulationProblem) -> int:
    """How many people there are up to the last with a prediction; behind them are newborns."""
    information = work.people.predicted_information
    for n in range(work.slots.shape[0] - 1, -1, -1):
        for j in range(information.shape[1]):
            if information[work.slots[n], j, 0] > 0.0:
                return n + 1
    return 0


@inner
def refine_predicted(begin: int, end: int, work: TriangulationProblem) -> None:
    """Refine joints begin ... end of all people, who follow one another, from their predictions and all their rays."""
    bundle, batch, table, joints = work.bundle, work.scratch.batch, work.table, work.table.shape[2]
    points, rays, xy, info = batch.points, batch.rays, bundle.xy, bundle.info
    pos, information = work.people.pos, work.people.predicted_information
    first, last = begin // joints, (end - 1) // joints
    for n in range(first, last + 1):
        j, to, k = joints_between(n, begin, end, joints)
        m = work.slots[n]
        put_predictions(points, k, pos[m, j:to], information[m, j:to])
        for c in range(table.shape[1]):
            put_rays(rays[c], k, table[n, c, j:to], xy, info)
    gauss_newton(batch, bundle.R, bundle.t, end - begin, STEPS)
    count_inliers(batch)
    for n in range(first, last + 1):
        j, to, k = joints_between(n, begin, end, joints)
        read_points(points, k, work.xyz[n, j:to], work.H[n, j:to])
        for i in range(to - j):
            work.used[n, j + i] = int(points[INLIERS + k + i])


@inner
def joints_between(n: int, begin: int, end: int, joints: int) -> tuple[int, int, int]:
    """Which of person n's joints are among begin ... end of all people, and which point is the first."""
    first = max(begin, n * joints)
    return first - n * joints, min(end - n * joints, joints), first - begin


@inner
def queue_unsettled(
    begin: int, end: int, candidates: int, unpredicted: int, work: TriangulationProblem
) -> tuple[int, int]:
    """Queue joints with a ray or a prediction outside the gate, and those without one; how many there are by now."""
    points, queue, joints = work.scratch.batch.points, work.scratch.outlier_candidates, work.table.shape[2]
    for i in range(begin, end):
        k = i - begin
        if not points[W0 + k] > 0.0:
            unpredicted = queue_unpredicted(i // joints, i % joints, unpredicted, work)
        elif not (points[MAX_RAY_CHI2 + k] <= work.gate and points[PRIOR_CHI2 + k] < work.gate):
            queue[candidates, 0], queue[candidates, 1] = i // joints, i % joints
            candidates += 1
    return candidates, unpredicted


@inner
def queue_unpredicted(n: int, j: int, count: int, work: TriangulationProblem) -> int:
    """Queue a joint without a prediction if two rays see it, else drop it; how many are queued."""
    table, queue, seen = work.table, work.scratch.unpredicted, 0
    for c in range(table.shape[1]):
        seen += table[n, c, j] >= 0
    if seen < 2:
        drop_measurement(n, j, work)
        return count
    queue[count, 0], queue[count, 1] = n, j
    return count + 1


@inner
def remove_outliers(queue: Queue, work: TriangulationProblem) -> None:
    """Refine joints with the rays that fit their predictions, or from the rays alone where that costs less."""
    bundle, batch, table, gate, count = work.bundle, work.scratch.batch, work.table, work.gate, queue.shape[0]
    points, rays, xy, info, R, t = batch.points, batch.rays, bundle.xy, bundle.info, bundle.R, bundle.t
    pos, information = work.people.pos, work.people.predicted_information
    for k in range(count):
        n, j = queue[k, 0], queue[k, 1]
        m = work.slots[n]
        put_predictions(points, k, pos[m, j : j + 1], information[m, j : j + 1])
        for c in range(table.shape[1]):
            put_ray(rays[c], k, table[n, c, j], xy, info)
    linearise(batch, R, t, count)
    gate_rays(batch, 4 * gate)
    gauss_newton(batch, R, t, count, STEPS)
    gate_rays(batch, gate)
    gauss_newton(batch, R, t, count, STEPS)
    retriangulate(queue, work)
    for k in range(count):
        commit_better(k, queue[k, 0], queue[k, 1], work)


@inner
def retriangulate(queue: Queue, work: TriangulationProblem) -> None:
    """Triangulate from rays alone the joints whose prediction these might overrule.

    `contested[k]` is the point of `alternative` that is queue[k], or -1.
    """
    scratch, gate, count = work.scratch, work.gate, 0
    points, rays, contested = scratch.batch.points, scratch.batch.rays, scratch.contested
    for k in range(queue.shape[0]):
        contested[k] = -1
        # To overrule the prediction costs 2 gates: that cannot pay below that.
        if not total_cost(rays, k, points[PRIOR_CHI2 + k], gate) > 2 * gate:
            continue
        if put_proposed(scratch.alternative, count, queue[k, 0], queue[k, 1], work):
            contested[k] = count
            count += 1
    if count:
        refine_inliers(scratch.alternative, work.bundle.R, work.bundle.t, count, gate)


@inner
def commit_better(k: int, n: int, j: int, work: TriangulationProblem) -> None:
    """Commit point k of the batch, or its alternative, if that is seen by three views and costs less."""
    scratch, gate, m = work.scratch, work.gate, work.slots[n]
    points, other, a = scratch.batch.points, scratch.alternative.points, scratch.contested[k]
    if a >= 0 and other[INLIERS + a] >= 3:
        information = work.people.predicted_information[m, j]
        prior_chi2 = prior_chi2_at(other, a, work.people.pos[m, j], information)
        overruled = total_cost(scratch.alternative.rays, a, prior_chi2, gate)
        if overruled < total_cost(scratch.batch.rays, k, points[PRIOR_CHI2 + k], gate):
            commit_point(scratch.alternative, a, n, j, work)
            for i in range(6):
                information[i] = 0.0
            return
    commit_point(scratch.batch, k, n, j, work)


@inner
def triangulate_unpredicted(queue: Queue, work: TriangulationProblem) -> None:
    """Triangulate joints from rays alone; those on which no two rays agree are dropped."""
    batch, count = work.scratch.batch, 0
    for k in range(queue.shape[0]):
        n, j = queue[k, 0], queue[k, 1]
        if put_proposed(batch, count, n, j, work):
            queue[count, 0], queue[count, 1] = n, j
            count += 1
        else:
            drop_measurement(n, j, work)
    refine_inliers(batch, work.bundle.R, work.bundle.t, count, work.gate)
    for k in range(count):
        if batch.points[INLIERS + k] >= 2:
            commit_point(batch, k, queue[k, 0], queue[k, 1], work)
        else:
            drop_measurement(queue[k, 0], queue[k, 1], work)


@inner
def put_proposed(batch: Batch, k: int, n: int, j: int, work: TriangulationProblem) -> bool:
    """Start point k where a pair of person n's rays to joint j meets; False if none does."""
    table, xy, info, rays = work.table, work.bundle.xy, work.bundle.info, batch.rays
    found, x, y, z = propose(table[n], j, work.bundle, 2 * work.gate, work.scratch.trials)
    if found:
        put_point(batch.points, k, x, y, z)
        for c in range(table.shape[1]):
            put_ray(rays[c], k, table[n, c, j], xy, info)
    return found


@inner
def commit_point(batch: Batch, k: int, n: int, j: int, work: TriangulationProblem) -> None:
    """Point k is the estimate of person n's joint j; its outliers leave the table."""
    table, rays, kept = work.table, batch.rays, 0
    read_point(batch.points, k, work.xyz[n, j], work.H[n, j])
    for c in range(table.shape[1]):
        if is_inlier(rays[c], k):
            kept += 1
        else:
            table[n, c, j] = -1
    work.used[n, j] = kept


@inner
def drop_measurement(n: int, j: int, work: TriangulationProblem) -> None:
    """Person n's joint j has no ray: it stays where it is predicted."""
    m = work.slots[n]
    copy_row(work.people.pos[m, j], work.xyz[n, j])
    copy_row(work.people.predicted_information[m, j], work.H[n, j])
    work.used[n, j] = 0
    for c in range(work.table.shape[1]):
        work.table[n, c, j] = -1


@inner
def prior_chi2_at(
    points: Points, k: int, mean: Float64[np.ndarray, " 3"], information: Float64[np.ndarray, " 6"]
) -> float:
    """Chi-square of a prediction at point k."""
    dx, dy, dz = points[X + k] - mean[0], points[Y + k] - mean[1], points[Z + k] - mean[2]
    return float(quadratic_sym3(sym3(information), dx, dy, dz))


@inner
def total_cost(rays: Float64[np.ndarray, "C 7*L"], k: int, prior_chi2: float, gate: float) -> float:
    """Chi-squares of prediction and rays, each at most what an outlier costs."""
    cost = min(2 * gate, prior_chi2)
    for c in range(rays.shape[0]):
        cost += min(gate, rays[c, CHI2 + k])
    return cost
