"""Part affinity fields: which candidate joints belong to one person (OpenPose).

A limb's two candidates are joined by how well the field between them points along the limb. What is maximised is the
sum of those scores over all joined pairs, where a candidate has at most one partner per limb: solved exactly, limb by
limb, as an assignment. While the limbs form a tree that is the optimum for whole people too. OpenPose's two surplus
limbs (ear to shoulder) may only join parts of people that have no joint in common, the best first.

Source: Cao et al., OpenPose: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, 2019, section 3.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy.optimize import linear_sum_assignment

from multiview.keypoints.peaks import Candidates

__all__ = ["assemble", "group_by_limbs", "join_limb", "limb_scores"]


def limb_scores(
    field: Float[np.ndarray, "2 H W"],
    a: Float64[np.ndarray, "A 2"],
    b: Float64[np.ndarray, "B 2"],
    samples: int = 10,
    min_dot: float = 0.05,
    min_success: float = 0.8,
) -> Float64[np.ndarray, "A B"]:
    """The field's mean along each line from a candidate of `a` to one of `b`; 0 where they are no pair.

    A pair is one whose samples point along the line by more than `min_dot` in a share of `min_success` or more; lines
    longer than half of the map lose some of their score.
    """
    _, height, width = field.shape
    way = b[None] - a[:, None]
    length = np.linalg.norm(way, axis=2)
    direction = way / np.maximum(length, 1e-9)[..., None]
    t = np.linspace(0, 1, samples)
    points = a[:, None, None] + way[:, :, None] * t[:, None]
    x = np.clip(np.round(points[..., 0]), 0, width - 1).astype(np.int64)
    y = np.clip(np.round(points[..., 1]), 0, height - 1).astype(np.int64)
    dots = field[0][y, x] * direction[..., 0, None] + field[1][y, x] * direction[..., 1, None]
    mean = dots.mean(axis=2) + np.minimum(0.5 * max(height, width) / np.maximum(length, 1e-9) - 1, 0)
    good = ((dots > min_dot).mean(axis=2) >= min_success) & (length > 1e-9)
    return np.where(good, np.maximum(mean, 0.0), 0.0)


def join_limb(scores: Float64[np.ndarray, "A B"]) -> list[tuple[int, int]]:
    """Pairs that maximise the sum of scores, each row and column at most once; pairs of score 0 are not joined."""
    rows, columns = linear_sum_assignment(scores, maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if scores[i, j] > 0]


def assemble(
    members: list[Int64[np.ndarray, " _"]],
    limbs: tuple[tuple[int, int], ...],
    scores: list[Float64[np.ndarray, "_ _"]],
) -> Int64[np.ndarray, "P J"]:
    """People as rows of candidate indices (-1: none), from the candidates of each joint and each limb's scores."""
    joint_of = {int(c): joint for joint, candidates in enumerate(members) for c in candidates}
    owner = {c: c for c in joint_of}
    joints_of = {c: {joint} for c, joint in joint_of.items()}

    def find(c: int) -> int:
        while owner[c] != c:
            c = owner[c]
        return c

    def unite(pair: tuple[int, int]) -> None:
        first, second = find(pair[0]), find(pair[1])
        if first != second and not joints_of[first] & joints_of[second]:
            owner[second] = first
            joints_of[first] |= joints_of.pop(second)

    surplus: list[tuple[float, tuple[int, int]]] = []
    for (a, b), table, in_tree in zip(limbs, scores, _spanning(limbs, len(members)), strict=True):
        for i, j in join_limb(table):
            pair = (int(members[a][i]), int(members[b][j]))
            if in_tree:
                unite(pair)
            else:
                surplus.append((float(table[i, j]), pair))
    for _, pair in sorted(surplus, reverse=True):
        unite(pair)
    roots = {root: row for row, root in enumerate(sorted(joints_of))}
    people = np.full((len(roots), len(members)), -1, np.int64)
    for c, joint in joint_of.items():
        people[roots[find(c)], joint] = c
    return people


def group_by_limbs(
    candidates: Candidates,
    fields: Float[np.ndarray, "L 2 H W"],
    limbs: tuple[tuple[int, int], ...],
    joints: int,
    min_joints: int = 3,
    min_score: float = 0.2,
) -> Int64[np.ndarray, "P J"]:
    """People as rows of indices into the candidates (-1: none), those with fewer joints or a lower mean left out."""
    members = [np.flatnonzero(candidates.joint == joint) for joint in range(joints)]
    scores = [
        limb_scores(field, candidates.xy[members[a]], candidates.xy[members[b]])
        for (a, b), field in zip(limbs, fields, strict=True)
    ]
    people = assemble(members, limbs, scores)
    there = people >= 0
    score = np.where(there, np.append(candidates.score, 0.0)[people], 0.0).sum(axis=1) / np.maximum(
        there.sum(axis=1), 1
    )
    good = (there.sum(axis=1) >= min_joints) & (score >= min_score)
    return people[good][np.argsort(-score[good], kind="stable")]


def _spanning(limbs: tuple[tuple[int, int], ...], joints: int) -> Bool[np.ndarray, " L"]:
    """Which limbs, taken in order, add a joint to the tree rather than close a loop in it."""
    root = list(range(joints))

    def find(j: int) -> int:
        while root[j] != j:
            j = root[j]
        return j

    in_tree = np.zeros(len(limbs), bool)
    for k, (a, b) in enumerate(limbs):
        if find(a) != find(b):
            root[find(b)] = find(a)
            in_tree[k] = True
    return in_tree
