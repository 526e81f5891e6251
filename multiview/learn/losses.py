"""What a pose network is taught by. Every loss gives one number per joint; `reduce` weighs and averages them.

A network's output is one map of logits per joint. Shapes: N pictures, K joints, maps of h x w. Positions are in heatmap
pixels. A joint of weight 0 (absent, unlabelled) adds nothing and has no gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "LOSSES",
    "Loss",
    "Target",
    "focal_loss",
    "gaussian_maps",
    "heatmap_mse",
    "oks_loss",
    "reduce",
    "simcc_kl",
    "soft_argmax",
    "soft_argmax_l1",
    "spatial_cross_entropy",
]

PerJoint = Float[Tensor, "N K"]
Maps = Float[Tensor, "N K h w"]


class Loss(NamedTuple):
    """What to minimise, the part of it that the curve shows, and more figures for the curve, such as each stage's."""

    total: Float[Tensor, ""]
    shown: Float[Tensor, ""]
    parts: dict[str, Float[Tensor, ""]]


class Target(NamedTuple):
    """Where the joints are: `xy` heatmap px, `weight` >= 0, and `oks_scale` the deviation (heatmap px) that OKS
    forgives each joint: 2 sigma_k sqrt(area)."""

    xy: Float[Tensor, "N K 2"]
    weight: PerJoint
    oks_scale: PerJoint


def gaussian_maps(xy: Float[Tensor, "N K 2"], height: int, width: int, sigma: float) -> Maps:
    """A Gaussian blob of height 1 per joint, exact about positions between pixels."""
    x = torch.arange(width, device=xy.device, dtype=xy.dtype)
    y = torch.arange(height, device=xy.device, dtype=xy.dtype)
    gx = torch.exp(-((x - xy[..., :1]) ** 2) / (2 * sigma**2))
    gy = torch.exp(-((y - xy[..., 1:]) ** 2) / (2 * sigma**2))
    return gy[..., :, None] * gx[..., None, :]


def _density(maps: Maps) -> Maps:
    return maps / maps.sum((-2, -1), keepdim=True).clamp_min(1e-12)


def heatmap_mse(maps: Maps, target: Target, sigma: float) -> PerJoint:
    """Mean square of what the map differs from a blob of height 1 (Xiao et al., 2018); the maps are no logits then."""
    goal = gaussian_maps(target.xy, maps.shape[-2], maps.shape[-1], sigma)
    return (maps - goal).square().mean((-2, -1))


def spatial_cross_entropy(logits: Maps, target: Target, sigma: float) -> PerJoint:
    """Cross entropy between the map, as one distribution over all pixels, and the blob (Iqbal et al., 2018).

    The target's own entropy is taken off, so that 0 is perfect.
    """
    goal = _density(gaussian_maps(target.xy, logits.shape[-2], logits.shape[-1], sigma)).flatten(2)
    log_probability = F.log_softmax(logits.flatten(2), dim=-1)
    entropy = -(goal * goal.clamp_min(1e-20).log()).sum(-1)
    return -(goal * log_probability).sum(-1) - entropy


def soft_argmax(logits: Maps) -> Float[Tensor, "N K 2"]:
    """The mean position under the map's softmax (Sun et al., Integral Human Pose Regression, 2018)."""
    height, width = logits.shape[-2:]
    p = logits.flatten(2).softmax(-1).reshape(logits.shape)
    x = (p.sum(-2) * torch.arange(width, device=p.device, dtype=p.dtype)).sum(-1)
    y = (p.sum(-1) * torch.arange(height, device=p.device, dtype=p.dtype)).sum(-1)
    return torch.stack([x, y], -1)


def soft_argmax_l1(logits: Maps, target: Target, sigma: float) -> PerJoint:
    """Absolute error of the mean position, as a fraction of the map's longer side."""
    return (soft_argmax(logits) - target.xy).abs().sum(-1) / max(logits.shape[-2:])


def oks_loss(logits: Maps, target: Target, sigma: float) -> PerJoint:
    """1 - OKS of the mean position (Maji et al., YOLO-Pose, 2022): errors count by what COCO forgives that joint."""
    squared = (soft_argmax(logits) - target.xy).square().sum(-1)
    return 1 - torch.exp(-squared / (2 * target.oks_scale.clamp_min(1e-3).square()))


def simcc_kl(logits: Maps, target: Target, sigma: float) -> PerJoint:
    """Kullback-Leibler divergence of the two coordinate distributions, the map's marginals (Li et al., SimCC, 2022)."""
    total = torch.zeros_like(target.weight)
    for axis, reduced in ((0, -2), (1, -1)):
        log_probability = F.log_softmax(torch.logsumexp(logits, dim=reduced), dim=-1)
        bins = torch.arange(log_probability.shape[-1], device=logits.device, dtype=logits.dtype)
        goal = torch.exp(-((bins - target.xy[..., axis, None]) ** 2) / (2 * sigma**2))
        goal = goal / goal.sum(-1, keepdim=True).clamp_min(1e-12)
        total = total + (goal * (goal.clamp_min(1e-20).log() - log_probability)).sum(-1)
    return total


LOSSES: dict[str, Callable[[Maps, Target, float], PerJoint]] = {
    "heatmap_mse": heatmap_mse,
    "spatial_cross_entropy": spatial_cross_entropy,
    "soft_argmax_l1": soft_argmax_l1,
    "oks": oks_loss,
    "simcc_kl": simcc_kl,
}


def focal_loss(logits: Float[Tensor, "N h w"], goal: Float[Tensor, "N h w"]) -> Float[Tensor, ""]:
    """Focal loss with blobs as soft negatives (Law and Deng, CornerNet, 2018, equation 1), per person."""
    p = logits.sigmoid()
    middle = goal >= 0.999
    gain = torch.where(middle, (1 - p) ** 2 * F.logsigmoid(logits), (1 - goal) ** 4 * p**2 * F.logsigmoid(-logits))
    return -gain.sum() / middle.sum().clamp_min(1)


def reduce(per_joint: PerJoint, weight: PerJoint, ohkm_top_k: int = 0) -> Float[Tensor, ""]:
    """The weighted mean over joints; with `ohkm_top_k`, only each picture's that many worst ones count.

    Online hard keypoint mining as in Chen et al., Cascaded Pyramid Network, 2018.
    """
    weighted = per_joint * weight
    if ohkm_top_k and ohkm_top_k < weighted.shape[1]:
        weighted, chosen = weighted.topk(ohkm_top_k, dim=1)
        weight = weight.gather(1, chosen)
    return weighted.sum() / weight.sum().clamp_min(1.0)
