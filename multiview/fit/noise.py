"""How noisy the 2D joints of this rig and detector are: learned from how far rays miss the points that they share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.fit.noise_kernels import TRUST_RIG, TRUST_SIZE, learn_variance

__all__ = ["SCORES", "SIZES", "PixelNoise"]

SCORES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # where the variance is learned; between them it is linear
SIZES = np.array([50.0, 100.0, 200.0, 400.0, 800.0])  # pixels per metre, likewise, by its logarithm
TYPICAL_SCORE, TYPICAL_SIZE = 0.75, 200.0  # whose noise `sigma_px` means
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
        self.score = self.score_prior.copy()
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
        shared, squared = self.products.tolist()
        persistence = (shared + TRUST_RIG * PERSISTENCE) / (squared + TRUST_RIG)
        self.persistence = min(max(persistence, 0.0), MOST_PERSISTENCE)
        self.size_sums *= learn_variance(
            sums, self.prior, self.joint_prior, self.score_prior, self.squares, self.freedom, self.score, self.variance
        )
        self.size_sums[:, 0] += sizes[:, 0] * self.size / self.size_prior
        self.size_sums[:, 1] += sizes[:, 1]
        self.size = self.size_prior * (self.size_sums[:, 0] + TRUST_SIZE) / (self.size_sums[:, 1] + TRUST_SIZE)
