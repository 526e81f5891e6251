"""Learning to find people in a whole picture: the middle of each, and how wide and high they are.

Source: Zhou et al., Objects as Points (CenterNet), 2019: a heatmap of middles under a focal loss, sizes by L1.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float64, UInt8
from torch import Tensor, nn

from multiview.keypoints.finder import decode_boxes
from multiview.keypoints.suppress import box_iou
from multiview.learn.all_reduce import WHOLE, Shard
from multiview.learn.losses import Loss, focal_loss
from multiview.learn.model_file import Model, from_network
from multiview.learn.picture_source import PictureSource, held_out_pictures
from multiview.learn.pictures import tile_pictures
from multiview.learn.recipe import Recipe, untrained_network
from multiview.learn.tensors import images_to_tensor, normalise
from multiview.learn.validation import Validation
from multiview.synthetic.rendered_image import RenderedImage

__all__ = ["FinderTask", "validate_finder"]

STRIDE = 4
MIN_SIDE = 0.08
"""People lower than this fraction of the picture are left alone."""


class FinderTask:
    """Rendered rooms with several people; validated by recall and precision at an overlap of a half."""

    def __init__(self, recipe: Recipe, folder: Path, shard: Shard = WHOLE) -> None:
        self.recipe, self.shard = recipe, shard
        self.model = self.network = untrained_network(recipe)
        with torch.no_grad():
            bias = self.network.head.bias  # type: ignore[union-attr]
            bias.copy_(torch.tensor([-4.0, -1.5, -0.8]))  # type: ignore[operator]
        self.source = PictureSource(recipe.seed, recipe.data, recipe.network.input, shard)
        self.validation = held_out_pictures(recipe.data.validation, recipe.network.input)

    def batch(self, step: int) -> tuple[Tensor, list[RenderedImage]]:
        images = self.source.batch(step, self.recipe.schedule.batch // self.shard.world_size)
        return images_to_tensor([rendered.image for rendered in images]), images

    def loss(self, output: Tensor, images: list[RenderedImage]) -> Loss:
        output = output.float()
        height, width = output.shape[-2:]
        heat = np.zeros((len(images), height, width), np.float32)
        places, sizes = [], []
        for i, rendered in enumerate(images):
            for box in _seen(rendered):
                middle = np.clip((box[:2] + box[2:]) / 2 / STRIDE, 0, [width - 1, height - 1])
                column, row = np.rint(middle).astype(int)
                side = (box[2:] - box[:2]) / np.array([width, height]) / STRIDE
                spread = 1.0 + 0.08 * (box[2:] - box[:2]) / STRIDE
                gx = np.exp(-((np.arange(width) - column) ** 2) / (2 * spread[0] ** 2))
                gy = np.exp(-((np.arange(height) - row) ** 2) / (2 * spread[1] ** 2))
                heat[i] = np.maximum(heat[i], gy[:, None] * gx)
                places.append((i, row, column))
                sizes.append(np.log(side))
        loss = focal_loss(output[:, 0], torch.from_numpy(heat).to(output.device))
        if places:
            picture, row, column = np.array(places).T
            goal = torch.from_numpy(np.array(sizes, np.float32)).to(output.device)
            loss = loss + (output[picture, 1:, row, column] - goal).abs().mean()
        return Loss(loss, loss, {})

    def validate(self, network: nn.Module, picture: Path) -> Validation:
        return validate_finder(from_network(network, self.recipe), self.validation, picture)


def validate_finder(model: Model, images: list[RenderedImage], picture: Path | None = None) -> Validation:
    """Recall, precision and their harmonic mean at an overlap of a half; draws the first images into `picture`."""
    found, hits, people = 0, 0, 0
    tiles: list[UInt8[np.ndarray, "H W 3"]] = []
    for rendered in images:
        boxes, _ = decode_boxes(model.logits(normalise([rendered.image]))[0], STRIDE)
        truth = _seen(rendered)
        overlap = box_iou(boxes, truth)
        hits += int((overlap.max(0) > 0.5).sum()) if overlap.size else 0
        people, found = people + len(truth), found + len(boxes)
        tiles.append(_drawn(rendered, boxes, truth))
    if picture is not None:
        tile_pictures(tiles[:24], picture, columns=4)
    recall, precision = hits / max(people, 1), min(1.0, hits / max(found, 1))
    quality = 2 * recall * precision / max(recall + precision, 1e-9)
    return Validation(quality, {"recall": recall, "precision": precision, "f1": quality})


def _seen(rendered: RenderedImage) -> Float64[np.ndarray, "P 4"]:
    """Boxes x1 y1 x2 y2 (px), cut at the frame, of people who are large enough and not almost wholly hidden."""
    height, width = rendered.image.shape[:2]
    boxes = np.concatenate([rendered.box[:, :2], rendered.box[:, :2] + rendered.box[:, 2:]], axis=1)
    boxes = np.clip(boxes, 0, [width - 1, height - 1, width - 1, height - 1])
    keep = ((rendered.visibility == 2).sum(1) >= 4) & ((boxes[:, 2:] - boxes[:, :2]).max(1) > MIN_SIDE * height)
    return boxes[keep]


def _drawn(
    rendered: RenderedImage, boxes: Float64[np.ndarray, "N 4"], truth: Float64[np.ndarray, "M 4"]
) -> UInt8[np.ndarray, "H W 3"]:
    image = rendered.image.copy()
    for shown, colour in ((truth, (255, 255, 255)), (boxes, (60, 200, 60))):
        for x1, y1, x2, y2 in np.rint(shown).astype(int).tolist():
            cv2.rectangle(image, (x1, y1), (x2, y2), colour, 1)
    return image
