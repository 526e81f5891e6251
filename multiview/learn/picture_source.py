"""Whole rendered pictures of several people by number, as `source` gives single people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from multiview.learn.all_reduce import WHOLE, Shard
from multiview.learn.recipe import Data
from multiview.synthetic.backdrop import degrade
from multiview.synthetic.rendered_image import RenderedImage, sample_image

__all__ = ["PictureSource", "held_out_pictures"]

MIRRORED = [0, *(j + 1 if j % 2 else j - 1 for j in range(1, 17))]
"""COCO's joints as a mirror shows them: after the nose, left and right take turns."""


class PictureSource:
    """Pictures drawn as they are needed: a window of `pool` pictures slides over an endless numbered row.

    Every other one is mirrored, and all have a camera's faults.
    """

    def __init__(self, seed: int, data: Data, size: tuple[int, int], shard: Shard = WHOLE) -> None:
        self.seed, self.data, self.size, self.shard = seed, data, size, shard
        self.window = max(1, data.pool // shard.world_size)
        self.pool: dict[int, RenderedImage] = {}

    def _picture(self, number: int) -> RenderedImage:
        if number not in self.pool:
            rng = np.random.default_rng((self.seed, 1, number, self.shard.rank))
            self.pool[number] = sample_image(rng, self.size, supersample=1)
        return self.pool[number]

    def batch(self, step: int, size: int) -> list[RenderedImage]:
        """The pictures of a step."""
        newest = self.window + step * size // self.data.reuse
        for number in [number for number in self.pool if number < newest - self.window]:
            del self.pool[number]
        rng = np.random.default_rng((self.seed, 2, step, self.shard.rank))
        pictures = [self._picture(int(n)) for n in rng.integers(newest - self.window, newest, size)]
        pictures = [_mirror(picture) if rng.random() < 0.5 else picture for picture in pictures]
        return [replace(picture, image=degrade(rng, picture.image)) for picture in pictures]


def held_out_pictures(count: int, size: tuple[int, int]) -> list[RenderedImage]:
    """Pictures with people, backgrounds and weaves that no training shows, and the people's areas."""
    rng = np.random.default_rng(9_998)
    return [sample_image(rng, size, held_out=True, measure=True) for _ in range(count)]


def _mirror(picture: RenderedImage) -> RenderedImage:
    width = picture.image.shape[1]
    xy, box = picture.xy[:, MIRRORED].copy(), picture.box.copy()
    xy[..., 0] = width - 1 - xy[..., 0]
    box[:, 0] = width - 1 - box[:, 0] - box[:, 2]
    image = np.ascontiguousarray(picture.image[:, ::-1])
    return replace(picture, image=image, xy=xy, visibility=picture.visibility[:, MIRRORED], box=box)
