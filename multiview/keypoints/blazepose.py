"""Decoding of BlazePose's two networks, and the regions that they look at.

Sources: Bazarevsky et al., BlazePose, 2020; anchors and heatmap refinement as in MediaPipe's pose graphs.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from multiview.keypoints.blazepose_kernels import local_moments
from multiview.keypoints.crop import crop_affine, invert_affine, warp
from multiview.keypoints.suppress import box_iou, box_nms

__all__ = [
    "Landmarks",
    "Region",
    "decode_landmarks",
    "decode_people",
    "overlapping_tiles",
    "region_input",
    "region_of_axis",
    "region_of_box",
    "ssd_anchors",
]

PADDING = 1.25
# The deviation of a landmark where everything is clear, and of the heatmap's blob there, both in heatmap pixels.
CLEAR_SIGMA, BLOB_SIGMA = 0.5, 1.2
REFINE_RADIUS, REFINE_FROM = 3, 0.5


class Region(NamedTuple):
    """A square of the picture: centre and side in px; `rotation` radians turns its x axis in the picture."""

    centre: Float64[np.ndarray, " 2"]
    size: float
    rotation: float = 0.0


class Landmarks(NamedTuple):
    """39 landmarks in pixels of the crop: 33 joints, then the hips' middle and the top of the circle about the body."""

    xy: Float64[np.ndarray, "L 2"]
    cov: Float64[np.ndarray, "L 2 2"]
    visibility: Float64[np.ndarray, " L"]
    presence: Float64[np.ndarray, " L"]


def region_input(
    image: UInt8[np.ndarray, "H W 3"], region: Region, side: int
) -> tuple[Float32[np.ndarray, "1 s s 3"], Float64[np.ndarray, "2 3"]]:
    """A region as the input of MediaPipe's networks, RGB from 0 to 1, and the way back from its px to the picture's."""
    affine = crop_affine(region.centre, np.full(2, region.size), (side, side), region.rotation)
    crop = warp(image, affine, (side, side))
    tensor = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).astype(np.float32)[None] * np.float32(1 / 255)
    return tensor, invert_affine(affine)


def overlapping_tiles(size: tuple[int, int], levels: int = 2) -> list[Region]:
    """The whole picture; then squares of its short side, overlapping by a third or more; then of two thirds of it."""
    width, height = size
    tiles = [Region(np.array([width / 2, height / 2]), float(max(size)))]
    for level in range(1, levels):
        side = min(size) / 1.5 ** (level - 1)
        columns, rows = (1 + int(np.ceil((length - side) / (side * 2 / 3) - 1e-9)) for length in size)
        tiles += [
            Region(np.array([x, y]), side)
            for y in np.linspace(side / 2, height - side / 2, rows)
            for x in np.linspace(side / 2, width - side / 2, columns)
        ]
    return tiles


def region_of_axis(hips: Float64[np.ndarray, " 2"], top: Float64[np.ndarray, " 2"]) -> Region:
    """The padded square about a body whose circle has its centre at the hips and passes through `top`, upright."""
    dx, dy = top - hips
    return Region(hips, float(2 * np.hypot(dx, dy) * PADDING), float(np.pi / 2 - np.arctan2(-dy, dx)))


def region_of_box(box: Float64[np.ndarray, " 4"]) -> Region:
    """The square about a body whose joints fill a box (x1, y1, x2, y2): hips half-way up, head on top."""
    x1, y1, x2, y2 = box
    return Region(np.array([(x1 + x2) / 2, (y1 + y2) / 2]), float(max(x2 - x1, y2 - y1)) * PADDING)


def ssd_anchors(input_size: int) -> Float64[np.ndarray, "A 2"]:
    """Centres, as fractions of the input, of the person finder's anchors: strides 8, 16 and 32 with 2, 2 and 6 each."""
    layers = []
    for stride, count in ((8, 2), (16, 2), (32, 6)):
        cells = (np.arange(input_size // stride) + 0.5) * stride / input_size
        x, y = np.meshgrid(cells, cells)
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
    return np.concatenate(layers)


def decode_people(
    raw: Float[np.ndarray, "A 12"],
    logits: Float[np.ndarray, " A"],
    anchors: Float64[np.ndarray, "A 2"],
    min_score: float,
) -> Float64[np.ndarray, "P 2 2"]:
    """For each person found, best first, the hips' middle and the circle's top, as fractions of the input.

    `raw` is a box (centre, size) and four key points, in input pixels from the anchor. Overlapping finds are averaged,
    weighted by score, as the network was used when it was tuned.
    """
    scores = _sigmoid(logits)
    chosen = np.flatnonzero(scores >= min_score)
    if not len(chosen):
        return np.zeros((0, 2, 2))
    input_size = round(float(8 * np.sqrt(_cells(len(anchors)))))
    values = raw[chosen].reshape(-1, 6, 2) / input_size
    places, half = values.astype(np.float64), values[:, 1].astype(np.float64) / 2
    places += anchors[chosen, None]
    boxes = np.concatenate([places[:, 0] - half, places[:, 0] + half], axis=1)
    weights = scores[chosen]
    people = []
    for best in box_nms(boxes, weights, 0.3):
        cluster = box_iou(boxes[best : best + 1], boxes)[0] > 0.3
        people.append(np.average(places[cluster, 2:4], axis=0, weights=weights[cluster]))
    return np.stack(people)


def decode_landmarks(
    raw: Float[np.ndarray, "1 values"], heatmaps: Float[np.ndarray, "h w L"], input_size: int
) -> Landmarks:
    """The regressed landmarks (x, y, z, visibility, presence), moved to the mean of the heatmap about them.

    The covariance grows with the width of the heatmap's blob, with how far it lies from the regression, and where the
    joint is hidden.
    """
    values = np.asarray(raw, np.float64).reshape(-1, 5)
    visibility, presence = _sigmoid(values[:, 3]), _sigmoid(values[:, 4])
    cell = input_size / heatmaps.shape[0]
    at = values[:, :2] / cell
    mean, spread, top = np.empty_like(at), np.empty(len(at)), np.empty(len(at))
    local_moments(heatmaps, at, REFINE_RADIUS, mean, spread, top)
    refined = np.where((top >= REFINE_FROM)[:, None], mean, at)
    apart = refined - at
    excess = np.maximum(spread - BLOB_SIGMA**2, 0.0)
    variance = (CLEAR_SIGMA**2 + excess) / np.maximum(visibility, 0.05)
    cov = variance[:, None, None] * np.eye(2) + 0.25 * apart[:, :, None] * apart[:, None, :]
    return Landmarks(refined * cell, cov * cell**2, visibility, presence)


def _cells(anchors: int) -> float:
    """Cells of the finest layer: a grid of n x n at stride 8 comes with (n/2)^2 and (n/4)^2, by 2, 2 and 6 anchors."""
    return anchors / (2 + 2 / 4 + 6 / 16)


def _sigmoid(z: Float[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(z, np.float64), -80, 80))))
