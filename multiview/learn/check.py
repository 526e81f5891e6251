"""A quick look at a network while it learns: PCK, how much left/right costs, mean OKS, and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float64, UInt8
from torch import nn

from multiview.keypoints.crop import crop_affine, crop_region, invert_affine, transform_points
from multiview.keypoints.heatmaps import soft_argmax, spatial_softmax
from multiview.learn.augment import crop_sample
from multiview.learn.recipe import Recipe
from multiview.learn.sample import ABSENT, Sample
from multiview.learn.tensors import images_to_tensor
from multiview.skeleton import Skeleton

__all__ = ["Check", "check_network", "draw_predictions", "pck", "predict", "predict_crops", "tile_pictures"]


@dataclass(frozen=True, slots=True)
class Check:
    """How good a network is: one number to choose the best by, and the figures for the curve."""

    quality: float
    figures: dict[str, float]


@torch.inference_mode()
def predict_crops(
    network: nn.Module, images: list[UInt8[np.ndarray, "H W 3"]], recipe: Recipe, batch: int = 64
) -> tuple[Float64[np.ndarray, "N J 2"], Float64[np.ndarray, "N J"]]:
    """Joints (crop px) and scores of crops of the network's input size."""
    network.eval()
    device = next(network.parameters()).device
    found, scores = [], []
    for start in range(0, len(images), batch):
        logits = network(images_to_tensor(images[start : start + batch]).to(device)).float().cpu().numpy()
        joints = soft_argmax(spatial_softmax(logits), recipe.sigma, density=True)
        found.append(joints.xy * (recipe.network.input[0] / logits.shape[-1]))
        scores.append(joints.score)
    return np.concatenate(found), np.concatenate(scores)


def predict(
    network: nn.Module, samples: list[Sample], recipe: Recipe
) -> tuple[Float64[np.ndarray, "N J 2"], Float64[np.ndarray, "N J"]]:
    """Joints (px of each sample's picture) and scores, by the samples' boxes."""
    size = recipe.network.input
    maps = [crop_affine(*crop_region(sample.box, size), size) for sample in samples]
    crops = [crop_sample(sample, size, A).image for sample, A in zip(samples, maps, strict=True)]
    xy, score = predict_crops(network, crops, recipe)
    return np.stack([transform_points(invert_affine(A), p) for A, p in zip(maps, xy, strict=True)]), score


def pck(
    xy: Float64[np.ndarray, "N J 2"], samples: list[Sample], threshold: float = 0.1
) -> tuple[Bool[np.ndarray, "N J"], Bool[np.ndarray, "N J"]]:
    """Which joints lie within `threshold` of the box's longer side from the truth, and which count (labelled)."""
    side = np.array([(sample.box[2:] - sample.box[:2]).max() for sample in samples])
    error = np.linalg.norm(xy - np.stack([sample.xy for sample in samples]), axis=-1)
    return error <= threshold * side[:, None], np.stack([sample.visibility for sample in samples]) > ABSENT


def check_network(
    network: nn.Module, samples: list[Sample], recipe: Recipe, skeleton: Skeleton, picture: Path
) -> Check:
    """Measure a network on samples and draw the first of them.

    Of the labelled joints, `pck` is the share within a tenth of the box's longer side of the truth, `pck_sides_free`
    the same where a person's left and right may be exchanged; `oks` is the mean over people.
    """
    xy, _ = predict(network, samples, recipe)
    right, known = pck(xy, samples)
    exchanged, _ = pck(xy[:, skeleton.mirrored], samples)

    def share(hit: Bool[np.ndarray, "N J"]) -> Float64[np.ndarray, " N"]:
        return np.asarray((hit & known).sum(1) / np.maximum(known.sum(1), 1))

    free = np.where((share(exchanged) > share(right))[:, None], exchanged, right)
    truth = np.stack([sample.xy for sample in samples])
    area = np.array([0.5 * np.prod(sample.box[2:] - sample.box[:2]) for sample in samples])
    e = ((xy - truth) ** 2).sum(-1) / (2 * (2 * skeleton.oks_sigmas) ** 2 * area[:, None])
    oks = (np.exp(-e) * known).sum(1) / np.maximum(known.sum(1), 1)
    draw_predictions(samples[:24], xy[:24], skeleton, picture)
    quality = float(oks[known.any(1)].mean())
    return Check(
        quality, {"pck": float(right[known].mean()), "pck_sides_free": float(free[known].mean()), "oks": quality}
    )


def draw_predictions(
    samples: list[Sample],
    xy: Float64[np.ndarray, "N J 2"],
    skeleton: Skeleton,
    path: Path,
    columns: int = 8,
    height: int = 240,
) -> None:
    """Pictures with the skeleton found: green the person's left, red their right; thin white, the truth."""
    tiles = []
    for sample, found in zip(samples, xy, strict=True):
        scale = height / sample.image.shape[0]
        tile = cv2.resize(sample.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        for points, thickness in ((sample.xy, 1), (found, 2)):
            for a, b in skeleton.bones:
                if (sample.visibility[[a, b]] == ABSENT).any():
                    continue
                names = skeleton.joints[a], skeleton.joints[b]
                left, right = (all(name.startswith(side) for name in names) for side in ("left", "right"))
                colour = (
                    (255, 255, 255)
                    if thickness == 1
                    else (40, 220, 40)
                    if left
                    else (235, 40, 40)
                    if right
                    else (60, 160, 255)
                )
                cv2.line(tile, _at(points[a], scale), _at(points[b], scale), colour, thickness, cv2.LINE_AA, 3)
        tiles.append(tile)
    tile_pictures(tiles, path, columns)


def _at(point: Float64[np.ndarray, " 2"], scale: float) -> tuple[int, int]:
    """A point of the picture in eighths of a pixel of the enlarged one."""
    x, y = np.rint(((point + 0.5) * scale - 0.5) * 8).astype(int).tolist()
    return x, y


def tile_pictures(tiles: list[UInt8[np.ndarray, "h w 3"]], path: Path, columns: int = 8) -> None:
    """One sheet of pictures, in rows."""
    height, width = max(tile.shape[0] for tile in tiles), max(tile.shape[1] for tile in tiles)
    sheet = np.zeros((height * -(-len(tiles) // columns), width * columns, 3), np.uint8)
    for i, tile in enumerate(tiles):
        y, x = divmod(i, columns)
        sheet[y * height : y * height + tile.shape[0], x * width : x * width + tile.shape[1]] = tile
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet[..., ::-1])
