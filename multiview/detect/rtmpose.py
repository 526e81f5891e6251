"""RTMPose: top-down, SimCC; body, halpe26 or whole body by its card, with RTMDet or YOLOX finding the people.

Source: Jiang et al., RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose, 2023.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from multiview.detect._top_down import TopDown, TopDownOptions
from multiview.errors import ConfigError
from multiview.keypoints.heatmaps import Joints
from multiview.keypoints.simcc import simcc
from multiview.models.card import load_card, model_file
from multiview.models.onnx import OnnxModel

__all__ = ["Detector", "Options"]


class Options(TopDownOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which RTMPose, and how people are found."""

    model: str = "rtmpose-m-body"  # a card, or one's own card's path
    refine: bool = False  # between the bins, by the blob's mean, rather than the largest bin


class Detector(TopDown):
    """RTMPose by its card."""

    def __init__(self, options: Options) -> None:
        name, card = load_card(options.model)
        if card.decoder != "simcc":
            raise ConfigError(f'the card {name} has the decoder "{card.decoder}"; rtmpose reads simcc')
        self._options_own = options
        self._model = OnnxModel(model_file(name, card.files[0]), options.device, options.threads)
        self._model.expect("simcc_x", "simcc_y")
        super().__init__(card, options, self._joints)

    def _joints(self, tensor: Float32[np.ndarray, "N _ _ _"]) -> Joints:
        outputs = self._model(tensor)
        x, y = outputs["simcc_x"], outputs["simcc_y"]
        width, height = self.card.input_size
        if x.shape[2] != width * self.card.split_ratio or y.shape[2] != height * self.card.split_ratio:
            raise ConfigError(
                f"{self._model.path} gives {x.shape[2]} x {y.shape[2]} bins, its card's input and split ratio "
                f"make {width * self.card.split_ratio:g} x {height * self.card.split_ratio:g}"
            )
        joints = simcc(x, y, self.card.split_ratio, self.card.target_sigma, self._options_own.refine)
        return Joints(joints.xy, np.clip(joints.score / self.card.score_scale, 0.0, 1.0), joints.cov)
