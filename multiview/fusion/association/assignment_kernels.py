"""Assignment of detections to predicted people: gate, score, and solve one assignment problem per view.

A person's joint with position covariance P is expected in a view at (u, v) with covariance J P J', where J is the
derivative of the projection. A detected joint with covariance N, which lies off by d, has the squared Mahalanobis
distance chi2 = d' (J P J' + N)^-1 d, and the score SOFT_CHI2 / (SOFT_CHI2 + chi2) - NULL_SCORE: Cauchy's weight, less
what a stranger's joint would score. Detections outside a person's gate box are not compared with them.

Joints stand side by side in rows of W = `padded(J)` numbers, with NaN behind the last joint, so that the compiler
vectorises loops over them. A chi-square is NaN where either joint is unknown.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.cameras.observations import PackedRig, Rays
from multiview.fusion.state.track_state import State
from multiview.geometry.jit import Array, inner
from multiview.geometry.point_batch_kernels import padded
from multiview.geometry.reprojection_kernels import NEAREST_M

SOFT_CHI2 = 9.0  # a joint three standard deviations off scores half
NULL_SCORE = 0.3  # of a stranger's joint: what scores less is evidence against the person
NULL_CHI2 = SOFT_CHI2 * (1.0 / NULL_SCORE - 1.0)  # where a joint is no evidence
SWAP_SCORE = 0.5 * (1.0 - NULL_SCORE)  # for each joint; a detection with less than half of all scores may be swapped
U, V, UU, UV, VV = 0, 1, 2, 3, 4  # rows of a view's joints: coordinates and their covariance

JointRows = Float64[np.ndarray, "5 W"]
Box = tuple[float, float, float, float]  # left, top, right, bottom; without joints inf, inf, -inf, -inf


class Association(NamedTuple):
    """What is found out about P people and D detections in C views.

    Joints are `expected` at (u, v) with a covariance. Where `gated[n, d]`, person n's gate box meets that of detection
    d, and `chi2[n, d]` are their joints' squared Mahalanobis distances; elsewhere no joint can lie within the gate.
    `assignment[n, c]` is a person's detection in a view, -1 for none. Only the first rows have a meaning.
    """

    expected: Float64[np.ndarray, "P C 5 W"]
    gated: Bool[np.ndarray, "P D"]
    chi2: Float64[np.ndarray, "P D W"]
    assignment: Int64[np.ndarray, "P C"]

    @staticmethod
    def empty(people: int, detections: int, cameras: int, joints: int) -> Association:
        """Memory for so many; rows are padded with NaN."""
        return Association(
            expected=np.full((people, cameras, 5, padded(joints)), np.nan),
            gated=np.zeros((people, detections), np.bool_),
            chi2=np.full((people, detections, padded(joints)), np.nan),
            assignment=np.full((people, cameras), -1),
        )


class Scratch(NamedTuple):
    """Memory that detections are assigned in.

    `joints` has one person's positions and covariances by coordinate, `detection` one detection's joints, and `swapped`
    chi-squares with left and right swapped. `gate_box[n, c]` contains person n's joints in view c; `candidates` are the
    people gated with one detection. `assignment_score[n, d]` is the evidence that detection d is person n.
    """

    joints: Float64[np.ndarray, "9 W"]
    detection: Float64[np.ndarray, "5 W"]
    swapped: Float64[np.ndarray, " W"]
    gate_box: Float64[np.ndarray, "P C 4"]
    candidates: Int64[np.ndarray, " P_and_1"]
    assignment_score: Float64[np.ndarray, "P D"]

    @staticmethod
    def empty(people: int, detections: int, cameras: int, joints: int) -> Scratch:
        """Scratch memory for so many; rows are padded with NaN."""
        return Scratch(
            joints=np.full((9, padded(joints)), np.nan),
            detection=np.full((5, padded(joints)), np.nan),
            swapped=np.full(padded(joints), np.nan),
            gate_box=np.zeros((people, cameras, 4)),
            candidates=np.zeros(people + 1, np.int64),
            assignment_score=np.zeros((people, detections)),
        )


@inner
def expect_people(
    slots: Int64[np.ndarray, " N"],
    people: State,
    rig: PackedRig,
    gate: float,
    found: Association,
    scratch: Scratch,
) -> None:
    """Where the people of `slots` are expected in all views, and their gate boxes there."""
    expected, joints, boxes, R, t = found.expected, scratch.joints, scratch.gate_box, rig.R, rig.t
    for n in range(slots.shape[0]):
        by_coordinate(people.pos[slots[n]], joints[:3])
        by_coordinate(people.cov_pp[slots[n]], joints[3:])
        for c in range(R.shape[0]):
            expect(joints, R[c], t[c], expected[n, c])
            left, top, right, bottom = gate_box(expected[n, c], gate)
            boxes[n, c, 0], boxes[n, c, 1], boxes[n, c, 2], boxes[n, c, 3] = left, top, right, bottom


@inner
def assign_detections(
    persons: int,
    rays: Rays,
    core: Int64[np.ndarray, " K"],
    pairs: Int64[np.ndarray, "S 2"],
    gate: float,
    found: Association,
    scratch: Scratch,
) -> None:
    """Assign detections to the first so many people, who are `expected`; fills `gated` and `chi2`, too.

    In each view the total score is the largest possible with one detection per person. A detection that fits nobody is
    also tried with left and right swapped.
    """
    score, assignment = scratch.assignment_score, found.assignment
    for c in range(assignment.shape[1]):
        begin, end = rays.first[c], rays.first[c + 1]
        for d in range(begin, end):
            by_coordinate(rays.xy[d], scratch.detection[:UU])
            by_coordinate(rays.noise[d], scratch.detection[UU:])
            count = find_candidates(c, d, persons, gate, found, scratch)
            total_scores(c, d, scratch.candidates[:count], core, pairs, found, scratch)
        assign(score[:persons, begin:end], assignment[:, c])
        for n in range(persons):
            assignment[n, c] += begin if assignment[n, c] >= 0 else 0


@inner
def find_free(assignment: Int64[np.ndarray, "N C"], free: Int64[np.ndarray, " D"]) -> int:
    """Put the detections that are assigned to nobody into the first rows of `free`; returns their number."""
    for d in range(free.shape[0]):
        free[d] = d
    for n in range(assignment.shape[0]):
        for c in range(assignment.shape[1]):
            if assignment[n, c] >= 0:
                free[assignment[n, c]] = -1
    count = 0
    for d in range(free.shape[0]):
        is_free = free[d] >= 0
        free[count] = d
        count += is_free
    return count


@inner
def by_coordinate(joints: Float64[np.ndarray, "J K"], rows: Float64[np.ndarray, "K W"]) -> None:
    """Put the K numbers of each joint into rows."""
    for k in range(joints.shape[1]):
        for j in range(joints.shape[0]):
            rows[k, j] = joints[j, k]


@inner
def expect(joints: Float64[np.ndarray, "9 W"], R: Array, t: Array, out: JointRows) -> None:
    """Project joints (position, covariance P) into a view: (u, v) and J P J'; NaN unless ahead of the camera."""
    r00, r01, r02, t0 = R[0, 0], R[0, 1], R[0, 2], t[0]
    r10, r11, r12, t1 = R[1, 0], R[1, 1], R[1, 2], t[1]
    r20, r21, r22, t2 = R[2, 0], R[2, 1], R[2, 2], t[2]
    for j in range(out.shape[1]):
        x, y, z = joints[0, j], joints[1, j], joints[2, j]
        p0, p1, p2 = joints[3, j], joints[4, j], joints[5, j]
        p3, p4, p5 = joints[6, j], joints[7, j], joints[8, j]
        depth = r20 * x + r21 * y + r22 * z + t2
        near = 1.0 / depth if depth > NEAREST_M else np.nan
        u, v = (r00 * x + r01 * y + r02 * z + t0) * near, (r10 * x + r11 * y + r12 * z + t1) * near
        a0, a1, a2 = (r00 - u * r20) * near, (r01 - u * r21) * near, (r02 - u * r22) * near  # J = [a b]'
        b0, b1, b2 = (r10 - v * r20) * near, (r11 - v * r21) * near, (r12 - v * r22) * near
        x0, x1, x2 = p0 * a0 + p1 * a1 + p2 * a2, p1 * a0 + p3 * a1 + p4 * a2, p2 * a0 + p4 * a1 + p5 * a2  # P a
        y0, y1, y2 = p0 * b0 + p1 * b1 + p2 * b2, p1 * b0 + p3 * b1 + p4 * b2, p2 * b0 + p4 * b1 + p5 * b2  # P b
        out[U, j], out[V, j] = u, v
        out[UU, j] = a0 * x0 + a1 * x1 + a2 * x2
        out[UV, j] = b0 * x0 + b1 * x1 + b2 * x2
        out[VV, j] = b0 * y0 + b1 * y1 + b2 * y2


@inner
def gate_box(joints: JointRows, gate: float) -> Box:
    """The box around all known joints, with a margin that holds each one's gate, and where it would score."""
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for j in range(joints.shape[1]):
        margin = math.sqrt(max(gate, NULL_CHI2) * (joints[UU, j] + joints[VV, j]))
        if margin < np.inf:  # known: neither infinite nor NaN
            u, v = joints[U, j], joints[V, j]
            left, right = min(left, u - margin), max(right, u + margin)
            top, bottom = min(top, v - margin), max(bottom, v + margin)
    return left, top, right, bottom


@inner
def find_candidates(c: int, d: int, persons: int, gate: float, found: Association, scratch: Scratch) -> int:
    """Who may be detection d: `gated`, and the `candidates`, whose number is returned; their scores become 0.

    Without branches, since the answers cannot be predicted.
    """
    gated, boxes, candidates, score = found.gated, scratch.gate_box, scratch.candidates, scratch.assignment_score
    left, top, right, bottom = gate_box(scratch.detection, gate)
    count = 0
    for n in range(persons):
        across = (left <= boxes[n, c, 2]) & (boxes[n, c, 0] <= right)
        gated[n, d] = across & (top <= boxes[n, c, 3]) & (boxes[n, c, 1] <= bottom)
        candidates[count], score[n, d] = n, 0.0
        count += gated[n, d]
    return count


@inner
def total_scores(
    c: int, d: int, candidates: Array, core: Array, pairs: Array, found: Association, scratch: Scratch
) -> None:
    """Score detection d as each of its candidates; swapped where that may be, if that scores more.

    Chi-squares are kept of joints as they are.
    """
    expected, detection, chi2 = found.expected, scratch.detection, found.chi2
    swapped, score, best = scratch.swapped, scratch.assignment_score, 0.0
    for n in candidates:
        squared_distances(expected[n, c], detection, chi2[n, d])
        score[n, d] = total_score(chi2[n, d], core)
        best = max(best, score[n, d])
    if best < SWAP_SCORE * count_known(detection, core):
        swap_sides(detection, pairs)
        for n in candidates:
            squared_distances(expected[n, c], detection, swapped)
            score[n, d] = max(score[n, d], total_score(swapped, core))


@inner
def squared_distances(expected: JointRows, detection: JointRows, out: Float64[np.ndarray, " W"]) -> None:
    """d' S^-1 d for each joint, with S the sum of both covariances and d from the expected to the detected joint."""
    for j in range(out.shape[0]):
        p, q = expected[UU, j] + detection[UU, j], expected[UV, j] + detection[UV, j]
        r = expected[VV, j] + detection[VV, j]
        du, dv = detection[U, j] - expected[U, j], detection[V, j] - expected[V, j]
        out[j] = (r * du * du - 2 * q * du * dv + p * dv * dv) / (p * r - q * q)


@inner
def total_score(chi2: Float64[np.ndarray, " W"], core: Array) -> float:
    """The scores of the core joints together; each is between 1 - NULL_SCORE and -NULL_SCORE, 0 if unknown."""
    total = 0.0
    for j in core:
        joint_score = SOFT_CHI2 / (SOFT_CHI2 + chi2[j]) - NULL_SCORE
        total += joint_score if joint_score == joint_score else 0.0
    return total


@inner
def count_known(detection: JointRows, core: Array) -> int:
    """How many of the core joints a detection has."""
    count = 0
    for j in core:
        count += detection[U, j] == detection[U, j]
    return count


@inner
def swap_sides(detection: JointRows, pairs: Array) -> None:
    """Swap left and right joints."""
    for s in range(pairs.shape[0]):
        left, right = pairs[s, 0], pairs[s, 1]
        for k in range(detection.shape[0]):
            detection[k, left], detection[k, right] = detection[k, right], detection[k, left]


@inner
def assign(score: Float64[np.ndarray, "N D"], chosen: Int64[np.ndarray, " N"]) -> None:
    """The column `chosen` for each row, so that the sum of positive scores is largest; -1 for rows better left alone.

    Rows whose best column no other row wants have it; the others are solved for.
    """
    rows = score.shape[0]
    if not choose_best(score, chosen):
        contested = np.empty(rows, dtype=np.int64)
        count = find_contested(score, chosen, contested)
        solve_assignment(score, contested[:count], chosen)


@inner
def choose_best(score: Array, chosen: Array) -> bool:
    """Choose each row's best column, -1 where none is positive; returns whether no two rows chose the same."""
    distinct = True
    for i in range(score.shape[0]):
        best, at = 0.0, -1
        for k in range(score.shape[1]):
            if score[i, k] > best:
                best, at = score[i, k], k
        chosen[i] = at
        for other in range(i):
            distinct = distinct and (at < 0 or chosen[other] != at)
    return distinct


@inner
def find_contested(score: Array, chosen: Array, contested: Array) -> int:
    """The rows whose best column has a positive score in another row, too; returns their number."""
    count = 0
    for i in range(score.shape[0]):
        others = 0
        for other in range(score.shape[0]):
            others += chosen[i] >= 0 and other != i and score[other, chosen[i]] > 0.0
        contested[count] = i
        count += others > 0
    return count


@inner
def solve_assignment(score: Array, rows: Array, chosen: Array) -> None:
    """Shortest augmenting paths for some rows (Jonker and Volgenant 1987), with one more column for each, at no cost.

    u and v are the dual variables; rows and columns count from 1, and column 0 is where each path begins.
    """
    real, count = score.shape[1], rows.shape[0]
    columns = real + count
    u, v, least = np.zeros(count + 1), np.zeros(columns + 1), np.zeros(columns + 1)
    owner, previous = np.zeros(columns + 1, dtype=np.int64), np.zeros(columns + 1, dtype=np.int64)
    visited = np.zeros(columns + 1, dtype=np.bool_)
    for row in range(1, count + 1):
        for k in range(columns + 1):
            least[k], visited[k] = np.inf, False
        owner[0], at = row, 0
        while owner[at]:
            visited[at] = True
            i, delta, nearest = owner[at], np.inf, 0
            for k in range(1, columns + 1):
                if visited[k]:
                    continue
                cost = -max(score[rows[i - 1], k - 1], 0.0) if k <= real else 0.0
                if cost - u[i] - v[k] < least[k]:
                    least[k], previous[k] = cost - u[i] - v[k], at
                if least[k] < delta:
                    delta, nearest = least[k], k
            for k in range(columns + 1):
                if visited[k]:
                    u[owner[k]] += delta
                    v[k] -= delta
                else:
                    least[k] -= delta
            at = nearest
        while at:
            owner[at] = owner[previous[at]]
            at = previous[at]
    for i in rows:
        chosen[i] = -1
    for k in range(1, real + 1):
        if owner[k] and score[rows[owner[k] - 1], k - 1] > 0.0:
            chosen[rows[owner[k] - 1]] = k - 1
