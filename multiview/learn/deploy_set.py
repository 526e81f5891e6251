"""People to calibrate INT8 on and to measure with."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from multiview.body.skeleton import load_skeleton
from multiview.errors import SourceError
from multiview.keypoints.crop import crop_affine, crop_region
from multiview.learn.augment import crop_sample
from multiview.learn.coco import Person, read_coco
from multiview.learn.recipe import Recipe
from multiview.learn.rendered_set import write_rendered_set
from multiview.learn.sample import Sample
from multiview.learn.source import open_source
from multiview.learn.tensors import normalise

__all__ = ["calibration_crops", "measuring_set"]

PEOPLE_PER_PICTURE = 1.8


def calibration_crops(
    recipe: Recipe, folder: Path, size: tuple[int, int], count: int
) -> Float32[np.ndarray, "N 3 H W"]:
    """Crops of the recipe's own training pictures, those of a step that comes early."""
    joints = load_skeleton(recipe.data.skeleton).joints
    samples = open_source(recipe.seed + 1, recipe.data, recipe.network.input, joints, folder).batch(0, count)
    crops = [crop_sample(sample, size, crop_affine(*crop_region(sample.box, size), size)).image for sample in samples]
    return normalise(crops)


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
