"""Heatmaps of a batch of crops to joints in the crop's pixels, by the decoder and convention of the card."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32

from multiview.errors import ConfigError
from multiview.keypoints import heatmaps
from multiview.keypoints.crop import input_from_heatmap, transform_covariance, transform_points
from multiview.keypoints.flip import merge_flipped
from multiview.keypoints.heatmaps import Joints
from multiview.models.card import ModelCard

__all__ = ["Network", "joints_of_crops"]

Network = Callable[[Float32[np.ndarray, "N _ _ _"]], Float32[np.ndarray, "N _ _ _"]]


def joints_of_crops(
    crops: Float32[np.ndarray, "N _ _ _"],
    network: Network,
    card: ModelCard,
    symmetric_pairs: tuple[tuple[int, int], ...],
    flip: bool,
) -> Joints:
    """Joints that a network of heatmaps finds; with `flip` in the mirrored crops too, the two merged."""
    maps = network(crops)
    if flip:
        mirrored = network(np.ascontiguousarray(crops[..., ::-1]))
        maps = merge_flipped(maps, mirrored, symmetric_pairs, card.crop == "person")
    return joints_of_heatmaps(maps, card)


def joints_of_heatmaps(maps: Float[np.ndarray, "N K H W"], card: ModelCard) -> Joints:
    """Joints in the pixels of the network's input; ConfigError for a decoder that is none of heatmaps."""
    if card.decoder not in heatmaps.DECODERS:
        known = ", ".join(heatmaps.DECODERS)
        raise ConfigError(f'the card has the decoder "{card.decoder}"; heatmaps are read by {known}')
    sigma = card.target_sigma[0] if card.target_sigma else None
    joints = heatmaps.DECODERS[card.decoder](maps, target_sigma=sigma)
    size = (maps.shape[3], maps.shape[2])
    affine = input_from_heatmap(size, card.input_size, card.crop == "person_udp")
    score = np.clip(joints.score / card.score_scale, 0.0, 1.0)
    return Joints(transform_points(affine, joints.xy), score, transform_covariance(affine, joints.cov))
