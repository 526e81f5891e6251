"""Reading a network's weights, never more than weights: a pickle that wants to run code is refused."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from multiview.errors import ConfigError, one_line

__all__ = ["load_weights"]


def load_weights(net: nn.Module, path: Path) -> None:
    """Load a state_dict into `net`, key for key; training checkpoints that hold one under "state_dict" are unwrapped.

    Raises ConfigError where the file is no checkpoint or belongs to another network, naming what differs.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises whatever a broken file makes of it
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ConfigError(f"{path} is no checkpoint of plain weights: {reason}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise ConfigError(f"{path} holds no state_dict (names and tensors)")
    weights = {name.removeprefix("module."): value for name, value in state.items()}
    expected = net.state_dict()
    missing, extra = expected.keys() - weights.keys(), weights.keys() - expected.keys()
    if missing or extra:
        sample = [*(f"no {name}" for name in sorted(missing)), *(f"unknown {name}" for name in sorted(extra))]
        raise ConfigError(
            f"{path} is for another network: {len(missing)} of {len(expected)} entries are missing and "
            f"{len(extra)} unknown ({one_line(', '.join(sample[:3]))[:200]})"
        )
    for name, value in weights.items():
        if value.shape != expected[name].shape:
            ours, theirs = tuple(expected[name].shape), tuple(value.shape)
            raise ConfigError(f"{path} is for another size: {name} is {theirs}, the network's {ours}")
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:  # of a kind of numbers that cannot be copied
        raise ConfigError(f"{path} is for another network: {one_line(error)[:200]}") from error
