"""A small network for CPUs: residual 3x3 convolutions down to a sixteenth, and back up to heatmaps at a quarter.

Plain convolutions, because on a CPU they run near the arithmetic limit, in bfloat16 when training and in INT8 when
deployed, which depthwise ones do not; nearest-neighbour upsampling and additions, because those stay in INT8.
The coarsest stage sees the whole person. Which limb is the left one depends on two things at once, which way the
person looks and on which side of them the limb is: a product, which sums of convolutions are slow to learn. So what the
coarsest stage says of the whole picture multiplies the channels on the way back up.

Sources: the shape is U-Net's (Ronneberger et al., 2015) with additions for skips, as in LinkNet (Chaurasia, 2017); the
products are those of squeeze and excitation (Hu et al., 2018).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Light"]


def _convolution(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class _Residual(nn.Module):
    """Two 3x3 convolutions about a skip (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))
        # A block starts as the identity: deep stacks learn from the first step (Goyal et al., 2017).
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


class _Gate(nn.Module):
    """Multiplies channels by what the mean over the whole picture says of them."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(inputs, inputs // 2, 1)
        self.outer = nn.Conv2d(inputs // 2, channels, 1)
        nn.init.zeros_(self.outer.weight)
        assert self.outer.bias is not None
        nn.init.constant_(self.outer.bias, 2.0)

    def forward(self, x: Tensor, whole: Tensor) -> Tensor:
        return x * torch.sigmoid(self.outer(F.relu(self.inner(whole))))


class Light(nn.Module):
    """An image batch (RGB, ImageNet normalisation, sides multiples of 16) to logits at a quarter of its size.

    `widths` are the channels at 1/2, 1/4, 1/8 and 1/16; `depths` the residual blocks at 1/4, 1/8 and 1/16; `outputs`
    the maps, one per joint.
    """

    def __init__(
        self, outputs: int = 17, widths: Sequence[int] = (32, 64, 96, 192), depths: Sequence[int] = (1, 2, 3)
    ) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = widths
        self.stem = nn.Sequential(_convolution(3, half, 2), _convolution(half, quarter, 2))
        self.down4 = nn.Sequential(*(_Residual(quarter) for _ in range(depths[0])))
        self.down8 = nn.Sequential(_convolution(quarter, eighth, 2), *(_Residual(eighth) for _ in range(depths[1])))
        self.down16 = nn.Sequential(
            _convolution(eighth, sixteenth, 2), *(_Residual(sixteenth) for _ in range(depths[2]))
        )
        self.gate16 = _Gate(sixteenth, sixteenth)
        self.gate8 = _Gate(sixteenth, eighth)
        self.lift8 = _convolution(sixteenth, eighth, kernel=1)
        self.up8 = _Residual(eighth)
        self.lift4 = _convolution(eighth, quarter, kernel=1)
        self.up4 = _Residual(quarter)
        self.head = nn.Conv2d(quarter, outputs, 1)

    def pyramid(
        self, image: Float[Tensor, "N 3 H W"]
    ) -> tuple[Float[Tensor, "N C h w"], Float[Tensor, "N E i j"], Float[Tensor, "N D 1 1"]]:
        """Features on the way back up at a quarter and at an eighth of the image's size, and of the whole."""
        quarter = self.down4(self.stem(image))
        eighth = self.down8(quarter)
        sixteenth = self.down16(eighth)
        whole = F.adaptive_avg_pool2d(sixteenth, 1)
        up = self.lift8(self.gate16(sixteenth, whole))
        eighth = self.gate8(self.up8(eighth + F.interpolate(up, scale_factor=2.0, mode="nearest")), whole)
        fine: Tensor = self.up4(quarter + F.interpolate(self.lift4(eighth), scale_factor=2.0, mode="nearest"))
        return fine, eighth, whole

    def features(self, image: Float[Tensor, "N 3 H W"]) -> tuple[Float[Tensor, "N C h w"], Float[Tensor, "N D 1 1"]]:
        """What the head reads, at a quarter of the image's size, and what the coarsest stage says of the whole."""
        fine, _, whole = self.pyramid(image)
        return fine, whole

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K h w"]:
        logits: Tensor = self.head(self.features(image)[0])
        return logits
