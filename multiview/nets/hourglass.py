"""Stacked hourglasses: each goes down to a few pixels and back up, says where the joints are, and tells the next one.

Source: Newell, Yang and Deng, Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016, sections 3.1 to 3.3:
residual modules with a bottleneck of half the width, applied before the sum (He et al., Identity Mappings, 2016); pools
by maximum, nearest-neighbour upsampling; a loss on the maps of every hourglass (intermediate supervision).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["StackedHourglass"]


def _norm_relu_conv(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(inputs),
        nn.ReLU(),
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
    )


class _Residual(nn.Module):
    """1x1 down to half the width, 3x3, 1x1 up, about a skip (figure 4, left)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.inner = nn.Sequential(
            _norm_relu_conv(inputs, half, 1), _norm_relu_conv(half, half, 3), _norm_relu_conv(half, outputs, 1)
        )
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        skip: Tensor = self.skip(x)
        return skip + self.inner(x)


class _Hourglass(nn.Module):
    """`depth` times half the resolution, and back up with the branches of each scale added (figure 3)."""

    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        self.branch = _Residual(channels, channels)
        self.down = nn.Sequential(nn.MaxPool2d(2), _Residual(channels, channels))
        self.inner = _Hourglass(depth - 1, channels) if depth > 1 else _Residual(channels, channels)
        self.up = _Residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        low = self.up(self.inner(self.down(x)))
        branch: Tensor = self.branch(x)
        return branch + F.interpolate(low, scale_factor=2.0, mode="nearest")


class StackedHourglass(nn.Module):
    """An image batch to one map per joint at a quarter of its size; in training the maps of every hourglass, in order.

    `channels` is the width (256 in the paper), `depth` how often each of the `stacks` hourglasses halves the maps (4):
    sides of the image are multiples of 4 * 2**depth.
    """

    def __init__(self, joints: int = 17, channels: int = 256, stacks: int = 2, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels // 4, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(channels // 4),
            nn.ReLU(inplace=True),
            _Residual(channels // 4, channels // 2),
            nn.MaxPool2d(2),
            _Residual(channels // 2, channels // 2),
            _Residual(channels // 2, channels),
        )
        self.hourglasses = nn.ModuleList(
            nn.Sequential(
                _Hourglass(depth, channels),
                _Residual(channels, channels),
                _norm_relu_conv(channels, channels, 1),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            )
            for _ in range(stacks)
        )
        self.heads = nn.ModuleList(nn.Conv2d(channels, joints, 1) for _ in range(stacks))
        self.features_back = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(stacks - 1))
        self.maps_back = nn.ModuleList(nn.Conv2d(joints, channels, 1) for _ in range(stacks - 1))

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K h w"] | list[Float[Tensor, "N K h w"]]:
        x = self.stem(image)
        stages: list[Tensor] = []
        for number, (hourglass, head) in enumerate(zip(self.hourglasses, self.heads, strict=True)):
            features = hourglass(x)
            stages.append(head(features))
            if number < len(self.maps_back):
                x = x + self.features_back[number](features) + self.maps_back[number](stages[-1])
        return stages if self.training else stages[-1]
