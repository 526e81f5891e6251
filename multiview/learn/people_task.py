"""Learning to find everyone's joints in a whole picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.errors import ConfigError
from multiview.learn.affinity_loss import affinity_loss
from multiview.learn.all_reduce import WHOLE, Shard
from multiview.learn.coco import Person
from multiview.learn.evaluate import evaluate_pictures
from multiview.learn.losses import Loss
from multiview.learn.model_file import from_network
from multiview.learn.people_labels import PeopleLabels, labels_of
from multiview.learn.picture_source import PictureSource, held_out_pictures
from multiview.learn.pictures import draw_people, tile_pictures
from multiview.learn.recipe import Recipe, untrained_network
from multiview.learn.set_loss import set_loss
from multiview.learn.start_weights import start_network
from multiview.learn.tag_loss import tag_loss
from multiview.learn.tensors import images_to_tensor
from multiview.learn.validation import Validation
from multiview.synthetic.rendered_image import RenderedImage

__all__ = ["PeopleTask"]

LOSSES: dict[str, Callable[[Any, list[PeopleLabels], Skeleton], Loss]] = {
    "part_affinity": affinity_loss,
    "associative_embedding": tag_loss,
    "pose_queries": set_loss,
}


class PeopleTask:
    """Rendered pictures of several people; validated by COCO's AP on held-out ones."""

    def __init__(self, recipe: Recipe, folder: Path, shard: Shard = WHOLE) -> None:
        if recipe.data.source != "rendered":
            raise ConfigError('data.source: whole pictures of people are rendered; take source = "rendered"')
        self.recipe, self.shard = recipe, shard
        self.skeleton = load_skeleton(recipe.data.skeleton)
        size = recipe.network.input
        self.source = PictureSource(recipe.seed, recipe.data, size, shard)
        self.validation = held_out_pictures(recipe.data.validation, size) if shard.rank == 0 else []
        self.model: nn.Module = untrained_network(recipe)
        self.network = self.model
        if recipe.start:
            start_network(self.network, recipe.start, folder, self.batch(0)[0])

    def batch(self, step: int) -> tuple[Tensor, list[RenderedImage]]:
        pictures = self.source.batch(step, self.recipe.schedule.batch // self.shard.world_size)
        return images_to_tensor([picture.image for picture in pictures]), pictures

    def loss(self, output: Any, pictures: list[RenderedImage]) -> Loss:
        device = next(self.network.parameters()).device
        labels = [labels_of(picture, device) for picture in pictures]
        return LOSSES[self.recipe.network.name](output, labels, self.skeleton)

    def validate(self, network: nn.Module, picture: Path) -> Validation:
        people, images = _people(self.validation)
        figures, found = evaluate_pictures(from_network(network, self.recipe), people, images, self.skeleton)
        shown = {name: figures[name] for name in ("ap", "ap50", "ap75", "ar")}
        tiles = [draw_people(images[i], found[i].xy, self.skeleton) for i in list(images)[:24]]
        tile_pictures(tiles, picture, columns=4)
        return Validation(shown["ap"], shown)


def _people(pictures: list[RenderedImage]) -> tuple[list[Person], dict[int, np.ndarray]]:
    """The people of pictures who are asked for, and the pictures by number."""
    people: list[Person] = []
    for number, picture in enumerate(pictures):
        labels = labels_of(picture, torch.device("cpu"))
        for i in labels.rows:
            x, y, w, h = picture.box[i]
            box = np.array([x, y, x + w, y + h])
            row = (picture.xy[i], picture.visibility[i], box, float(max(1.0, picture.area[i])))
            people.append(Person(number, Path(), *row, len(people) + 1))
    return people, {number: picture.image for number, picture in enumerate(pictures)}
