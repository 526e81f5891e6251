"""HRNet: high resolution is kept from the first layer to the last, beside ever more branches of lower resolution.

Source: Sun et al., Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019, section 3 and
figure 1. Modules are named as in the published checkpoints, so that those load key for key.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from multiview.nets.blocks import BasicBlock, Bottleneck, conv3x3, residual_layer

__all__ = ["HRNet", "hrnet_w32", "hrnet_w48"]


class HRNet(nn.Module):
    """An image batch to one heatmap per joint at a quarter of the resolution.

    `width` is the channels of the highest resolution (32 or 48); each lower one has twice as many. `modules` counts the
    exchange units of stages 2 to 4, each of four residual blocks per branch.
    """

    def __init__(self, width: int = 32, joints: int = 17, modules: tuple[int, int, int] = (1, 4, 3)) -> None:
        super().__init__()
        self.conv1 = conv3x3(3, 64, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = conv3x3(64, 64, stride=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_layer(Bottleneck, 64, 64, 4)
        widths = [width * 2**i for i in range(4)]
        self.transition1 = _transition([256], widths[:2])
        self.stage2 = _stage(widths[:2], modules[0])
        self.transition2 = _transition(widths[:2], widths[:3])
        self.stage3 = _stage(widths[:3], modules[1])
        self.transition3 = _transition(widths[:3], widths[:4])
        self.stage4 = _stage(widths[:4], modules[2], only_highest=True)
        self.final_layer = nn.Conv2d(width, joints, 1)

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K h w"]:
        x = self.relu(self.bn1(self.conv1(image)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        xs = self.stage2([layer(x) for layer in self.transition1])
        xs = self.stage3(_cross(self.transition2, xs))
        xs = self.stage4(_cross(self.transition3, xs))
        return self.final_layer(xs[0])


def hrnet_w32(joints: int = 17) -> HRNet:
    """HRNet-W32: 28.5 M parameters for COCO's 17 joints."""
    return HRNet(32, joints)


def hrnet_w48(joints: int = 17) -> HRNet:
    """HRNet-W48: 63.6 M parameters for COCO's 17 joints."""
    return HRNet(48, joints)


class ExchangeUnit(nn.Module):
    """Four residual blocks on every branch, then each branch receives the sum of all, resampled to its resolution."""

    def __init__(self, widths: list[int], only_highest: bool = False) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_layer(BasicBlock, w, w, 4) for w in widths)
        outputs = 1 if only_highest else len(widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resample(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        xs = [branch(x) for branch, x in zip(self.branches, xs, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            parts = [layer(x) for layer, x in zip(layers, xs, strict=True)]  # type: ignore[call-overload]
            fused.append(self.relu(sum(parts[1:], start=parts[0])))
        return fused


def _resample(widths: list[int], source: int, target: int) -> nn.Module:
    """One branch at another's width and resolution: a 1x1 and nearest upsampling, or strided 3x3s downward."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], 1, bias=False),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    steps = [_strided(widths[source], widths[source]) for _ in range(target - source - 1)]
    last = nn.Sequential(conv3x3(widths[source], widths[target], stride=2), nn.BatchNorm2d(widths[target]))
    return nn.Sequential(*steps, last)


def _strided(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        conv3x3(channels_in, channels_out, stride=2), nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)
    )


def _stage(widths: list[int], modules: int, only_highest: bool = False) -> nn.Sequential:
    return nn.Sequential(*(ExchangeUnit(widths, only_highest and i == modules - 1) for i in range(modules)))


def _transition(before: list[int], after: list[int]) -> nn.ModuleList:
    """The new branch comes from the lowest resolution so far; a branch whose width changes gets a 3x3."""
    layers: list[nn.Module] = []
    for i, width in enumerate(after):
        if i >= len(before):
            layers.append(nn.Sequential(_strided(before[-1], width)))
        elif width != before[i]:
            layers.append(nn.Sequential(conv3x3(before[i], width), nn.BatchNorm2d(width), nn.ReLU(inplace=True)))
        else:
            layers.append(nn.Identity())
    return nn.ModuleList(layers)


def _cross(transition: nn.ModuleList, xs: list[Tensor]) -> list[Tensor]:
    return [layer(xs[min(i, len(xs) - 1)]) for i, layer in enumerate(transition)]
