"""Learning to place the joints of one person in a crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from multiview.learn.augment import augment
from multiview.learn.check import Check, check_network
from multiview.learn.losses import LOSSES, Target, reduce
from multiview.learn.recipe import Recipe, build_network
from multiview.learn.sample import ABSENT, VISIBLE, Sample
from multiview.learn.source import open_source, validation_samples
from multiview.learn.tensors import images_to_tensor
from multiview.skeleton import Skeleton, load_skeleton
from multiview.synthetic.body import PARTS

__all__ = ["SYMMETRIC_PARTS", "PoseTask", "pose_target"]

SYMMETRIC_PARTS = tuple(
    (PARTS.index(name), PARTS.index("right" + name[4:])) for name in PARTS if name.startswith("left")
)


def pose_target(
    samples: list[Sample], recipe: Recipe, skeleton: Skeleton, stride: int, device: torch.device | str = "cpu"
) -> Target:
    """The joints of crops in heatmap px, hidden ones weighing less, absent ones nothing."""
    visibility = np.stack([sample.visibility for sample in samples])
    weight = np.where(visibility == VISIBLE, 1.0, np.where(visibility == ABSENT, 0.0, recipe.hidden_weight))
    xy = np.where(visibility[..., None] == ABSENT, 0.0, np.stack([sample.xy for sample in samples]) / stride)
    area = np.array([0.5 * np.prod(sample.box[2:] - sample.box[:2]) for sample in samples])
    scale = 2 * skeleton.oks_sigmas * np.sqrt(np.maximum(area, 1.0))[:, None] / stride
    return Target(*(torch.as_tensor(value, dtype=torch.float32, device=device) for value in (xy, weight, scale)))


class _WithParts(nn.Module):
    """The network and, while it learns, a head that names the body part of each heatmap pixel."""

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network = network
        self.parts = nn.Conv2d(channels, len(PARTS), 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.features(image)  # type: ignore[operator]
        return self.network.head(features), self.parts(features)  # type: ignore[operator]


class PoseTask:
    """Crops of single people, heatmap losses, and PCK and OKS on people never trained on."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.skeleton = load_skeleton(recipe.data.skeleton)
        self.source = open_source(recipe.seed, recipe.data, recipe.network.input, self.skeleton.joints, folder)
        self.validation = validation_samples(recipe.data, recipe.network.input, self.skeleton.joints, folder)
        network = build_network(recipe.network, len(self.skeleton.joints))
        self.learns_parts = recipe.parts > 0 and recipe.data.source == "rendered" and recipe.network.name == "light"
        self.model: nn.Module = _WithParts(network, recipe.network.widths[1]) if self.learns_parts else network
        self.network = network

    def batch(self, step: int) -> tuple[Tensor, list[Sample]]:
        rng = np.random.default_rng((self.recipe.seed, 4, step))
        size, options, pairs = self.recipe.network.input, self.recipe.augmentation, self.skeleton.symmetric_pairs
        people = self.source.batch(step, self.recipe.schedule.batch)
        crops = [augment(sample, rng, size, options, pairs, SYMMETRIC_PARTS) for sample in people]
        return images_to_tensor([crop.image for crop in crops]), crops

    def loss(self, output: Tensor | tuple[Tensor, Tensor], crops: list[Sample]) -> tuple[Tensor, Tensor]:
        """What to minimise, and the part of it that the curve shows: without the body parts."""
        recipe = self.recipe
        maps, parts = output if isinstance(output, tuple) else (output, None)
        maps = maps.float()
        stride = recipe.network.input[0] // maps.shape[-1]
        target = pose_target(crops, recipe, self.skeleton, stride, maps.device)
        shown = maps.new_zeros(())
        for name, weight in recipe.loss.items():
            shown = shown + weight * reduce(LOSSES[name](maps, target, recipe.sigma), target.weight, recipe.hardest)
        if parts is None:
            return shown, shown
        labels = [crop.parts[::stride, ::stride] for crop in crops if crop.parts is not None]
        label = torch.from_numpy(np.stack(labels).astype(np.int64)).to(maps.device)
        return shown + recipe.parts * F.cross_entropy(parts.float(), label), shown

    def check(self, network: nn.Module, picture: Path) -> Check:
        return check_network(network, self.validation, self.recipe, self.skeleton, picture)
