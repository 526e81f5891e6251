"""Fingers that bend only as fingers do, in the poses that are given out.

The joints' own filters know nothing of it, so that what a hand's network guesses in one view cannot draw a filter
into a wrong pose and hold it there: whatever follows from them (who is who, bones, noise) is the same with and without.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from multiview.body.hands import hand_indices
from multiview.body.skeleton import Skeleton
from multiview.fusion.finger_kernels import constrain

__all__ = ["FingerLimits"]


class FingerLimits:
    """The hands of a skeleton, and the fit of their fingers.

    Args:
        skeleton: Of the poses.
    """

    def __init__(self, skeleton: Skeleton) -> None:
        hands = [(hand_indices(skeleton, side), side == "left") for side in ("left", "right")]
        rows = [np.append(joints, left) for joints, left in hands if joints is not None]
        self.hands: Int64[np.ndarray, "K 22"] = np.array(rows, dtype=np.int64).reshape(-1, 22)

    def constrain(
        self,
        person: Int64[np.ndarray, " N"],
        length: Float64[np.ndarray, "P E"],
        length_variance: Float64[np.ndarray, "P E"],
        xyz: Float64[np.ndarray, "N J 3"],
        cov: Float64[np.ndarray, "N J 3 3"],
    ) -> None:
        """Put the joints of fingers where they are most likely, of all places that a finger can bring them to.

        Args:
            person: (N,) whose pose each is: a row of the next two.
            length: (P, E) m, of the bones, the first J from each joint to its parent; 0 where unknown.
            length_variance: (P, E) m^2.
            xyz: (N, J, 3) m; changed in place.
            cov: (N, J, 3, 3) m^2; changed in place.
        """
        if len(self.hands) and len(xyz):
            constrain(self.hands, person, length, length_variance, xyz, cov)
