"""What a network of whole pictures is taught of one picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from multiview.learn.losses import gaussian_maps
from multiview.learn.sample import ABSENT, VISIBLE
from multiview.synthetic.rendered_image import RenderedImage

__all__ = ["PeopleLabels", "heat_loss", "labels_of", "map_places"]

MIN_VISIBLE = 5
"""Someone of whom fewer joints can be seen is not asked for, as in the rendered sets to evaluate on."""
STRIDE = 4
HEAT_SIGMA = 1.0
"""Map px: the blob that heatmaps are taught to draw."""


class PeopleLabels(NamedTuple):
    """P people: joints (px), which are in the picture, their boxes' areas (px^2), and their rows in the picture."""

    xy: Float[Tensor, "P K 2"]
    known: Bool[Tensor, "P K"]
    area: Float[Tensor, " P"]
    rows: Int64[np.ndarray, " P"]


def labels_of(picture: RenderedImage, device: torch.device) -> PeopleLabels:
    """The people of a picture who are asked for; hidden joints count like the others."""
    rows = np.flatnonzero((picture.visibility == VISIBLE).sum(1) >= MIN_VISIBLE)
    known = picture.visibility[rows] > ABSENT
    xy = np.where(known[..., None], picture.xy[rows], 0.0)
    area = 0.5 * picture.box[rows, 2:].prod(1)
    return PeopleLabels(
        torch.as_tensor(xy, dtype=torch.float32, device=device),
        torch.as_tensor(known, device=device),
        torch.as_tensor(area, dtype=torch.float32, device=device),
        rows,
    )


def map_places(labels: PeopleLabels) -> Float[Tensor, "P K 2"]:
    """Joints in map pixels: edges of the picture and of the maps coincide."""
    return (labels.xy + 0.5) / STRIDE - 0.5


def heat_loss(logits: Float[Tensor, "N K h w"], labels: list[PeopleLabels]) -> Float[Tensor, ""]:
    """Binary cross entropy with blobs about everyone's joints, per joint; 0 is perfect.

    The papers' squared error is nearly flat as long as maps are empty: blobs cover a hundredth of them.
    """
    height, width = logits.shape[-2:]
    goals = []
    for picture in labels:
        blobs = gaussian_maps(map_places(picture), height, width, HEAT_SIGMA) * picture.known[..., None, None]
        goals.append(blobs.amax(0) if len(blobs) else logits.new_zeros(logits.shape[1:]))
    goal = torch.stack(goals)
    entropy = F.binary_cross_entropy(goal, goal, reduction="sum")
    count = sum(int(picture.known.sum()) for picture in labels)
    return (F.binary_cross_entropy_with_logits(logits, goal, reduction="sum") - entropy) / max(1, count)
