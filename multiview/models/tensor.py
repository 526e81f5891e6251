"""Pictures as a network wants them: size, colour order, normalisation and layout as its card says."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Float32, UInt8

from multiview.keypoints.crop import warp
from multiview.models.card import ModelCard

__all__ = ["network_input"]


def network_input(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]], affines: Sequence[Float[np.ndarray, "2 3"]], card: ModelCard
) -> Float32[np.ndarray, "N _ _ _"]:
    """Each BGR picture through its `input_from_source`, as one batch."""
    width, height = card.input_size
    shape = (height, width, 3) if card.layout == "nhwc" else (3, height, width)
    batch = np.empty((len(images), *shape), np.float32)
    factor = (1 / np.array(card.std)).astype(np.float32)
    shift = (-np.array(card.mean) / np.array(card.std)).astype(np.float32)
    for i, (image, affine) in enumerate(zip(images, affines, strict=True)):
        crop = warp(image, affine, card.input_size, card.border)
        if card.colour == "rgb":
            crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB))
        values = crop * factor + shift
        batch[i] = values if card.layout == "nhwc" else values.transpose(2, 0, 1)
    return batch
