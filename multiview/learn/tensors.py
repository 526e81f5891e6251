"""Between pictures and tensors: the normalisation that every network of ours is trained with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

__all__ = ["MEAN", "STD", "images_to_tensor", "normalise"]

# ImageNet's, RGB, of values 0 to 255.
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)


def normalise(images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> Float32[np.ndarray, "N 3 H W"]:
    """RGB pictures of one size as a normalised batch."""
    return np.ascontiguousarray(((np.stack(images).astype(np.float32) - MEAN) / STD).transpose(0, 3, 1, 2))


def images_to_tensor(images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> Float[Tensor, "N 3 H W"]:
    """The same as a tensor, channels last in memory."""
    return torch.from_numpy((np.stack(images).astype(np.float32) - MEAN) / STD).permute(0, 3, 1, 2)
