"""SimCC: a joint as two distributions over finely split columns and rows, decoded with a covariance.

Source: Li et al., SimCC: a Simple Coordinate Classification Perspective for Human Pose Estimation, 2022, as RTMPose
uses it (Jiang et al., 2023): N x K x (width * split) and N x K x (height * split), the largest bin divided by `split`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from multiview.keypoints.heatmaps import Joints

__all__ = ["simcc"]


def simcc(
    x: Float[np.ndarray, "*batch X"],
    y: Float[np.ndarray, "*batch Y"],
    split: float = 2.0,
    target_sigma: float | tuple[float, float] | None = None,
    refine: bool = False,
) -> Joints:
    """Positions (px of the input crop), scores (the smaller of the two maxima) and covariances px^2.

    `target_sigma` is the blob that the network was taught to draw, in bins (RTMPose at 192 x 256: 4.9 and 5.66): what
    a distribution is wider than it is the network's own doubt. `refine` takes the blob's mean instead of its largest
    bin. A network without a peak (maximum not above 0) gives NaN and score 0.
    """
    sigmas = target_sigma if isinstance(target_sigma, tuple) else (target_sigma, target_sigma)
    (at_x, top_x, var_x), (at_y, top_y, var_y) = _axis(x, sigmas[0], refine), _axis(y, sigmas[1], refine)
    value = np.minimum(top_x, top_y)
    found = value > 0
    xy = np.where(found[..., None], np.stack([at_x, at_y], axis=-1) / split, np.nan)
    cov = np.stack([var_x, var_y], axis=-1)[..., None] / split**2 * np.eye(2)
    return Joints(xy, np.where(found, np.clip(value, 0.0, 1.0), 0.0), cov)


def _axis(
    values: Float[np.ndarray, "*batch B"], target_sigma: float | None, refine: bool
) -> tuple[Float64[np.ndarray, "*batch"], Float64[np.ndarray, "*batch"], Float64[np.ndarray, "*batch"]]:
    """Position, maximum and variance (bins) along one axis, by adaptive moments about the maximum."""
    rows = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
    width = rows.shape[1]
    peak = rows.argmax(axis=1)
    top = rows[np.arange(len(rows)), peak]
    background = np.median(rows, axis=1)
    noise = 1.4826 * np.median(np.abs(rows - background[:, None]), axis=1) / np.maximum(top - background, 1e-10)
    radius = int(np.ceil(6 * (target_sigma or 5.0)))
    bins = peak[:, None] + np.arange(-radius, radius + 1)
    inside = (bins >= 0) & (bins < width)
    blob = np.where(inside, np.take_along_axis(rows, np.clip(bins, 0, width - 1), 1) - background[:, None], 0.0)
    centre, variance = peak.astype(np.float64), np.full(len(rows), (target_sigma or 5.0) ** 2)
    for _ in range(8):
        d = bins - centre[:, None]
        mirrored = (bins - 2 * d > -0.5) & (bins - 2 * d < width - 0.5)
        weight = blob * np.exp(-0.5 * d**2 / variance[:, None])
        both = np.where(mirrored, weight, 2 * weight)  # beside the border a bin stands for its mirror image too
        mass = np.maximum(both.sum(axis=1), 1e-12)
        step = (weight * mirrored * d).sum(axis=1) / mass
        centre += np.clip(2 * step, -2.0, 2.0)
        seen = np.maximum((both * d**2).sum(axis=1) / mass - step**2, 0.05)
        variance = 1 / np.clip(1 / seen - 1 / variance, (2.0 / radius) ** 2, 4.0)
    sigma = np.sqrt(variance)
    at = centre if refine else peak.astype(np.float64)
    # A matched fit of a Gaussian in white noise (Cramer-Rao); the largest bin is measured to be off by three times it.
    cov = noise**2 * 2 / np.sqrt(np.pi) * sigma if refine else 1 / 12 + (at - centre) ** 2
    if target_sigma is not None:
        cov = cov + np.maximum(variance - target_sigma**2, 0.0)
    batch = values.shape[:-1]
    return at.reshape(batch), top.reshape(batch), cov.reshape(batch)
