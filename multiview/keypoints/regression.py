"""Joints that a network gives as numbers: places, and root mean square errors along x and y."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from multiview.keypoints.expected_oks import PERSON_COVERS
from multiview.keypoints.heatmaps import Joints

__all__ = ["joints_of_numbers"]


def joints_of_numbers(
    answer: Float[np.ndarray, "N K 4"], oks_sigmas: Float64[np.ndarray, " K"], size: tuple[int, int]
) -> Joints:
    """Joints of N people in a crop of `size` px: places, the OKS to expect, and covariances.

    `answer` is x, y and their deviations as fractions of the crop's width. Of a Gaussian error the expected OKS is a
    product over x and y of forgiven / sqrt(forgiven^2 + deviation^2).
    """
    pixels = np.asarray(answer, np.float64) * size[0]
    variance = np.square(pixels[..., 2:])
    forgiven = (2 * np.asarray(oks_sigmas, np.float64)) ** 2 * PERSON_COVERS * size[0] * size[1]
    score = np.sqrt(forgiven[:, None] / (forgiven[:, None] + variance)).prod(-1)
    return Joints(pixels[..., :2], score, variance[..., None] * np.eye(2))
