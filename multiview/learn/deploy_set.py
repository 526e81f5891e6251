"""People to calibrate INT8 on and to measure with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from multiview.body.skeleton import load_skeleton
from multiview.errors import SourceError
from multiview.learn.augment import framed_crop
from multiview.learn.coco import Person, read_coco
from multiview.learn.picture_source import PictureSource
from multiview.learn.recipe import Recipe
from multiview.learn.rendered_set import write_rendered_set
from multiview.learn.sample import Sample
from multiview.learn.source import open_source
from multiview.learn.tensors import normalise

__all__ = ["calibration_inputs", "measuring_set"]

PEOPLE_PER_PICTURE = 1.8


def calibration_inputs(
    recipe: Recipe, folder: Path, size: tuple[int, int], count: int
) -> Float32[np.ndarray, "N 3 H W"]:
    """Crops, or whole pictures, of the recipe's own training, those of a step that comes early."""
    if recipe.task == "people":
        return normalise(
            [picture.image for picture in PictureSource(recipe.seed + 1, recipe.data, size).batch(0, count)]
        )
    joints = load_skeleton(recipe.data.skeleton).joints
    samples = open_source(recipe.seed + 1, recipe.data, recipe.network.input, joints, folder).batch(0, count)
    return normalise([framed_crop(sample, size).image for sample in samples])


def measuring_set(
    annotations: Path | None, images: Path | None, recipe: Recipe, count: int
) -> tuple[list[Person], list[Sample]]:
    """The first `count` readable people of a COCO file, or of held-out rendered pictures made for the purpose."""
    with tempfile.TemporaryDirectory() as folder:
        if annotations is None:
            write_rendered_set(Path(folder), round(count / PEOPLE_PER_PICTURE) + 1, seed=2, held_out=True)
            annotations = Path(folder) / "annotations.json"
        labels = read_coco(
            annotations, images or annotations.parent / "images", load_skeleton(recipe.data.skeleton).joints
        )
        found = [(labels.people[i], labels.sample(i)) for i in range(min(count, len(labels)))]
    pairs = [(person, sample) for person, sample in found if sample is not None]
    if not pairs:
        raise SourceError(f"{annotations}: none of its pictures can be read")
    return [person for person, _ in pairs], [sample for _, sample in pairs]
