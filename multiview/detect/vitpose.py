"""ViTPose, or any network that gives heatmaps, as ONNX: top-down, the crop and the decoder as its card says.

Source: Xu et al., ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation, 2022.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from multiview.detect._heatmaps import HeatmapDetector, HeatmapOptions
from multiview.errors import ConfigError
from multiview.models.card import load_card, model_file
from multiview.models.onnx import OnnxModel

__all__ = ["Detector", "Options"]


class Options(HeatmapOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which network, and how people are found."""

    model: str = "vitpose-b"  # a card, or one's own card's path


class Detector(HeatmapDetector):
    """Heatmaps from an ONNX file."""

    def __init__(self, options: Options) -> None:
        name, card = load_card(options.model)
        self._model = OnnxModel(model_file(name, card.files[0]), options.device, options.threads)
        super().__init__(card, options, self._heatmaps)

    def _heatmaps(self, tensor: Float32[np.ndarray, "N _ _ _"]) -> Float32[np.ndarray, "N _ _ _"]:
        maps = self._model(tensor)[self._model.outputs[0]]
        if maps.ndim != 4 or maps.shape[1] != len(self.skeleton.joints):
            raise ConfigError(
                f"{self._model.path} gives {list(maps.shape)}, its card promises heatmaps of "
                f"{len(self.skeleton.joints)} joints"
            )
        return np.asarray(maps, np.float32)
