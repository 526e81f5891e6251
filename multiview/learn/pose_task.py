"""Learning to place the joints of one person in a crop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.learn.all_reduce import WHOLE, Shard
from multiview.learn.augment import augment
from multiview.learn.losses import LOSSES, Loss, Target, reduce
from multiview.learn.model_file import from_network
from multiview.learn.recipe import Recipe, untrained_network
from multiview.learn.sample import ABSENT, VISIBLE, Sample
from multiview.learn.source import open_source, validation_samples
from multiview.learn.start_weights import start_network
from multiview.learn.tensors import images_to_tensor
from multiview.learn.validation import Validation, validate_pose_model
from multiview.nets.light import Light
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


class _WithAuxiliaryHeads(nn.Module):
    """The network and, during training, heads for the body part of each heatmap pixel and for the body's orientation.

    Only rendered images have labels for these; with them left and right are learnt early.
    """

    def __init__(self, network: Light) -> None:
        super().__init__()
        self.network = network
        fine, coarse = network.head.in_channels, network.gate16.inner.in_channels
        self.segmentation = nn.Conv2d(fine, len(PARTS), 1)
        self.orientation = nn.Conv2d(coarse, 9, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine, whole = self.network.features(image)
        return self.network.head(fine), self.segmentation(fine), self.orientation(whole).reshape(-1, 3, 3)


class PoseTask:
    """Crops of single people, heatmap losses, and PCK and OKS on held-out people."""

    def __init__(self, recipe: Recipe, folder: Path, shard: Shard = WHOLE) -> None:
        self.recipe, self.shard = recipe, shard
        data, size = recipe.data, recipe.network.input
        self.skeleton = load_skeleton(data.skeleton)
        self.source = open_source(recipe.seed, data, size, self.skeleton.joints, folder, shard)
        # The first process does the validation.
        self.validation = validation_samples(data, size, self.skeleton.joints, folder) if shard.rank == 0 else []
        network = untrained_network(recipe)
        if recipe.start:
            start_network(network, recipe.start, folder, self.batch(0)[0])
        self.model: nn.Module = network
        if recipe.data.source == "rendered" and isinstance(network, Light):
            self.model = _WithAuxiliaryHeads(network)
        self.network = network

    def batch(self, step: int) -> tuple[Tensor, list[Sample]]:
        rng = np.random.default_rng((self.recipe.seed, 4, step, self.shard.rank))
        schedule, options, pairs = self.recipe.schedule, self.recipe.augmentation, self.skeleton.symmetric_pairs
        size = schedule.low_res_input if step < schedule.low_res_steps else self.recipe.network.input
        people = self.source.batch(step, schedule.batch // self.shard.world_size)
        crops = [augment(sample, rng, size, options, pairs, SYMMETRIC_PARTS) for sample in people]
        return images_to_tensor([crop.image for crop in crops]), crops

    def loss(self, output: Tensor | list[Tensor] | tuple[Tensor, Tensor, Tensor], crops: list[Sample]) -> Loss:
        """That of the maps, of each stage where the network has several, and of the auxiliary heads."""
        if isinstance(output, list):
            stages = [self._map_loss(maps.float(), crops) for maps in output]
            total = torch.stack(stages).mean()
            return Loss(total, stages[-1], {f"loss_{i}": stage for i, stage in enumerate(stages, 1)})
        if isinstance(output, Tensor):
            shown = self._map_loss(output.float(), crops)
            return Loss(shown, shown, {})
        maps, segmentation, orientation = (value.float() for value in output)
        shown = self._map_loss(maps, crops)
        stride = crops[0].image.shape[1] // maps.shape[-1]
        auxiliary = self.recipe.segmentation_weight * _segmentation_loss(segmentation, crops, stride)
        auxiliary = auxiliary + self.recipe.orientation_weight * _orientation_loss(orientation, crops)
        return Loss(shown + auxiliary, shown, {})

    def _map_loss(self, maps: Tensor, crops: list[Sample]) -> Tensor:
        recipe = self.recipe
        target = pose_target(crops, recipe, self.skeleton, crops[0].image.shape[1] // maps.shape[-1], maps.device)
        total = maps.new_zeros(())
        for name, weight in recipe.loss.items():
            total = total + weight * reduce(LOSSES[name](maps, target, recipe.sigma), target.weight, recipe.ohkm_top_k)
        return total

    def validate(self, network: nn.Module, picture: Path) -> Validation:
        return validate_pose_model(from_network(network, self.recipe), self.validation, self.skeleton, picture)


def _segmentation_loss(logits: Tensor, crops: list[Sample], stride: int) -> Tensor:
    """Cross entropy of body parts; the background, most of the picture, counts little."""
    labels = np.stack([crop.part_labels[::stride, ::stride] for crop in crops if crop.part_labels is not None])
    weight = torch.ones(len(PARTS), device=logits.device)
    weight[0] = 0.2
    return F.cross_entropy(logits, torch.from_numpy(labels.astype(np.int64)).to(logits.device), weight)


def _orientation_loss(found: Tensor, crops: list[Sample]) -> Tensor:
    goal = np.stack([crop.orientation for crop in crops if crop.orientation is not None])
    return F.mse_loss(found, torch.from_numpy(goal).to(found))
