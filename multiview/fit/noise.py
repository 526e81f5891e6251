"""How noisy the 2D joints of this rig and detector are: learned from how far rays miss the points that they share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["PixelNoise"]

EDGES = np.array([0.3, 0.45, 0.6, 0.75, 0.9])  # of the score bins
MEMORY = 20_000.0  # degrees of freedom after which old residuals count half and less
TRUST_RIG, TRUST_JOINT, TRUST_SCORE = 200.0, 300.0, 300.0  # degrees of freedom that the start values are worth


class PixelNoise:
    """`variance[joint, score bin]` px^2 = of the rig x of the joint x of the score, each started from a prior."""

    def __init__(self, sigma_px: float, joint_factor: Float64[np.ndarray, " J"]) -> None:
        self.prior = sigma_px**2
        self.joint_prior = joint_factor**2
        joints, bins = len(joint_factor), len(EDGES) + 1
        self.squares = np.zeros((joints, bins))  # px^2
        self.freedom = np.zeros((joints, bins))
        self.variance = self.prior * np.repeat(self.joint_prior[:, None], bins, axis=1)
        self.score = np.ones(bins)

    def learn(self, sums: Float64[np.ndarray, "J B 2"]) -> None:
        """Take in one frame's chi-squares and their expectation (both under the present variance)."""
        self.squares += sums[..., 0] * self.variance
        self.freedom += sums[..., 1]
        total = self.freedom.sum()
        if total > MEMORY:
            self.squares *= MEMORY / total
            self.freedom *= MEMORY / total
        shape = self.joint_prior[:, None] * self.score
        rig = (self.prior * TRUST_RIG + (self.squares / shape).sum()) / (TRUST_RIG + self.freedom.sum())
        joint = (self.squares / (rig * shape)).sum(axis=1) + TRUST_JOINT
        joint = self.joint_prior * joint / (self.freedom.sum(axis=1) + TRUST_JOINT)
        score = (self.squares / (rig * joint[:, None])).sum(axis=0) + TRUST_SCORE
        self.score = score / (self.freedom.sum(axis=0) + TRUST_SCORE)
        self.variance = rig * joint[:, None] * self.score
