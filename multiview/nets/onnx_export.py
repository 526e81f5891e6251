"""A torch network as an ONNX file, for onnxruntime."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from torch import nn

__all__ = ["export_onnx"]


def export_onnx(
    net: nn.Module, path: Path, input_size: tuple[int, int], input_name: str = "input", output_name: str = "heatmaps"
) -> None:
    """Write `net`, in evaluation mode, for N x 3 x height x width; `input_size` is (width, height), N is free."""
    width, height = input_size
    training = net.training
    net.eval()
    device = next(net.parameters()).device
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter needs nothing but torch; the newer one wants two more packages for the same file.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, height, width, device=device),),
            str(path),
            input_names=[input_name],
            output_names=[output_name],
            dynamic_axes={input_name: {0: "n"}, output_name: {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
    net.train(training)
