"""The hot loop of reading BlazePose: the blob of each heatmap about its landmark."""

from __future__ import annotations

import math

from multiview.geometry.jit import Array, inner, kernel

__all__ = ["local_moments"]


@kernel
def local_moments(heatmaps: Array, at: Array, radius: int, mean: Array, spread: Array, top: Array) -> None:
    """For each of L maps of logits (h, w, L), of the values within `radius` pixels of `at` (L, 2; x, y).

    Fills `mean` (L, 2), `spread` (L), the mean of the two axes' variances, and `top` (L), the largest value.
    """
    height, width, count = heatmaps.shape
    for k in range(count):
        mass = sx = sy = sxx = syy = highest = 0.0
        x0, y0 = _cell(at[k, 0], radius, width), _cell(at[k, 1], radius, height)
        for y in range(max(y0 - radius, 0), min(y0 + radius + 1, height)):
            for x in range(max(x0 - radius, 0), min(x0 + radius + 1, width)):
                value = 1.0 / (1.0 + math.exp(-min(max(float(heatmaps[y, x, k]), -80.0), 80.0)))
                dx, dy = x - x0, y - y0
                mass += value
                sx += value * dx
                sy += value * dy
                sxx += value * dx * dx
                syy += value * dy * dy
                highest = max(highest, value)
        mass = max(mass, 1e-9)
        mean[k, 0], mean[k, 1] = x0 + sx / mass, y0 + sy / mass
        spread[k] = max(0.5 * ((sxx + syy) / mass - (sx / mass) ** 2 - (sy / mass) ** 2), 0.0)
        top[k] = highest


@inner
def _cell(place: float, radius: int, length: int) -> int:
    """The pixel of a place; of one too far outside to see anything, and of NaN, a pixel just too far outside."""
    if not -radius - 1 < place < length + radius:
        return -radius - 1
    return math.floor(place)
