"""The limbs that part affinity fields join: a skeleton's bones, and from each ear to its shoulder.

COCO's bones leave the head apart from the body; OpenPose joins them by these two (Cao et al., 2019, figure 3).
"""

from __future__ import annotations

from multiview.body.skeleton import Skeleton

__all__ = ["limbs_of"]

NECKS = (("left_ear", "left_shoulder"), ("right_ear", "right_shoulder"))


def limbs_of(skeleton: Skeleton) -> tuple[tuple[int, int], ...]:
    """Pairs of joints, by index, in the order of the fields."""
    necks = [pair for pair in NECKS if set(pair) <= set(skeleton.joints)]
    return (*skeleton.bones, *((skeleton.index(a), skeleton.index(b)) for a, b in necks))
