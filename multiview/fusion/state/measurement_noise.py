"""How noisy the 2D joints of this rig and detector are: learned from how far rays miss the points that they share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

__all__ = ["SCORES", "SIZES", "NoiseTables", "PixelNoise", "ResidualStatistics"]

SCORES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])  # where the variance is learned; between them it is linear
SIZES = np.array([50.0, 100.0, 200.0, 400.0, 800.0])  # pixels per metre, likewise, by its logarithm
TYPICAL_SCORE, TYPICAL_SIZE = 0.75, 200.0  # whose noise `sigma_px` means
ERROR_AUTOCORRELATION = 0.5  # correlation of a ray's error with the one in the last frame


class NoiseTables(NamedTuple):
    """J joints, B nodes of the score, S of the size.

    `variance[joint, node]` px^2 = rig x `joint` x `score`, each started from its prior; `size[node]` is a factor on
    top, of how large people are in the picture. `error_autocorrelation` is the coefficient of a ray's error as a
    first-order autoregression, AR(1), from frame to frame. `squares` px^2, `freedom`, `size_sums` and `products` are
    the sums that these come from.
    """

    scores: Float64[np.ndarray, " B"]
    sizes: Float64[np.ndarray, " S"]
    prior: Float64[np.ndarray, " 1"]
    joint_prior: Float64[np.ndarray, " J"]
    score_prior: Float64[np.ndarray, " B"]
    size_prior: Float64[np.ndarray, " S"]
    error_autocorrelation_prior: Float64[np.ndarray, " 1"]
    variance: Float64[np.ndarray, "J B"]
    joint: Float64[np.ndarray, " J"]
    score: Float64[np.ndarray, " B"]
    size: Float64[np.ndarray, " S"]
    error_autocorrelation: Float64[np.ndarray, " 1"]
    squares: Float64[np.ndarray, "B J"]
    freedom: Float64[np.ndarray, "B J"]
    size_sums: Float64[np.ndarray, "S 2"]
    products: Float64[np.ndarray, " 2"]


class ResidualStatistics(NamedTuple):
    """What the rays of one frame say of the noise: chi-squares, and what they should be.

    The expectation of one ray's chi-square is 2 minus what the point took of it. `chi2` and `expected_chi2` are sums by
    score and joint, `by_size` has both by size; `products` are sums of whitened residuals times the last frame's, and
    of their mean squares. `residuals` is room for one camera's rays to one person.
    """

    chi2: Float64[np.ndarray, "B J"]
    expected_chi2: Float64[np.ndarray, "B J"]
    by_size: Float64[np.ndarray, "S 2"]
    products: Float64[np.ndarray, " 2"]
    residuals: Float64[np.ndarray, "J 4"]

    @staticmethod
    def empty(joints: int) -> ResidualStatistics:
        """Nothing seen yet."""
        chi2, expected = np.zeros((2, len(SCORES), joints))
        return ResidualStatistics(chi2, expected, np.zeros((len(SIZES), 2)), np.zeros(2), np.zeros((joints, 4)))


class PixelNoise:
    """What is known of the noise; before anything is learned, its standard deviation goes with the roots of the size
    and of 1 / score.
    """

    def __init__(self, sigma_px: float, joint_factor: Float64[np.ndarray, " J"]) -> None:
        shape = (len(SCORES), len(joint_factor))
        prior, joint, score = sigma_px**2, joint_factor**2, TYPICAL_SCORE / SCORES
        self.tables = NoiseTables(
            scores=SCORES.copy(),
            sizes=SIZES.copy(),
            prior=np.array([prior]),
            joint_prior=joint,
            score_prior=score,
            size_prior=SIZES / TYPICAL_SIZE,
            error_autocorrelation_prior=np.array([ERROR_AUTOCORRELATION]),
            variance=prior * joint[:, None] * score,
            joint=joint.copy(),
            score=score.copy(),
            size=SIZES / TYPICAL_SIZE,
            error_autocorrelation=np.array([ERROR_AUTOCORRELATION]),
            squares=np.zeros(shape),
            freedom=np.zeros(shape),
            size_sums=np.zeros((len(SIZES), 2)),
            products=np.zeros(2),
        )

    @property
    def variance(self) -> Float64[np.ndarray, "J B"]:
        """px^2, by joint and score."""
        return self.tables.variance

    @property
    def size(self) -> Float64[np.ndarray, " S"]:
        """Factor on the variance, by size."""
        return self.tables.size

    @property
    def error_autocorrelation(self) -> float:
        """Correlation of a ray's error from one frame to the next."""
        return float(self.tables.error_autocorrelation[0])
