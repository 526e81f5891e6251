"""A trained regression network: joints and their covariances as numbers, a crop for each person.

`multiview train rle` makes one, `multiview deploy` its card.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from multiview.body.skeleton import load_skeleton
from multiview.detect._top_down import TopDown, TopDownOptions
from multiview.errors import ConfigError
from multiview.keypoints.heatmaps import Joints
from multiview.keypoints.regression import joints_of_numbers
from multiview.models.card import load_card, model_file
from multiview.models.onnx import OnnxModel

__all__ = ["Detector", "Options"]


class Options(TopDownOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How people are found, and which network reads them."""

    model: str = ""  # path of a card that `multiview deploy` wrote


class Detector(TopDown):
    """Rows of numbers, one for each joint."""

    def __init__(self, options: Options) -> None:
        if not options.model:
            raise ConfigError('regression ships no weights: give model = "my-card.toml" (docs/learning.md makes one)')
        name, card = load_card(options.model)
        if card.decoder != "numbers":
            raise ConfigError(f'the card {name} has the decoder "{card.decoder}"; regression reads numbers')
        network = OnnxModel(model_file(name, card.files[0]), options.device, options.threads)
        sigmas = load_skeleton(card.skeleton).oks_sigmas

        def infer(crops: Float32[np.ndarray, "N _ _ _"]) -> Joints:
            answer = network(crops)[network.outputs[0]]
            if answer.ndim != 3 or answer.shape[1:] != (len(sigmas), 4):
                raise ConfigError(f"{network.path} gives {list(answer.shape)}; its card wants [n, {len(sigmas)}, 4]")
            return joints_of_numbers(answer, sigmas, card.input_size)

        super().__init__(card, options, infer)
