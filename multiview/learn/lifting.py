"""Trains the networks that lift 2D poses of one camera to 3D.

    python -m multiview.learn.lifting [temporal|recurrent|graph] [--out FILE]

They learn from random movements of synthetic people alone, as `lifting_data.py` beside this has them. Means
are those of the smallest distance; deviations those of the likeliest Laplace distribution, corrected by one factor
each on people who were held out. The same seed gives the same weights up to rounding.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from multiview.common.atomic_file import replacing
from multiview.common.package_data import package_file
from multiview.learn.lifting_data import HIPS, Batch, movements, sample_batch
from multiview.lifting.network import NETWORKS, LiftingNetwork
from multiview.lifting.windows import FEATURES, JOINTS
from multiview.nets.lifting import (
    GraphBlock,
    GraphConvolution,
    GraphLifter,
    MotionPrior,
    RecurrentLifter,
    ResidualBlock,
    TemporalLifter,
)

__all__ = ["KINDS", "exported", "loss_of", "main", "network_of", "train"]

KINDS: dict[str, type[torch.nn.Module]] = {
    "temporal": TemporalLifter,
    "recurrent": RecurrentLifter,
    "graph": GraphLifter,
}
_J = len(JOINTS)
_MOVEMENTS, _HELD_OUT, _TESTED = 12_000, 24, 8192  # one is held out for so many; windows of them
_STEPS, _BATCH, _RATE = 6_000, 256, 2e-3
_LEAST_LOG = -6.0
_WEIGHTS = {"distance": 0.3, "above": 0.3, "deviations": 0.1, "motion": 0.5, "prior": 0.01}
_PRIOR_RATE = 1e-4


def network_of(kind: str) -> torch.nn.Module:
    """A network with random weights.

    Args:
        kind: One of `KINDS`.

    Returns:
        The network.
    """
    return KINDS[kind](FEATURES)


def loss_of(out: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """What is minimised, and what is told.

    Args:
        out: (N, K) of a network.
        batch: The windows that it was given, and the truth.

    Returns:
        The loss; and the mean distance of the joints from where they are, in heights.
    """
    uv, xyz = (torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in (batch.windows.uv, batch.xyz))
    far = xyz[:, HIPS, 2].mean(dim=1)
    size, above = (torch.from_numpy(np.asarray(a, dtype=np.float32)) for a in (batch.windows.size, batch.above))
    depth, aside = out[:, :_J], out[:, _J : 3 * _J].reshape(-1, _J, 2)
    true_depth = xyz[..., 2] - far[:, None]
    at = uv * (far[:, None] + depth)[..., None] + aside
    beside = at - xyz[..., :2]
    missed = torch.sqrt(beside.square().sum(dim=-1) + (depth - true_depth).square() + 1e-8)
    distance = (out[:, 5 * _J] - torch.log(far * size)).abs()
    height = (out[:, 5 * _J + 2] - above).abs()
    deviations = (
        _likelihood((depth - true_depth).abs(), out[:, 3 * _J : 4 * _J])
        + _likelihood(beside.abs().mean(dim=-1), out[:, 4 * _J : 5 * _J])
        + _likelihood(distance, out[:, 5 * _J + 1])
        + _likelihood(height, out[:, 5 * _J + 3])
    )
    means = missed.mean() + _WEIGHTS["distance"] * distance.mean() + _WEIGHTS["above"] * height.mean()
    return means + _WEIGHTS["deviations"] * deviations, missed.mean().detach()


def _likelihood(error: torch.Tensor, log_scale: torch.Tensor) -> torch.Tensor:
    """The mean negative logarithm of Laplace's density; the errors are not to be made smaller for its sake."""
    log_scale = log_scale.clamp(min=_LEAST_LOG)
    return (error.detach() * torch.exp(-log_scale) + log_scale).mean()


def _scale_and_shift(norm: torch.nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    """What a normalisation has become after training: y = scale x + shift, by channel."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale.numpy(), (norm.bias.detach().double() - norm.running_mean.double() * scale).numpy()


def _layer(name: str, linear: torch.nn.Linear, norm: torch.nn.BatchNorm1d | None = None) -> dict[str, np.ndarray]:
    """A layer and the normalisation after it, as one layer: weight (inputs, outputs) and bias."""
    weight, bias = linear.weight.detach().double().numpy(), linear.bias.detach().double().numpy()
    if norm is not None:
        scale, shift = _scale_and_shift(norm)
        weight, bias = weight * scale[:, None], bias * scale + shift
    return {f"{name}.weight": weight.T, f"{name}.bias": bias}


def _block(name: str, block: torch.nn.Module) -> dict[str, np.ndarray]:
    if isinstance(block, GraphBlock):
        return _convolution(f"{name}.first", block.first) | _convolution(f"{name}.second", block.second)
    assert isinstance(block, ResidualBlock)
    over_time = _layer(f"{name}.time", block.over_time, block.time_norm)
    return over_time | _layer(f"{name}.channels", block.over_channels, block.channel_norm)


def _convolution(name: str, layer: GraphConvolution) -> dict[str, np.ndarray]:
    scale, shift = _scale_and_shift(layer.norm)
    parts = {"own": layer.own, "others": layer.others, "all": layer.all}
    arrays = {f"{name}.{part}": linear.weight.detach().double().numpy().T * scale for part, linear in parts.items()}
    arrays[f"{name}.bias"] = layer.own.bias.detach().double().numpy() * scale + shift
    return arrays | {f"{name}.edges": layer.weights().detach().numpy()}


def exported(net: torch.nn.Module) -> dict[str, np.ndarray]:
    """The weights as `LiftingNetwork` reads them, in half precision and uncalibrated.

    Args:
        net: Trained.

    Returns:
        Arrays by name.
    """
    if isinstance(net, TemporalLifter):
        arrays = _layer("expand", net.expand, net.norm) | _layer("head", net.head)
        blocks = list(net.blocks)
    elif isinstance(net, RecurrentLifter):
        own = dict(net.encoder.named_parameters())
        arrays = _layer("both", net.both, net.norm) | _layer("head", net.head)
        for name, part in (("encoder", "ih"), ("state", "hh")):
            arrays[f"{name}.weight"] = own[f"weight_{part}_l0"].detach().numpy().T
            arrays[f"{name}.bias"] = own[f"bias_{part}_l0"].detach().numpy()
        blocks = [net.block]
    else:
        assert isinstance(net, GraphLifter)
        arrays = _layer("joints", net.joints) | _layer("head", net.head) | _layer("body", net.body)
        arrays["joints.bias"] = arrays["joints.bias"] + net.whole.bias.detach().numpy()
        arrays |= {"whole.weight": net.whole.weight.detach().numpy().T, "names": net.names.detach().numpy()}
        blocks = list(net.blocks)
    for n, block in enumerate(blocks):
        arrays |= _block(f"block{n}", block)
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    return halves | {"calibration": np.ones(4, dtype=np.float32)}


class _Adversary:
    """The motion prior, trained beside a recurrent network: it is to tell the network's movements from people's."""

    def __init__(self, net: RecurrentLifter) -> None:
        self.net, self.prior = net, MotionPrior()
        self.optimiser = torch.optim.AdamW(self.prior.parameters(), _PRIOR_RATE)

    def loss(self, batch: Batch) -> torch.Tensor:
        """What the network's movements miss, and what gives them away; the prior learns from the same batch."""
        true = torch.from_numpy(batch.motion).flatten(2)
        made = self.net.motion
        self.optimiser.zero_grad()
        judged = (self.prior(true) - 1.0).square().mean() + self.prior(made.detach()).square().mean()
        judged.backward()
        self.optimiser.step()
        missed = (made - true).reshape(*made.shape[:2], _J, 3).norm(dim=-1).mean()
        return _WEIGHTS["motion"] * missed + _WEIGHTS["prior"] * (self.prior(made) - 1.0).square().mean()


def _calibration(network: LiftingNetwork, batch: Batch) -> np.ndarray:
    """Factors on the deviations that make squared errors equal to variances on average, where all can be wrong."""
    shape, windows = network(batch.windows.inputs), batch.windows
    far = batch.xyz[:, HIPS, 2].mean(axis=1)
    at = windows.uv * (far[:, None] + shape.depth)[..., None] + shape.aside
    ratios = (
        (shape.depth - (batch.xyz[..., 2] - far[:, None])) / shape.depth_sd,
        (at - batch.xyz[..., :2]) / shape.aside_sd[..., None],
        (shape.distance - np.log(far * windows.size)) / shape.distance_sd,
        (shape.above - batch.above) / shape.above_sd,
    )
    return np.array([np.sqrt(np.mean(ratio**2)) for ratio in ratios], dtype=np.float32)


def train(kind: str, steps: int = _STEPS, count: int = _MOVEMENTS, say: bool = True) -> dict[str, np.ndarray]:
    """Train a network.

    Args:
        kind: One of `KINDS`.
        steps: Of the optimiser.
        count: Movements to learn from.
        say: Print how it goes.

    Returns:
        Its weights, as `LiftingNetwork` takes them.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    moved, held_out = movements(count, 1), movements(max(count // _HELD_OUT, 20), 2)
    test = sample_batch(held_out, min(_TESTED, 16 * count), np.random.default_rng(3))
    net = network_of(kind)
    adversary = _Adversary(net) if isinstance(net, RecurrentLifter) else None
    optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, steps, pct_start=0.1)
    began, errors = time.perf_counter(), []
    for step in range(1, steps + 1):
        batch = sample_batch(moved, _BATCH, rng)
        loss, error = loss_of(net(torch.from_numpy(batch.windows.inputs)), batch)
        if adversary is not None:
            loss = loss + adversary.loss(batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        errors.append(float(error))
        if say and (step % 500 == 0 or step == steps):
            net.eval()
            with torch.no_grad():
                tested = loss_of(net(torch.from_numpy(test.windows.inputs)), test)
            net.train()
            print(
                f"{step} steps, {time.perf_counter() - began:.0f} s: {np.mean(errors[-500:]):.4f} heights, "
                f"held out {float(tested[1]):.4f} (loss {float(tested[0]):.4f})",
                flush=True,
            )
    net.eval()
    arrays = exported(net)
    arrays["calibration"] = _calibration(LiftingNetwork(arrays), test)
    return arrays


def main(arguments: list[str]) -> None:
    """Train and write the weights: those that ship, unless another file is named."""
    parser = argparse.ArgumentParser(prog="python -m multiview.learn.lifting", description="train a lifting network")
    parser.add_argument("kind", nargs="?", default=NETWORKS[0], choices=list(KINDS))
    parser.add_argument("--out", type=Path, help="file of the weights (default: the one that ships)")
    parser.add_argument("--steps", type=int, default=_STEPS)
    args = parser.parse_args(arguments)
    out = args.out or package_file("lifting", f"{args.kind}.npz")
    arrays = train(args.kind, args.steps)
    with replacing(out) as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(sys.argv[1:])
