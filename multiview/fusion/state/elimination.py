"""In which order joints that bones connect are eliminated, and which pairs of joints that ties together.

The normal equations of a skeleton have one 3x3 block per joint and one per bone. Eliminating a joint ties all joints to
each other that it was connected to; the order decides how much of that fill-in there is. It is the same in every frame,
so it is worked out once (George and Liu, Computer Solution of Large Sparse Positive Definite Systems, 1981).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

__all__ = ["Elimination"]


class Elimination(NamedTuple):
    """The sparse structure of J joints and E bones, with B blocks off the diagonal.

    `order` visits the joints; `later[j]` lists those that joint j is still connected to when its turn comes, in that
    order, then -1. `block[j, k]` is the block of j (rows) with later[j, k] (columns), `fill[j, k, i]` that of
    later[j, k] with later[j, i], for i > k. `bone[e]` is the block of bone e, -1 for a bone that is none, and `blocks`
    holds one number per block.
    """

    order: Int64[np.ndarray, " J"]
    later: Int64[np.ndarray, "J K"]
    block: Int64[np.ndarray, "J K"]
    fill: Int64[np.ndarray, "J K K"]
    bone: Int64[np.ndarray, " E"]
    blocks: Int64[np.ndarray, " B"]

    @staticmethod
    def of(joints: int, ends: Int64[np.ndarray, "E 2"]) -> Elimination:
        """For bones between the joints `ends` (-1: no bone): always the joint with the fewest neighbours next."""
        neighbours: list[set[int]] = [set() for _ in range(joints)]
        for a, b in ends.tolist():
            if a >= 0 and b >= 0:
                neighbours[a].add(b)
                neighbours[b].add(a)
        order: list[int] = []
        later: list[set[int]] = [set() for _ in range(joints)]
        left = set(range(joints))
        while left:
            joint = min(left, key=lambda j: (len(neighbours[j]), j))
            left.remove(joint)
            order.append(joint)
            later[joint] = neighbours[joint]
            for other in later[joint]:
                neighbours[other] = (neighbours[other] | later[joint]) - {joint, other}
        place = np.argsort(order)
        rows = [sorted(others, key=lambda j: place[j]) for others in later]
        number = {(a, b): i for i, (a, b) in enumerate((a, b) for a in range(joints) for b in rows[a])}
        width = max(1, *(len(row) for row in rows)) if joints > 1 else 1
        table, block = np.full((joints, width), -1), np.full((joints, width), -1)
        fill = np.full((joints, width, width), -1)
        for a, row in enumerate(rows):
            for k, b in enumerate(row):
                table[a, k], block[a, k] = b, number[a, b]
                for i in range(k + 1, len(row)):
                    fill[a, k, i] = number[b, row[i]]
        bone = np.full(len(ends), -1)
        for e, (a, b) in enumerate(ends.tolist()):
            if a >= 0 and b >= 0:
                bone[e] = number[(a, b) if place[a] < place[b] else (b, a)]
        return Elimination(np.array(order), table, block, fill, bone, np.arange(len(number)))
