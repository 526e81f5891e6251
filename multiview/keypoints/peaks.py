"""Candidate joints in the heatmaps of a whole picture: every local maximum, to a fraction of a pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.ndimage import maximum_filter

__all__ = ["Candidates", "find_candidates"]


class Candidates(NamedTuple):
    """N candidates of all joints: place (heatmap px), score, which joint, and the pixel they stand on (x, y)."""

    xy: Float64[np.ndarray, "N 2"]
    score: Float64[np.ndarray, " N"]
    joint: Int64[np.ndarray, " N"]
    pixel: Int64[np.ndarray, "N 2"]


def find_candidates(
    heatmaps: Float[np.ndarray, "J H W"], threshold: float = 0.1, window: int = 3, most: int = 30
) -> Candidates:
    """Pixels above `threshold` that are the largest of their `window`, refined by a parabola through their neighbours.

    At most the best `most` of each joint are kept.
    """
    maps = np.asarray(heatmaps, np.float64)
    height, width = maps.shape[1:]
    # Of equal neighbours the first is the peak, not each of them.
    ranked = maps - 1e-12 * np.arange(height * width).reshape(height, width)
    top = maximum_filter(ranked, size=(1, window, window), mode="constant", cval=-np.inf)
    j, y, x = np.nonzero((ranked == top) & (maps > threshold))
    score = maps[j, y, x]
    order = np.lexsort((-score, j))
    j, y, x, score = j[order], y[order], x[order], score[order]
    rank = np.arange(len(j)) - np.searchsorted(j, j)
    few = rank < most
    j, y, x, score = j[few], y[few], x[few], score[few]
    left, right = maps[j, y, np.maximum(x - 1, 0)], maps[j, y, np.minimum(x + 1, width - 1)]
    up, down = maps[j, np.maximum(y - 1, 0), x], maps[j, np.minimum(y + 1, height - 1), x]
    shift = np.stack([_parabola(left, score, right), _parabola(up, score, down)], axis=1)
    inner = ((x > 0) & (x < width - 1) & (y > 0) & (y < height - 1))[:, None]
    pixel = np.stack([x, y], axis=1).astype(np.int64)
    return Candidates(pixel + np.where(inner, shift, 0.0), score, j.astype(np.int64), pixel)


def _parabola(a: Float64[np.ndarray, " N"], b: Float64[np.ndarray, " N"], c: Float64[np.ndarray, " N"]) -> np.ndarray:
    """Where a parabola through values at -1, 0 and 1 has its top."""
    curvature = a - 2 * b + c
    return np.where(
        curvature < -1e-12, np.clip(0.5 * (a - c) / np.where(curvature < -1e-12, curvature, 1.0), -0.5, 0.5), 0
    )
