"""Heatmaps of a batch of crops to joints in the crop's pixels, by the decoder and convention of the card."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32

from multiview.detect._top_down import TopDown, TopDownOptions
from multiview.errors import ConfigError
from multiview.keypoints import heatmaps
from multiview.keypoints.crop import input_from_heatmap, transform_covariance, transform_points
from multiview.keypoints.flip import merge_flipped
from multiview.keypoints.heatmaps import Joints
from multiview.models.card import ModelCard

__all__ = ["HeatmapDetector", "HeatmapOptions", "Network"]

Network = Callable[[Float32[np.ndarray, "N _ _ _"]], Float32[np.ndarray, "N _ _ _"]]


class HeatmapOptions(TopDownOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every top-down detector whose network gives heatmaps can be told."""

    flip: bool = False  # also look at the mirrored crop: a little better, twice the time


class HeatmapDetector(TopDown):
    """Top-down with a network of heatmaps."""

    def __init__(self, card: ModelCard, options: HeatmapOptions, network: Network) -> None:
        self._network, self._flip = network, options.flip
        super().__init__(card, options, self._joints)

    def _joints(self, crops: Float32[np.ndarray, "N _ _ _"]) -> Joints:
        maps = self._network(crops)
        if self._flip:
            mirrored = self._network(np.ascontiguousarray(crops[..., ::-1]))
            maps = merge_flipped(maps, mirrored, self.skeleton.symmetric_pairs, self.card.crop == "person")
        return joints_of_heatmaps(maps, self.card)


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
