"""SimpleBaseline: a ResNet and three deconvolutions.

Source: Xiao, Wu and Wei, Simple Baselines for Human Pose Estimation and Tracking, ECCV 2018, section 2. Modules are
named as in the published checkpoints.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from multiview.nets.blocks import BasicBlock, Bottleneck, residual_layer

__all__ = ["SimpleBaseline"]

LAYERS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


class SimpleBaseline(nn.Module):
    """An image batch to one heatmap per joint at a quarter of the resolution; `depth` is the ResNet's."""

    def __init__(self, depth: int = 50, joints: int = 17) -> None:
        super().__init__()
        block, (n1, n2, n3, n4) = LAYERS[depth]
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        e = block.expansion
        self.layer1 = residual_layer(block, 64, 64, n1)
        self.layer2 = residual_layer(block, 64 * e, 128, n2, stride=2)
        self.layer3 = residual_layer(block, 128 * e, 256, n3, stride=2)
        self.layer4 = residual_layer(block, 256 * e, 512, n4, stride=2)
        self.deconv_layers = nn.Sequential(*_deconvolution(512 * e), *_deconvolution(256), *_deconvolution(256))
        self.final_layer = nn.Conv2d(256, joints, 1)

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K h w"]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.final_layer(self.deconv_layers(x))


def _deconvolution(channels: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return (
        nn.ConvTranspose2d(channels, 256, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(256),
        nn.ReLU(inplace=True),
    )
