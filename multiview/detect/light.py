"""The network that this project trained itself, on rendered people: small enough to ship and to run on any CPU.

A finder looks at the whole picture, the pose network at a crop of each person; both lie beside their cards, INT8.
It has seen rendered people only: for real ones take another detector, or train it on your own takes.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from multiview.body.skeleton import load_skeleton
from multiview.detect._heatmaps import HeatmapOptions
from multiview.detect._top_down import TopDown
from multiview.errors import ConfigError
from multiview.keypoints.crop import transform_covariance
from multiview.keypoints.expected_oks import expected_oks
from multiview.keypoints.flip import answer_both_ways
from multiview.keypoints.heatmaps import Joints
from multiview.models.card import load_card, model_file
from multiview.models.onnx import OnnxModel

__all__ = ["Detector", "Options"]

QUANTISATION_VARIANCE = 0.15**2  # heatmap px: how far INT8 and the grid move a joint that the network is sure of


class Options(HeatmapOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people are found, and which network reads them."""

    model: str = "light"  # a card that `multiview deploy` wrote


class Detector(TopDown):
    """Maps of logits: each a distribution over places; the score is the similarity to expect of the best one."""

    def __init__(self, options: Options) -> None:
        name, card = load_card(options.model)
        if card.decoder != "spatial_softmax" or card.target_sigma is None:
            raise ConfigError(f'the card {name} is not for this detector: it wants decoder = "spatial_softmax"')
        sigma, skeleton = card.target_sigma[0], load_skeleton(card.skeleton)
        network = OnnxModel(model_file(name, card.files[0]), options.device, options.threads)

        def logits(crops: Float32[np.ndarray, "N _ _ _"]) -> Float32[np.ndarray, "N _ _ _"]:
            return network(crops)[network.outputs[0]]

        def infer(crops: Float32[np.ndarray, "N _ _ _"]) -> Joints:
            maps = answer_both_ways(logits, crops, skeleton.symmetric_pairs) if options.flip else logits(crops)
            joints = expected_oks(maps, skeleton.oks_sigmas, sigma)
            scale = np.diag([card.input_size[0] / maps.shape[3], card.input_size[1] / maps.shape[2]])
            cov = joints.cov + QUANTISATION_VARIANCE * np.eye(2)
            affine = np.column_stack([scale, np.zeros(2)])
            return Joints(joints.xy @ scale, joints.score, transform_covariance(affine, cov))

        super().__init__(card, options, infer)
