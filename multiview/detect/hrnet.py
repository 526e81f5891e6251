"""HRNet and SimpleBaseline: top-down, heatmaps, from the published PyTorch checkpoints.

Sources: Sun et al., HRNet, 2019; Xiao et al., Simple Baselines, 2018.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from multiview.detect._heatmaps import HeatmapDetector, HeatmapOptions
from multiview.errors import ConfigError
from multiview.models.card import load_card, model_file
from multiview.models.graphics_card import has_gpu, say_once
from multiview.nets.checkpoint import load_weights
from multiview.nets.folding import fold_batch_norms
from multiview.nets.hrnet import HRNet
from multiview.nets.simple_baseline import SimpleBaseline

__all__ = ["Detector", "Options"]

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "hrnet-w32": lambda joints: HRNet(32, joints),
    "hrnet-w48": lambda joints: HRNet(48, joints),
    "simple-baseline-50": lambda joints: SimpleBaseline(50, joints),
    "simple-baseline-101": lambda joints: SimpleBaseline(101, joints),
    "simple-baseline-152": lambda joints: SimpleBaseline(152, joints),
}


class Options(HeatmapOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which network, and how people are found."""

    model: str = "hrnet-w32"  # a card, or one's own card's path


class Detector(HeatmapDetector):
    """A network of `nets/` by its card; bfloat16 on a GPU, float32 on a CPU."""

    def __init__(self, options: Options) -> None:
        name, card = load_card(options.model)
        if card.network not in NETWORKS:
            raise ConfigError(f'the card {name} has the network "{card.network}"; there are {", ".join(NETWORKS)}')
        has_cuda = torch.cuda.is_available()
        if options.device == "cuda" and not has_cuda:
            raise ConfigError("device = cuda, but torch finds no CUDA device here: use device = cpu")
        self._device = torch.device("cuda" if has_cuda and options.device != "cpu" else "cpu")
        if self._device.type == "cuda":
            say_once("networks run on CUDA")
        elif options.device != "cpu" and has_gpu():
            say_once("networks run on the CPU: torch finds no CUDA device")
        torch.set_num_threads(options.threads)
        from multiview.body.skeleton import load_skeleton

        net = NETWORKS[card.network](len(load_skeleton(card.skeleton).joints))
        load_weights(net, model_file(name, card.files[0]))
        self._type = torch.bfloat16 if self._device.type == "cuda" else torch.float32
        self._net = fold_batch_norms(net).to(self._device, self._type).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        super().__init__(card, options, self._heatmaps)

    def _heatmaps(self, tensor: Float32[np.ndarray, "N _ _ _"]) -> Float32[np.ndarray, "N _ _ _"]:
        with torch.inference_mode():
            image = torch.from_numpy(tensor).to(self._device, self._type, memory_format=torch.channels_last)
            return np.asarray(self._net(image).float().cpu().numpy(), np.float32)
