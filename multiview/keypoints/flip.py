"""Merging a network's answer on an image with its answer on the mirrored image (flip test).

Source: HRNet's and UDP's test procedures; UDP, section 3, explains why the classic one shifts by a pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, Float64

__all__ = ["answer_both_ways", "flip_pairs", "merge_flipped"]


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


def answer_both_ways(
    network: Callable[[Float32[np.ndarray, "N 3 H W"]], Float[np.ndarray, "N K h w"]],
    crops: Float32[np.ndarray, "N 3 H W"],
    pairs: tuple[tuple[int, int], ...],
) -> Float64[np.ndarray, "N K h w"]:
    """The mean of a network's maps of crops and of the mirrored crops, for our own convention.

    Pixel x of a map is pixel `stride` x of the crop. The mirrored crop is moved so that its maps, mirrored back, lie on
    the same grid: the last `stride` - 1 columns of the crop are lost in it.
    """
    maps = network(crops)
    width = crops.shape[3]
    kept = width - width // maps.shape[3] + 1
    mirrored = np.zeros_like(crops)
    mirrored[..., :kept] = crops[..., :kept][..., ::-1]
    return merge_flipped(maps, network(mirrored), pairs)
