"""RTMO: everyone in one pass.

Source: Lu et al., RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation, 2024.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from multiview.detect._one_stage import OneStage, OneStageOptions
from multiview.keypoints.one_stage import Found, decode_pose_rows
from multiview.models.card import load_card

__all__ = ["Detector", "Options"]


class Options(OneStageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which RTMO."""

    model: str = "rtmo-s"  # a card, or one's own card's path


class Detector(OneStage):
    """RTMO by its card."""

    def __init__(self, options: Options) -> None:
        name, card = load_card(options.model)
        super().__init__(name, card, options, self._read)
        self.model.expect("dets", "keypoints")

    def _read(self, outputs: dict[str, Shaped[np.ndarray, ...]]) -> Found:
        return decode_pose_rows(outputs["dets"], outputs["keypoints"], self._options.min_person_score)
