"""Associative embedding: candidate joints of one person bear like tags.

What is minimised is the spread of tags within people plus a price for each person,

    sum over people of sum over members |tag - mean tag|^2  +  new_person^2 * people,

with at most one candidate per joint in a person. A first pass assigns joint after joint, as the published decoding
does; then joint by joint everything is assigned anew with the rest held, each an exact assignment problem, and people
that are cheaper as one are merged, until nothing changes. The best of three starts is kept.

Source: Newell et al., Associative Embedding, 2017; Cheng et al., HigherHRNet, 2020.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.optimize import linear_sum_assignment

__all__ = ["group_by_tags", "grouping_cost"]

SWEEPS = 20


def grouping_cost(people: Int64[np.ndarray, " N"], tags: Float[np.ndarray, "N D"], new_person: float = 1.0) -> float:
    """The cost of a grouping: `people[i]` is the person of candidate i."""
    total = 0.0
    for person in np.unique(people):
        own = tags[people == person]
        total += float(((own - own.mean(axis=0)) ** 2).sum()) + new_person**2
    return total


def group_by_tags(
    joint: Int64[np.ndarray, " N"],
    tags: Float[np.ndarray, "N D"],
    score: Float[np.ndarray, " N"],
    new_person: float = 1.0,
    order: tuple[int, ...] = (),
) -> Int64[np.ndarray, " N"]:
    """The person of each candidate, numbered from 0.

    `new_person` is the distance in tags from which a candidate is someone else; `order` of joints for the first pass
    (reliable ones first). The score settles ties.
    """
    tags = np.asarray(tags, np.float64)
    joints = [j for j in (*order, *sorted(set(joint.tolist()) - set(order))) if (joint == j).any()]
    best, best_cost = np.zeros(len(joint), np.int64), np.inf
    # The way down ends in the valley it starts in: three starts, two orders of joints and everyone on their own.
    for first_pass in (joints, joints[::-1], []):
        people = np.full(len(joint), -1, np.int64) if first_pass else np.arange(len(joint))
        for j in first_pass:
            _assign(people, np.flatnonzero(joint == j), tags, score, new_person)
        _merge(people, joint, tags, new_person)
        cost = _improve(people, joint, joints, tags, score, new_person)
        if cost < best_cost - 1e-12:
            best, best_cost = people, cost
    return np.unique(best, return_inverse=True)[1].astype(np.int64)


def _improve(
    people: Int64[np.ndarray, " N"],
    joint: Int64[np.ndarray, " N"],
    joints: list[int],
    tags: Float64[np.ndarray, "N D"],
    score: Float[np.ndarray, " N"],
    new_person: float,
) -> float:
    """Assign each joint anew with the others held, and merge, until the cost no longer falls; the cost."""
    cost = grouping_cost(people, tags, new_person)
    for _ in range(SWEEPS):
        trial = people.copy()
        for j in joints:
            rows = np.flatnonzero(joint == j)
            trial[rows] = -1
            _assign(trial, rows, tags, score, new_person)
        _merge(trial, joint, tags, new_person)
        lower = grouping_cost(trial, tags, new_person)
        if lower >= cost - 1e-12:
            break
        people[:], cost = trial, lower
    return cost


def _assign(
    people: Int64[np.ndarray, " N"],
    rows: Int64[np.ndarray, " n"],
    tags: Float64[np.ndarray, "N D"],
    score: Float[np.ndarray, " N"],
    new_person: float,
) -> None:
    """Give the candidates `rows` of one joint to people, or to new ones, at the least cost."""
    known = np.unique(people[people >= 0])
    cost = np.full((len(rows), len(known) + len(rows)), new_person**2)
    for k, person in enumerate(known):
        own = tags[people == person]
        n = len(own)  # a member at distance d from the mean of n others adds d^2 n / (n + 1) to the spread
        cost[:, k] = ((tags[rows] - own.mean(axis=0)) ** 2).sum(axis=1) * n / (n + 1)
    cost -= 1e-9 * np.asarray(score, np.float64)[rows, None]
    fresh = int(people.max(initial=-1)) + 1
    target = np.concatenate([known, fresh + np.arange(len(rows))])
    chosen, column = linear_sum_assignment(cost)
    people[rows[chosen]] = target[column]


def _merge(
    people: Int64[np.ndarray, " N"], joint: Int64[np.ndarray, " N"], tags: Float64[np.ndarray, "N D"], new_person: float
) -> None:
    """Make one person of two without a joint in common, while that is cheaper."""
    while True:
        best: float = -1e-12
        pair: tuple[int, int] | None = None
        known = np.unique(people)
        for i, a in enumerate(known):
            for b in known[i + 1 :]:
                of_a, of_b = people == a, people == b
                if set(joint[of_a].tolist()) & set(joint[of_b].tolist()):
                    continue
                n, m = of_a.sum(), of_b.sum()
                apart = ((tags[of_a].mean(axis=0) - tags[of_b].mean(axis=0)) ** 2).sum()
                change = float(n * m / (n + m) * apart - new_person**2)
                if change < best:
                    best, pair = change, (int(a), int(b))
        if pair is None:
            return
        people[people == pair[1]] = pair[0]
