"""How noisy the 2D joints of this rig and detector are: learned from how far rays miss the points that they share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["SCORES", "SIZES", "PixelNoise"]

SCORES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # where the variance is learned; between them it is linear
SIZES = np.array([50.0, 100.0, 200.0, 400.0, 800.0])  # pixels per metre, likewise, by its logarithm
TYPICAL_SCORE, TYPICAL_SIZE = 0.75, 200.0  # whose noise `sigma_px` means
MEMORY = 20_000.0  # degrees of freedom after which old residuals count half and less
TRUST_RIG, TRUST_JOINT, TRUST_SCORE, TRUST_SIZE = 200.0, 300.0, 300.0, 300.0  # degrees of freedom of the start values


PERSISTENCE, MOST_PERSISTENCE = 0.5, 0.95  # correlation of a ray's error with the one in the last frame
FADE = 0.998


class PixelNoise:
    """`variance[joint, score node]` px^2 = of the rig x of the joint x of the score, each started from a prior.

    `size[node]` is a factor on top, of how large people are in the picture. Before anything is learned the standard
    deviation goes with the roots of the size and of 1 / score. `persistence` is the correlation of a ray's error from
    one frame to the next.
    """

    def __init__(self, sigma_px: float, joint_factor: Float64[np.ndarray, " J"]) -> None:
        self.prior = sigma_px**2
        self.joint_prior = joint_factor**2
        self.score_prior = TYPICAL_SCORE / SCORES
        self.squares = np.zeros((len(joint_factor), len(SCORES)))  # px^2
        self.freedom = np.zeros((len(joint_factor), len(SCORES)))
        self.score = self.score_prior
        self.persistence = PERSISTENCE
        self.products = np.zeros(2)
        self.variance = self.prior * self.joint_prior[:, None] * self.score
        self.size_prior = SIZES / TYPICAL_SIZE
        self.size_sums = np.zeros((len(SIZES), 2))
        self.size = self.size_prior

    def learn(
        self,
        sums: Float64[np.ndarray, "J B 2"],
        sizes: Float64[np.ndarray, "S 2"],
        products: Float64[np.ndarray, " 2"],
    ) -> None:
        """Take in one frame's chi-squares and their expectation (both under the present variance), and the products.

        `sums` has them by joint and score, `sizes` by size.
        """
        self.products = FADE * self.products + products
        both = self.products + TRUST_RIG * np.array([PERSISTENCE, 1.0])
        self.persistence = float(min(max(both[0] / both[1], 0.0), MOST_PERSISTENCE))
        self.squares += sums[..., 0] * self.variance
        self.freedom += sums[..., 1]
        total = self.freedom.sum()
        if total > MEMORY:
            self.squares *= MEMORY / total
            self.freedom *= MEMORY / total
            self.size_sums *= MEMORY / total
        shape = self.joint_prior[:, None] * self.score
        rig = (self.prior * TRUST_RIG + (self.squares / shape).sum()) / (TRUST_RIG + self.freedom.sum())
        joint = (self.squares / (rig * shape)).sum(axis=1) + TRUST_JOINT
        joint = self.joint_prior * joint / (self.freedom.sum(axis=1) + TRUST_JOINT)
        score = (self.squares / (rig * joint[:, None] * self.score_prior)).sum(axis=0) + TRUST_SCORE
        self.score = self.score_prior * score / (self.freedom.sum(axis=0) + TRUST_SCORE)
        self.variance = rig * joint[:, None] * self.score
        self.size_sums += sizes * np.stack([self.size / self.size_prior, np.ones(len(SIZES))], axis=-1)
        self.size = self.size_prior * (self.size_sums[:, 0] + TRUST_SIZE) / (self.size_sums[:, 1] + TRUST_SIZE)
