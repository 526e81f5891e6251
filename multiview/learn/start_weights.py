"""Features that a new network begins with: those of a light network that was trained before.

A deployed file has no batch norms any more, and its weights are rounded to INT8: norms are put back such that the
network says the same as the file, with the statistics of its own activations.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from multiview.common.ledger import reading
from multiview.common.package_data import package_file
from multiview.errors import ConfigError
from multiview.learn.weights import load_weights
from multiview.nets.light import Light

__all__ = ["start_network"]


def start_network(network: nn.Module, start: str, folder: Path, images: Tensor) -> None:
    """Give a network's features the weights that a recipe's `start` names.

    Norms are measured on `images`, normalised; a path is relative to `folder`.
    """
    trunk, path = _trunk(network), folder / start
    if trunk is None:
        raise ConfigError("start: this network is not built on the light one's features; leave it out")
    if start == "light":
        path = package_file("models", "light.onnx")
    if not path.is_file():
        raise ConfigError(f'start: {path} is no file; give "light" or a best.pt of `multiview train`')
    if path.suffix == ".onnx":
        _take_convolutions(trunk, _convolutions(path), path)
        _measure_norms(trunk, images)
        return
    source = _trunk(load_weights(path)[1])
    if source is None:
        raise ConfigError(f"start: {path} is not of a network with the light one's features")
    _copy(trunk, source.state_dict(), path)


def _trunk(network: nn.Module) -> Light | None:
    trunk = network if isinstance(network, Light) else getattr(network, "trunk", None)
    return trunk if isinstance(trunk, Light) else None


def _convolutions(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weights and biases of an ONNX file's convolutions, by the names of the torch modules that they were."""
    graph = onnx.load(reading(path)).graph
    values = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in values:
            quantised, scale = values[node.input[0]], values[node.input[1]]
            values[node.output[0]] = (
                quantised.astype(np.float32) * scale.reshape(-1, *[1] * (quantised.ndim - 1))
                if scale.ndim
                else quantised.astype(np.float32) * scale
            )
    return {
        _module(node.name): (values[node.input[1]], values[node.input[2]])
        for node in graph.node
        if node.op_type == "Conv" and node.input[1] in values and node.input[2] in values
    }


def _module(node: str) -> str:
    """The module of a traced node: "/stem/stem.0/stem.0.0/Conv" is stem.0.0."""
    parts: list[str] = []
    for part in node.split("/")[1:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts[-1] = part
        else:
            parts.append(part)
    return ".".join(parts)


def _norm_after(trunk: Light) -> dict[str, nn.BatchNorm2d]:
    """The batch norm behind each convolution that has one, by the convolution's name."""
    modules = dict(trunk.named_modules())
    found = {}
    for name, module in modules.items():
        head, _, last = name.rpartition(".")
        following = modules.get(f"{head}.{int(last) + 1}") if last.isdigit() else None
        if isinstance(module, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
            found[name] = following
    return found


@torch.no_grad()
def _take_convolutions(trunk: Light, given: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Copy weights; a bias goes to the norm behind, which does nothing else yet."""
    norms = _norm_after(trunk)
    state: dict[str, Tensor] = {}
    for name, (weight, bias) in given.items():
        state[f"{name}.weight"] = torch.from_numpy(weight.copy())
        target = f"{name}.bias"
        if name in norms:
            head, _, last = name.rpartition(".")
            target = f"{head}.{int(last) + 1}.bias"
        state[target] = torch.from_numpy(bias.astype(np.float32))
    for norm in norms.values():
        norm.running_mean.zero_()  # type: ignore[union-attr]
        norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]
        norm.weight.fill_(1.0)
    _copy(trunk, state, path)


def _copy(trunk: Light, state: dict[str, Tensor], path: Path) -> None:
    """Copy what both have; the head only where it has as many maps."""
    own = trunk.state_dict()
    shared = {name: value for name, value in state.items() if name in own and value.shape == own[name].shape}
    missing = {name for name in own if name.endswith("weight") and own[name].ndim > 1} - shared.keys()
    if any(not name.startswith("head.") for name in missing):
        raise ConfigError(f"start: {path} has other widths or depths than the recipe's network")
    trunk.load_state_dict(shared, strict=False)


@torch.no_grad()
def _measure_norms(trunk: Light, images: Tensor) -> None:
    """Let each norm take off and put back the mean and the variance of what reaches it: the answer stays the same."""
    moments: dict[nn.BatchNorm2d, tuple[Tensor, Tensor]] = {}

    def look(norm: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        moments[norm] = (inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3)))

    norms = _norm_after(trunk).values()
    hooks = [norm.register_forward_hook(look) for norm in norms]
    training = trunk.training
    trunk.eval().pyramid(images)
    trunk.train(training)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, variance = moments[norm]
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
