"""Training samples by number: any batch can be asked for again, so a resumed training sees the same pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from multiview.learn.all_reduce import WHOLE, Shard
from multiview.learn.coco import read_coco
from multiview.learn.recipe import Data
from multiview.learn.sample import Sample
from multiview.synthetic.rendered_image import sample_person_image

__all__ = [
    "CocoSource",
    "RenderedSource",
    "Source",
    "held_out_samples",
    "open_source",
    "rendered_sample",
    "validation_samples",
]


@runtime_checkable
class Source(Protocol):
    """Gives the samples of a step, before augmentation; where several processes share a batch, each has its own."""

    def batch(self, step: int, size: int) -> list[Sample]: ...


def rendered_sample(
    rng: np.random.Generator,
    size: tuple[int, int],
    zoom: float,
    cut_off: float = 0.0,
    held_out: bool = False,
    easy: bool = False,
) -> Sample:
    """One rendered person, in a picture `zoom` times as large as they are; `easy`: upright, alone and in full view."""
    rendered = sample_person_image(rng, size, held_out, zoom, cut_off, easy)
    x, y, w, h = rendered.box[0]
    left = rendered.xyz[0, [5, 11, 3]] - rendered.xyz[0, [6, 12, 4]]
    orientation = left / np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-9)
    box = np.array([x, y, x + w, y + h])
    return Sample(rendered.image, rendered.xy[0], rendered.visibility[0], box, rendered.parts, orientation)


class RenderedSource:
    """Rendered people, drawn as they are needed: a window of `pool` pictures slides over an endless numbered row."""

    def __init__(self, seed: int, data: Data, input_size: tuple[int, int], shard: Shard = WHOLE) -> None:
        self.seed, self.data, self.shard = seed, data, shard
        self.window = max(1, data.pool // shard.world_size)
        self.size = (round(input_size[0] * data.margin / 1.25), round(input_size[1] * data.margin / 1.25))
        self.pool: dict[int, Sample] = {}

    def _sample(self, number: int) -> Sample:
        if number not in self.pool:
            rng = np.random.default_rng((self.seed, 1, number, self.shard.rank))
            easy = rng.random() > number * self.shard.world_size / max(1, self.data.curriculum_images)
            self.pool[number] = rendered_sample(rng, self.size, self.data.margin, 0.0 if easy else 0.1, easy=easy)
        return self.pool[number]

    def batch(self, step: int, size: int) -> list[Sample]:
        newest = self.window + step * size // self.data.reuse
        for number in [number for number in self.pool if number < newest - self.window]:
            del self.pool[number]
        rng = np.random.default_rng((self.seed, 2, step, self.shard.rank))
        return [self._sample(int(n)) for n in rng.integers(newest - self.window, newest, size)]


class CocoSource:
    """The people of a COCO keypoint file, in an order drawn anew for each pass."""

    def __init__(
        self, seed: int, annotations: Path, images: Path, joints: tuple[str, ...], shard: Shard = WHOLE
    ) -> None:
        self.seed, self.shard = seed, shard
        self.people = read_coco(annotations, images, joints)

    def batch(self, step: int, size: int) -> list[Sample]:
        count = len(self.people)
        first = (step * self.shard.world_size + self.shard.rank) * size
        numbers = range(first, first + size)
        orders = {n // count: np.random.default_rng((self.seed, 3, n // count)).permutation(count) for n in numbers}
        return [self.people.load(int(orders[n // count][n % count])) for n in numbers]


def open_source(
    seed: int,
    data: Data,
    input_size: tuple[int, int],
    joints: tuple[str, ...],
    folder: Path,
    shard: Shard = WHOLE,
) -> Source:
    """The source that a recipe names, and of its batches one shard; its paths are relative to `folder`."""
    if data.source == "rendered":
        return RenderedSource(seed, data, input_size, shard)
    return CocoSource(seed, folder / data.annotations, folder / data.images, joints, shard)


def validation_samples(data: Data, input_size: tuple[int, int], joints: tuple[str, ...], folder: Path) -> list[Sample]:
    """What a training is validated on: the recipe's COCO file, else held-out rendered people."""
    if not data.validation_annotations:
        return held_out_samples(data.validation, input_size)
    people = read_coco(folder / data.validation_annotations, folder / data.validation_images, joints)
    return [people.load(i) for i in range(min(len(people), data.validation))]


def held_out_samples(count: int, input_size: tuple[int, int], seed: int = 9_999) -> list[Sample]:
    """Rendered people with backgrounds, weaves and postures that no training shows, framed by their exact boxes."""
    rng = np.random.default_rng(seed)
    size = (round(input_size[0] * 1.4), round(input_size[1] * 1.4))
    return [rendered_sample(rng, size, 1.25 * 1.12, held_out=True) for _ in range(count)]
