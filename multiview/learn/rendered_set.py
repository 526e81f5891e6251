"""Rendered people as a COCO data set on disk, to evaluate on or to train other tools with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.common.atomic_file import writing
from multiview.learn.coco import Person, coco_document, write_coco
from multiview.synthetic.backdrop import degrade
from multiview.synthetic.rendered_image import VISIBLE, sample_image

__all__ = ["write_rendered_set"]

MIN_VISIBLE = 5
"""Someone of whom fewer joints can be seen is not asked for."""


def write_rendered_set(
    folder: Path,
    count: int,
    seed: int,
    held_out: bool,
    size: tuple[int, int] = (384, 288),
    watch: Callable[[int], None] = lambda _: None,
) -> int:
    """Write `images/` and `annotations.json` of `count` pictures of `size` px; the number of people in them."""
    skeleton = load_skeleton("coco17")
    people: list[Person] = []
    pictures = []
    for number in range(count):
        rng = np.random.default_rng((seed, int(held_out), number))
        rendered = sample_image(rng, size, held_out, measure=True)
        name = f"{number:06d}.jpg"
        path = writing(folder / "images" / name)
        cv2.imwrite(str(path), degrade(rng, rendered.image)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        pictures.append((number, name, *size))
        for xy, flags, (x, y, w, h), area in zip(
            rendered.xy, rendered.visibility, rendered.box, rendered.area, strict=True
        ):
            box = np.clip([x, y, x + w, y + h], 0, [size[0] - 1, size[1] - 1] * 2).astype(np.float64)
            if (flags == VISIBLE).sum() >= MIN_VISIBLE and area > 0:
                people.append(Person(number, path, xy, flags, box, float(area), len(people) + 1))
        watch(number + 1)
    write_coco(coco_document(pictures, people, skeleton.joints, skeleton.bones), folder / "annotations.json")
    return len(people)
