"""Hands among the joints of a skeleton: 21 a side, named as in COCO-WholeBody."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from multiview.body.skeleton import Skeleton

__all__ = ["FINGERS", "HAND_JOINTS", "hand_indices", "is_hand"]

FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
"""From the thumb's side on."""
HAND_JOINTS = ("hand_root", *(f"{finger}{i}" for finger in FINGERS for i in (1, 2, 3, 4)))
"""The 21 joints of a hand, without its side: its root, then of each finger the joints from the palm to the tip."""


def is_hand(joint: str) -> bool:
    """Whether a joint is one of a hand's 21.

    Args:
        joint: Its name.

    Returns:
        True for the hand's root and the fingers' joints.
    """
    return joint.removeprefix("left_").removeprefix("right_") in HAND_JOINTS


def hand_indices(skeleton: Skeleton, side: str) -> Int64[np.ndarray, " K"] | None:
    """Where a hand stands in a skeleton.

    Args:
        skeleton: Any.
        side: "left" or "right".

    Returns:
        The indices of its 21 joints in the order of `HAND_JOINTS`; None where the skeleton has no such hand.
    """
    index = {joint: i for i, joint in enumerate(skeleton.joints)}
    names = [f"{side}_{joint}" for joint in HAND_JOINTS]
    return np.array([index[name] for name in names]) if all(name in index for name in names) else None
