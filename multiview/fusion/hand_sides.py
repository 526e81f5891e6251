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

__all__ = ["HandSides"]

_CLEARLY = 0.5  # hands are exchanged where that makes the way to their wrists so much shorter


class HandSides(NamedTuple):
    """Where wrists and hands stand among the joints: left and right, and both hands in this order and the other."""

    wrists: Int64[np.ndarray, " 2"]
    roots: Int64[np.ndarray, " 2"]
    hands: Int64[np.ndarray, " 42"]
    exchanged: Int64[np.ndarray, " 42"]

    @staticmethod
    def of(skeleton: Skeleton) -> HandSides | None:
        """Those of a skeleton; None where it has not both hands and both wrists."""
        left, right = hand_indices(skeleton, "left"), hand_indices(skeleton, "right")
        if left is None or right is None or not {"left_wrist", "right_wrist"} <= set(skeleton.joints):
            return None
        return HandSides(
            np.array([skeleton.index("left_wrist"), skeleton.index("right_wrist")]),
            np.array([left[0], right[0]]),
            np.concatenate([left, right]),
            np.concatenate([right, left]),
        )

    def put_right(self, detections: RawDetections) -> None:
        """Exchange the hands of the detections in which each lies clearly nearer to the other's wrist; in place."""
        plane = detections.xy.view(np.complex128)[..., 0]  # a column for x and y: a fraction of the calls
        wrists, roots = plane[:, self.wrists], plane[:, self.roots]
        own, other = np.abs(roots - wrists).sum(axis=1), np.abs(roots - wrists[:, ::-1]).sum(axis=1)
        with np.errstate(invalid="ignore"):
            wrong = np.flatnonzero(other < _CLEARLY * own)  # never where one of the four is missing
        if not len(wrong):
            return
        for values in (detections.xy, detections.score, detections.cov):
            if len(values):
                values[wrong[:, None], self.hands] = values[wrong[:, None], self.exchanged]
