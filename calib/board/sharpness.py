"""Which corners of a board are sharp in a picture: blur, glare and darkness spoil where a corner seems to be."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64, UInt8

__all__ = ["sharp_corners"]

_MIN_CONTRAST = 25  # grey levels between light and dark squares; less is haze, glare or darkness
_MAX_EDGE_WIDTH = 0.45  # an edge wider than this share of a square is blur


def sharp_corners(
    grey: UInt8[np.ndarray, "H W"], xy: Float64[np.ndarray, "n 2"], square: float
) -> Bool[np.ndarray, " n"]:
    """Corners with contrast around them and edges narrow beside the square.

    Args:
        grey: The picture.
        xy: (n, 2) px.
        square: Side of a square in the picture, px.

    Returns:
        (n,) mask.
    """
    reach = int(np.clip(round(0.35 * square), 3, 20))
    sharp = np.zeros(len(xy), dtype=bool)
    for i, (x, y) in enumerate(np.rint(xy).astype(int)):
        patch = grey[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].astype(np.float64)
        if min(patch.shape) < 4:
            continue
        dark, light = np.percentile(patch, [10, 90])
        steepest = max(np.abs(np.diff(patch, axis=0)).max(), np.abs(np.diff(patch, axis=1)).max())
        sharp[i] = light - dark > _MIN_CONTRAST and (light - dark) / max(steepest, 1.0) < max(
            _MAX_EDGE_WIDTH * square, 3.0
        )
    return sharp
