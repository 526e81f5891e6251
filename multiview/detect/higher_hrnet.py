"""HigherHRNet, or any network of heatmaps with associative embedding: everyone in one pass, from an ONNX file.

One output has heatmaps and tags, one after the other (2 J channels); others may have heatmaps of a higher resolution,
which are averaged with the first. Candidate joints that bear like tags are one person. Sources: Cheng et al.,
HigherHRNet: Scale-Aware Representation Learning for Bottom-Up Human Pose Estimation, 2020; Newell et al., 2017.
"""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from jaxtyping import Float, Float32, Shaped

from multiview.common.ranges import above, between
from multiview.detect._one_stage import OneStage, OneStageOptions
from multiview.errors import ConfigError
from multiview.keypoints.one_stage import Found
from multiview.keypoints.people_maps import people_from_tags
from multiview.models.card import load_card

__all__ = ["Detector", "Options"]


class Options(OneStageOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which network, and how its candidates become people."""

    model: str = "higher-hrnet-w32"  # a card, or one's own card's path
    min_peak: Annotated[float, between(0, 1)] = 0.1  # of a heatmap
    new_person: Annotated[float, above(0, 1000)] = 1.0  # distance in tags from which a candidate is someone else
    min_joints: Annotated[int, between(1, 1024, "joints")] = 3  # of a person


class Detector(OneStage):
    """Associative embedding by its card."""

    def __init__(self, options: Options) -> None:
        name, card = load_card(options.model)
        if card.decoder != "tags":
            raise ConfigError(f'the card {name} has the decoder "{card.decoder}"; higher_hrnet reads tags')
        super().__init__(name, card, options, self._read)
        self._own = options

    def _read(self, outputs: dict[str, Shaped[np.ndarray, ...]]) -> Found:
        joints = len(self.skeleton.joints)
        heat, tags = self._maps(list(outputs.values()), joints)
        return people_from_tags(
            heat,
            tags,
            self.card.input_size[0] / heat.shape[2],
            self._options.min_person_score,
            self._own.min_peak,
            self._own.min_joints,
            self._own.new_person,
        )

    def _maps(
        self, outputs: list[Float[np.ndarray, "_ _ _"]], joints: int
    ) -> tuple[Float32[np.ndarray, "J h w"], Float32[np.ndarray, "J h w"]]:
        """The mean heatmaps and the tags, both at the highest resolution that there is."""
        tagged = [m for m in outputs if m.ndim == 3 and m.shape[0] == 2 * joints]
        plain = [m for m in outputs if m.ndim == 3 and m.shape[0] == joints]
        if len(tagged) != 1 or len(plain) + 1 != len(outputs):
            shapes = ", ".join(str(list(m.shape)) for m in outputs)
            raise ConfigError(
                f"{self.model.path} gives {shapes}; its card's skeleton wants one output of {2 * joints} channels "
                f"(heatmaps, tags) and others of {joints}"
            )
        size = max(((m.shape[2], m.shape[1]) for m in outputs), key=lambda s: s[0])
        heat = np.mean([_enlarged(m, size) for m in (tagged[0][:joints], *plain)], axis=0)
        return heat.astype(np.float32), _enlarged(tagged[0][joints:], size)


def _enlarged(maps: Float[np.ndarray, "J _ _"], size: tuple[int, int]) -> Float32[np.ndarray, "J h w"]:
    """Maps at another resolution (width, height), bilinear."""
    if (maps.shape[2], maps.shape[1]) == size:
        return np.asarray(maps, np.float32)
    return np.stack([cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in maps.astype(np.float32)])
