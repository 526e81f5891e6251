"""Hands on the arms that they belong to: in one view, both hands of a person lie at the other's wrist, or at their own.

A hand's network may take the left hand for the right one while the arms are told apart well. Fingers are many and
close together, so that joint by joint nothing could tell; as a whole, a hand is where its wrist is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from multiview.body.hands import hand_indices
from multiview.body.skeleton import Skeleton
from multiview.cameras.observations import RawDetections
from multiview.fusion.hand_side_kernels import exchange_hands

__all__ = ["HandSides"]


class HandSides(NamedTuple):
    """Where wrists and hands stand among the joints, left and right."""

    wrists: Int64[np.ndarray, " 2"]
    hands: Int64[np.ndarray, "2 21"]

    @staticmethod
    def of(skeleton: Skeleton) -> HandSides | None:
        """Those of a skeleton; None where it has not both hands and both wrists."""
        left, right = hand_indices(skeleton, "left"), hand_indices(skeleton, "right")
        if left is None or right is None or not {"left_wrist", "right_wrist"} <= set(skeleton.joints):
            return None
        wrists = np.array([skeleton.index("left_wrist"), skeleton.index("right_wrist")])
        return HandSides(wrists, np.stack([left, right]))

    def put_right(self, detections: RawDetections) -> None:
        """Exchange the hands of the detections in which each lies clearly nearer to the other's wrist; in place."""
        exchange_hands(self.wrists, self.hands, detections.xy, detections.score, detections.cov)
