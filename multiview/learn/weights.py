"""A trained network's weights together with the recipe that made them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import torch
from torch import nn

from multiview.common.atomic_file import replacing
from multiview.common.ledger import reading
from multiview.errors import SourceError
from multiview.learn.recipe import Recipe, untrained_network

__all__ = ["load_weights", "save_weights"]


def save_weights(network: nn.Module, recipe: Recipe, step: int, path: Path) -> None:
    """Write the weights of `network` after `step` steps, whole or not at all."""
    text = msgspec.json.encode(recipe).decode()
    with replacing(path) as temporary:
        torch.save({"recipe": text, "step": step, "network": network.state_dict()}, temporary)


def load_weights(path: Path) -> tuple[Recipe, nn.Module]:
    """The recipe and the trained network of `best.pt` or `last.pt`; SourceError where the file is neither."""
    try:
        state = torch.load(reading(path), map_location="cpu", weights_only=True)
        recipe = msgspec.json.decode(state["recipe"], type=Recipe)
        network = untrained_network(recipe)
        network.load_state_dict(state["network"])
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except Exception as error:  # the unpickler raises whatever a broken file makes of it
        raise SourceError(f"{path}: not the weights of a training ({type(error).__name__}); give its best.pt") from None
    return recipe, network.eval()
