"""Heatmaps of everyone in a picture, and a tag at each pixel: joints of one person bear like tags.

Source: Newell, Huang and Deng, Associative Embedding, NeurIPS 2017, section 3.2: a network of heatmaps gives a second
map for each joint, its tags. The features are those of the light network instead of four stacked hourglasses.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.nets.light import Light

__all__ = ["AssociativeEmbedding"]


class AssociativeEmbedding(nn.Module):
    """An image batch to K heatmaps and K maps of tags at a quarter of its size; heatmaps are logits in training and in
    [0, 1] in evaluation."""

    def __init__(
        self, joints: int, widths: Sequence[int] = (32, 64, 96, 192), depths: Sequence[int] = (1, 2, 3)
    ) -> None:
        super().__init__()
        self.joints = joints
        self.trunk = Light(joints, widths, depths)
        self.tags = nn.Conv2d(widths[1], joints, 1)

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C h w"]:
        features, _ = self.trunk.features(image)
        heat: Tensor = self.trunk.head(features)
        return torch.cat([heat if self.training else heat.sigmoid(), self.tags(features)], 1)
