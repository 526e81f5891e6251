"""Regression: the coordinates of the joints and their deviations as numbers, no map to decode.

Each joint pools the features with weights of its own: the softmax of its map. Its place is the mean place under them
(Sun et al., Integral Human Pose Regression, 2018) and what a linear layer adds from the pooled features; its deviation
is the spread of the weights, times what another linear layer says. The paper of the loss averages the features of the
whole picture instead, before one linear layer: for that position has to be learnt anew, and that takes far longer.

Source: Li et al., Human Pose Regression with Residual Log-likelihood Estimation (RLE), ICCV 2021: the network gives a
mean and a deviation, and a normalizing flow, needed in training only, learns the shape of the residual's distribution.
The flow is RealNVP (Dinh, Sohl-Dickstein and Bengio, Density Estimation using Real NVP, 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview.nets.light import Light

__all__ = ["RealNVP", "Regression"]


class Regression(nn.Module):
    """An image batch to x, y and their deviations for each joint, all as fractions of the image's width.

    In training the deviations are the parameters of RLE's density. In evaluation they are root mean square errors:
    `spread` is the mean square of the residual in units of those parameters, which the training measures at its end.
    """

    spread: Tensor

    def __init__(
        self,
        joints: int = 17,
        widths: Sequence[int] = (32, 64, 96, 192),
        depths: Sequence[int] = (1, 2, 3),
    ) -> None:
        super().__init__()
        self.trunk = Light(joints, widths, depths)
        self.offset = nn.Parameter(torch.zeros(joints, 2, widths[1]))
        self.scale = nn.Parameter(torch.zeros(joints, 2, widths[1]))
        self.scale_bias = nn.Parameter(torch.zeros(joints, 2))
        self.register_buffer("spread", torch.ones(joints, 2))

    def forward(self, image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N K 4"]:
        fine, _ = self.trunk.features(image)
        n, channels, height, width = fine.shape
        weight = self.trunk.head(fine).float().flatten(2).softmax(-1)
        rows = torch.arange(height, device=fine.device, dtype=weight.dtype)
        columns = torch.arange(width, device=fine.device, dtype=weight.dtype)
        place = torch.stack([columns.repeat(height), rows.repeat_interleave(width)], -1)
        mean = weight @ place
        # A quarter of a pixel squared stands for the grid: no weights are narrower.
        variance = (weight @ place.square() - mean.square()).clamp_min(0.0) + 0.25
        pooled = weight @ fine.float().reshape(n, channels, -1).transpose(1, 2)
        mean = mean + (pooled[:, :, None] * self.offset).sum(-1)
        log_scale = (pooled[:, :, None] * self.scale).sum(-1) + self.scale_bias
        deviation = variance.sqrt() * log_scale.clamp(-4.0, 4.0).exp()
        if not self.training:
            deviation = deviation * self.spread.sqrt()
        return torch.cat([mean, deviation], -1) / width


class RealNVP(nn.Module):
    """The logarithm of a density over the plane: couplings that shift and scale one coordinate by what the other is."""

    def __init__(self, couplings: int = 6, hidden: int = 64) -> None:
        super().__init__()

        def network(last: nn.Module | None) -> nn.Sequential:
            layers = [nn.Linear(1, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden), nn.LeakyReLU()]
            final = nn.Linear(hidden, 1)
            # The flow starts as the identity, its density as the standard normal one.
            nn.init.zeros_(final.weight)
            nn.init.zeros_(final.bias)
            return nn.Sequential(*layers, final, *([last] if last else []))

        self.scales = nn.ModuleList(network(nn.Tanh()) for _ in range(couplings))
        self.shifts = nn.ModuleList(network(None) for _ in range(couplings))

    def log_density(self, x: Float[Tensor, "M 2"]) -> Float[Tensor, " M"]:
        """Back through the couplings to a standard normal, with the change of volume."""
        volume = x.new_zeros(len(x))
        for number, (scale, shift) in enumerate(zip(self.scales, self.shifts, strict=True)):
            kept, moved = (x[:, :1], x[:, 1:]) if number % 2 == 0 else (x[:, 1:], x[:, :1])
            s = scale(kept)
            moved = (moved - shift(kept)) * torch.exp(-s)
            volume = volume - s[:, 0]
            x = torch.cat([kept, moved] if number % 2 == 0 else [moved, kept], 1)
        return volume - 0.5 * x.square().sum(1) - math.log(2 * math.pi)
