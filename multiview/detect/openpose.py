"""OpenPose and lightweight OpenPose: heatmaps and part affinity fields of the whole picture, from an ONNX file.

The outputs may be two (heatmaps, fields) or one with both after each other; the card names the limbs and where their
fields stand. Sources: Cao et al., OpenPose, 2019; Osokin, Real-time 2D Multi-Person Pose Estimation on CPU, 2018.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from jaxtyping import Float, Float32, Shaped

from multiview.common.ranges import between
from multiview.detect._one_stage import OneStage, OneStageOptions
from multiview.errors import ConfigError
from multiview.keypoints.one_stage import Found
from multiview.keypoints.people_maps import people_from_fields
from multiview.models.card import load_card

__all__ = ["Detector", "Options"]


class Options(OneStageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which network."""

    model: str = "lightweight-openpose"  # a card, or one's own card's path
    enlarge: Annotated[int, between(1, 32, "times")] = 4  # maps are enlarged by this before joints are looked for
    min_peak: Annotated[float, between(0, 1)] = 0.1  # of a heatmap
    min_joints: Annotated[int, between(1, 1024, "joints")] = 3  # of a person


class Detector(OneStage):
    """Part affinity fields by their card."""

    def __init__(self, options: Options) -> None:
        name, card = load_card(options.model)
        if card.decoder != "paf" or not card.limbs:
            raise ConfigError(f'the card {name} has the decoder "{card.decoder}"; openpose needs paf, and limbs')
        super().__init__(name, card, options, self._read)
        self._own = options
        index = self.skeleton.index
        self._limbs = tuple((index(a), index(b)) for a, b, _ in card.limbs)
        self._channels = [channel for *_, channel in card.limbs]

    def _read(self, outputs: dict[str, Shaped[np.ndarray, ...]]) -> Found:
        joints = len(self.skeleton.joints)
        maps = self._maps(list(outputs.values()), joints)
        stride = self.card.input_size[0] / maps.shape[2]
        if max(self._channels) + 2 > len(maps):
            raise ConfigError(
                f"{self.model.path} gives {len(maps)} channels, its card's limbs reach to {max(self._channels) + 2}"
            )
        return people_from_fields(
            maps[:joints],
            np.stack([maps[c : c + 2] for c in self._channels]),
            self._limbs,
            stride,
            self._options.min_person_score,
            self._own.min_peak,
            self._own.min_joints,
            self._own.enlarge,
        )

    def _maps(self, outputs: list[Float[np.ndarray, "_ _ _"]], joints: int) -> Float32[np.ndarray, "channels h w"]:
        """Heatmaps and fields as one stack; of several outputs (a network's stages) the last of each kind."""
        if len(outputs) == 1:
            return np.asarray(outputs[0], np.float32)
        heat = [m for m in outputs if m.shape[0] == joints + 1]
        fields = [m for m in outputs if m.shape[0] == 2 * len(self.card.limbs)]
        if not heat or not fields:
            shapes = ", ".join(str(list(m.shape)) for m in outputs)
            raise ConfigError(
                f"{self.model.path} gives {shapes}; its card wants {joints + 1} heatmaps "
                f"and {2 * len(self.card.limbs)} fields"
            )
        return np.concatenate([heat[-1], fields[-1]]).astype(np.float32)
