"""A network of pose queries: everyone in one pass, each query one person or nobody, nothing to suppress.

`multiview train queries` makes one, `multiview deploy` its card. Any network with rows x1, y1, x2, y2, score, class and
x, y, score of each joint will do.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Shaped

from multiview.detect._one_stage import OneStage, OneStageOptions, Probability
from multiview.errors import ConfigError
from multiview.keypoints.one_stage import Found, decode_yolo_pose
from multiview.models.card import load_card

__all__ = ["Detector", "Options"]


class Options(OneStageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which network."""

    model: str = ""  # path of a card that `multiview deploy` wrote
    same_person: Probability = 1.0  # similarity (OKS) from which two skeletons are one person: the network sees to it


class Detector(OneStage):
    """Set prediction by its card."""

    def __init__(self, options: Options) -> None:
        if not options.model:
            raise ConfigError('pose_queries ships no weights: give model = "my-card.toml" (docs/learning.md makes one)')
        name, card = load_card(options.model)
        if card.decoder != "queries":
            raise ConfigError(f'the card {name} has the decoder "{card.decoder}"; pose_queries reads queries')
        super().__init__(name, card, options, self._read)

    def _read(self, outputs: dict[str, Shaped[np.ndarray, ...]]) -> Found:
        rows = outputs[self.model.outputs[0]]
        columns = 6 + 3 * len(self.skeleton.joints)
        if rows.ndim != 2 or rows.shape[1] != columns:
            raise ConfigError(f"{self.model.path} gives {list(rows.shape)}; its card's skeleton makes [n, {columns}]")
        return decode_yolo_pose(rows, True, self._options.min_person_score)
