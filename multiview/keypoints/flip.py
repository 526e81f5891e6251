"""Merging a network's answer on an image with its answer on the mirrored image (flip test).

Source: HRNet's and UDP's test procedures; UDP, section 3, explains why the classic one shifts by a pixel.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

__all__ = ["flip_pairs", "merge_flipped"]


def flip_pairs(pairs: tuple[tuple[int, int], ...], joints: int) -> list[int]:
    """The order of joints in a mirrored image: left and right of each pair change places."""
    order = list(range(joints))
    for a, b in pairs:
        order[a], order[b] = b, a
    return order


def merge_flipped(
    heatmaps: Float[np.ndarray, "N K H W"],
    heatmaps_of_flipped: Float[np.ndarray, "N K H W"],
    pairs: tuple[tuple[int, int], ...],
    shift: bool = False,
) -> Float64[np.ndarray, "N K H W"]:
    """The mean of heatmaps and the mirrored image's heatmaps, mirrored back.

    `shift` moves the mirrored ones by one pixel, which networks trained in the classic crop convention need.
    """
    back = np.asarray(heatmaps_of_flipped, np.float64)[:, flip_pairs(pairs, heatmaps.shape[1]), :, ::-1]
    if shift:
        back = np.concatenate([back[..., :1], back[..., :-1]], axis=-1)
    return (np.asarray(heatmaps, np.float64) + back) / 2
