"""YOLO-pose (v8, 11, 26) from one's own ONNX file: its makers' weights are AGPL-3.0, so no card ships with multiview.

Write a card with `plugin = "yolo_pose"`, `crop = "letterbox_centred"`, `border = 114`, RGB / 255.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from multiview.detect._one_stage import OneStage, OneStageOptions
from multiview.errors import ConfigError
from multiview.keypoints.one_stage import Found, decode_yolo_pose
from multiview.models.card import load_card

__all__ = ["Detector", "Options"]


class Options(OneStageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which YOLO-pose."""

    model: str = ""  # path of one's own card


class Detector(OneStage):
    """YOLO-pose by its card."""

    def __init__(self, options: Options) -> None:
        if not options.model:
            raise ConfigError('yolo_pose ships no weights: give model = "my-card.toml" (docs/detectors.md shows one)')
        name, card = load_card(options.model)
        super().__init__(name, card, options, self._read)

    def _read(self, outputs: dict[str, Shaped[np.ndarray, ...]]) -> Found:
        raw = outputs[self.model.outputs[0]]
        per_person, per_candidate = 6 + 3 * len(self.skeleton.joints), 5 + 3 * len(self.skeleton.joints)
        if raw.ndim != 2 or (raw.shape[1] != per_person and raw.shape[0] != per_candidate):
            raise ConfigError(
                f"{self.model.path} gives {list(raw.shape)}; {len(self.skeleton.joints)} joints make "
                f"[{per_candidate}, n] (v8, 11) or [n, {per_person}] (26)"
            )
        return decode_yolo_pose(raw, raw.shape[1] == per_person, self._options.min_person_score)
