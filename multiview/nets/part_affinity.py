"""Heatmaps and part affinity fields of everyone in a picture, refined stage by stage.

Source: Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017, section 2: every
stage sees the features and what the stage before said, and has a loss of its own; the convolutions of a stage are 3x3,
as in OpenPose (Cao et al., 2019). The features are those of the light network, for the paper's VGG is too slow here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.nets.light import Light

__all__ = ["PartAffinity"]


class PartAffinity(nn.Module):
    """An image batch to K heatmaps and, after them, two channels for each limb, at a quarter of the image's size.

    In training the maps of every stage, heatmaps as logits; in evaluation the last stage's, heatmaps in [0, 1].
    """

    def __init__(
        self,
        joints: int,
        limbs: int,
        widths: Sequence[int] = (32, 64, 96, 192),
        depths: Sequence[int] = (1, 2, 3),
        stages: int = 2,
    ) -> None:
        super().__init__()
        self.joints, channels, outputs = joints, widths[1], joints + 2 * limbs
        self.trunk = Light(joints, widths, depths)
        self.fields = nn.Conv2d(channels, 2 * limbs, 1)
        self.refinements = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels + outputs, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.Conv2d(channels, outputs, 1),
            )
            for _ in range(stages - 1)
        )

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N C h w"] | list[Float[Tensor, "N C h w"]]:
        features, _ = self.trunk.features(image)
        stages = [torch.cat([self.trunk.head(features), self.fields(features)], 1)]
        for refinement in self.refinements:
            stages.append(stages[-1] + refinement(torch.cat([features, stages[-1]], 1)))
        if self.training:
            return stages
        heat, fields = stages[-1][:, : self.joints], stages[-1][:, self.joints :]
        return torch.cat([heat.sigmoid(), fields], 1)
