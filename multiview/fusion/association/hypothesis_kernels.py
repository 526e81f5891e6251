"""Hypotheses of a joint that nothing predicts: one for every set of its rays that agree, and one that none measures it.

Costs are squared deviations of the rays in standard deviations; an outlying ray costs the `gate`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.geometry.jit import Array, inner
from multiview.geometry.reprojection_kernels import camera_of, ray_chi2
from multiview.geometry.sym3_kernels import copy_row
from multiview.geometry.triangulate_kernels import RayBundle, meeting_point, refine

MAX_PAIRS = 36  # of rays that are tried for a joint
MOST = 8  # hypotheses of a joint, besides that no ray measures it
STEPS = 4  # of Gauss-Newton

CameraRows = Int64[np.ndarray, "C J"]


class Hypotheses(NamedTuple):
    """`number[j]` for each joint; the last one, at `number[j]`, is that no ray measures it. `choice[j]` is selected."""

    number: Int64[np.ndarray, " J"]
    point: Float64[np.ndarray, "J K 3"]  # m
    information: Float64[np.ndarray, "J K 6"]  # 1/m^2
    rows: Int64[np.ndarray, "J K C"]  # the inliers, -1 for the other cameras
    cost: Float64[np.ndarray, "J K_and_1"]  # of all rays
    choice: Int64[np.ndarray, " J"]

    @staticmethod
    def empty(joints: int, cameras: int) -> Hypotheses:
        """Memory for them."""
        return Hypotheses(
            number=np.zeros(joints, np.int64),
            point=np.zeros((joints, MOST, 3)),
            information=np.zeros((joints, MOST, 6)),
            rows=np.full((joints, MOST, cameras), -1),
            cost=np.zeros((joints, MOST + 1)),
            choice=np.zeros(joints, np.int64),
        )


class Scratch(NamedTuple):
    """Memory for one joint; `no_prior` stays zero."""

    inliers: Int64[np.ndarray, " C"]
    point: Float64[np.ndarray, " 3"]
    information: Float64[np.ndarray, " 6"]
    no_prior: Float64[np.ndarray, " 6"]

    @staticmethod
    def empty(cameras: int) -> Scratch:
        """Scratch memory."""
        return Scratch(np.zeros(cameras, np.int64), np.zeros(3), np.zeros(6), np.zeros(6))


@inner
def propose_hypotheses(
    rows: CameraRows, j: int, bundle: RayBundle, gate: float, out: Hypotheses, scratch: Scratch
) -> None:
    """The hypotheses of joint j: every pair of its rays takes part in one, where it can; at most MOST, the cheapest."""
    cameras, seen = rows.shape[0], 0
    for c in range(cameras):
        seen += rows[c, j] >= 0
    stride = (seen * (seen - 1) // 2 + MAX_PAIRS - 1) // MAX_PAIRS
    count, pair = 0, 0
    for a in range(cameras):
        for b in range(a + 1, cameras):
            if rows[a, j] < 0 or rows[b, j] < 0:
                continue
            pair += 1
            if (pair - 1) % stride or is_explained(a, b, out.rows[j], count):
                continue
            if refine_pair(a, b, rows, j, bundle, gate, scratch):
                count = keep_hypothesis(j, count, total_cost(rows, j, bundle, gate, scratch.point), out, scratch)
    out.number[j] = count
    # Somewhere along one of the rays, where no other ray passes.
    out.cost[j, count] = gate * max(0, seen - 1)


@inner
def is_explained(a: int, b: int, rows: Int64[np.ndarray, "K C"], count: int) -> bool:
    """Whether one of the first hypotheses already rests on both cameras."""
    found = False
    for k in range(count):
        found |= rows[k, a] >= 0 and rows[k, b] >= 0
    return found


@inner
def refine_pair(a: int, b: int, rows: CameraRows, j: int, bundle: RayBundle, gate: float, scratch: Scratch) -> bool:
    """The point where two rays meet, refined by all that agree; False where no two do."""
    point, inliers, no_prior = scratch.point, scratch.inliers, scratch.no_prior
    meet, point[0], point[1], point[2] = meeting_point(a, rows[a, j], b, rows[b, j], bundle)
    if not meet or find_inliers(rows, j, bundle, 4 * gate, point, inliers) < 2:
        return False
    refine(inliers, bundle, no_prior[:3], no_prior, STEPS, point, scratch.information)
    if find_inliers(rows, j, bundle, gate, point, inliers) < 2:
        return False
    refine(inliers, bundle, no_prior[:3], no_prior, STEPS, point, scratch.information)
    return True


@inner
def keep_hypothesis(j: int, count: int, cost: float, out: Hypotheses, scratch: Scratch) -> int:
    """Add the hypothesis in `scratch` to the `count` that joint j has, or replace the dearest; returns their number."""
    place = count
    if count == MOST:
        place = 0
        for k in range(1, MOST):
            place = k if out.cost[j, k] > out.cost[j, place] else place
        if not cost < out.cost[j, place]:
            return count
    copy_row(scratch.point, out.point[j, place])
    copy_row(scratch.information, out.information[j, place])
    out.cost[j, place] = cost
    for c in range(scratch.inliers.shape[0]):
        out.rows[j, place, c] = scratch.inliers[c]
    return max(count, place + 1)


@inner
def chi2_at(c: int, i: int, bundle: RayBundle, point: Float64[np.ndarray, " 3"]) -> float:
    """Chi-square of camera c's ray i at a point."""
    uv, w, camera = bundle.xy[i], bundle.info[i], camera_of(bundle.R[c], bundle.t[c])
    return ray_chi2(camera, point[0], point[1], point[2], uv[0], uv[1], w[0], w[1], w[2])


@inner
def find_inliers(rows: CameraRows, j: int, bundle: RayBundle, gate: float, point: Array, inliers: Array) -> int:
    """Put joint j's rays within the gate into `inliers` (C), -1 for others; returns their number."""
    count = 0
    for c in range(rows.shape[0]):
        inliers[c] = -1
        if rows[c, j] >= 0 and chi2_at(c, rows[c, j], bundle, point) <= gate:
            inliers[c] = rows[c, j]
            count += 1
    return count


@inner
def total_cost(rows: CameraRows, j: int, bundle: RayBundle, gate: float, point: Array) -> float:
    """Chi-squares of all of joint j's rays, each at most what an outlier costs."""
    cost = 0.0
    for c in range(rows.shape[0]):
        if rows[c, j] >= 0:
            cost += min(gate, chi2_at(c, rows[c, j], bundle, point))
    return cost
