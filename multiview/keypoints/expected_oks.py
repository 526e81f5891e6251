"""From densities to joints: the place that COCO's judge would on average like best, and how much it would.

A network trained with spatial cross entropy says how likely each place is. Object keypoint similarity forgives a joint
an error of deviation k sqrt(area); the density blurred by that Gaussian is, at each place, the similarity to expect
there. Its peak is the best answer and its height an honest score, also where the network holds two places possible.
Positions are in heatmap pixels.

Sources: COCO keypoint evaluation (OKS); Berger, Statistical Decision Theory and Bayesian Analysis, 1985, section 4.4
(answers of least expected loss); the subpixel step is that of Zhang et al. (DARK), 2020.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from multiview.keypoints.heatmaps import Joints, newton_step, peaks, spatial_softmax

__all__ = ["expected_oks", "oks_deviation"]

PERSON_COVERS = 0.13
"""Share of a crop that a person covers: the median of rendered people; twice or half of it changes little."""
FINEST = 0.75
"""px: of a narrower Gaussian the grid holds no fair sample."""
FARTHEST = 1.5
"""px: a peak farther from the largest pixel is none; the pixel stands."""
LARGEST = 25.0
"""px^2: variance of a place that the network has no idea of."""


def oks_deviation(oks_sigmas: Float64[np.ndarray, " K"], height: int, width: int) -> Float64[np.ndarray, " K"]:
    """The error (heatmap px) that OKS forgives each joint of a person who fills a crop of `width` x `height`."""
    return np.maximum(2 * oks_sigmas * np.sqrt(PERSON_COVERS * height * width), FINEST)


def expected_oks(
    logits: Float[np.ndarray, "N K h w"], oks_sigmas: Float64[np.ndarray, " K"], target_sigma: float
) -> Joints:
    """Joints of N people: positions, expected OKS, and the covariance of what the network holds possible about them.

    `target_sigma` heatmap px is the blob that the network was taught to draw; a joint that it is sure of scores 1.
    """
    density = spatial_softmax(logits)
    people, joints, height, width = density.shape
    forgiven = oks_deviation(np.asarray(oks_sigmas, np.float64), height, width)
    expected = (_blur(height, forgiven) @ density @ _blur(width, forgiven)).reshape(-1, height, width)
    peak, value = peaks(expected)
    step, inverse, good = newton_step(expected, peak)
    good &= np.abs(step).max(axis=1) <= FARTHEST
    step = np.where(good[:, None], step, 0.0)
    inverse = np.where(good[:, None, None], inverse, -LARGEST * np.eye(2))
    xy = peak + step
    value = value * np.exp(-0.5 * np.einsum("mi,mij,mj->m", step, np.linalg.inv(inverse), step))
    surest = forgiven**2 / (forgiven**2 + target_sigma**2)
    # About its peak the blurred map is a Gaussian: the belief, the blob and the blur add up.
    values, axes = np.linalg.eigh(-inverse)
    values -= np.tile(forgiven**2 + target_sigma**2, people)[:, None]
    cov = (axes * np.clip(values, 0.0, LARGEST)[:, None, :]) @ axes.swapaxes(-1, -2)
    score = np.clip(value.reshape(people, joints) / surest, 0.0, 1.0)
    return Joints(xy.reshape(people, joints, 2), score, cov.reshape(people, joints, 2, 2))


def _blur(size: int, sigma: Float64[np.ndarray, " K"]) -> Float64[np.ndarray, "K n n"]:
    """Matrices that blur along one side by Gaussians of height 1."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    return np.exp(-(distance**2) / (2 * sigma[:, None, None] ** 2))
