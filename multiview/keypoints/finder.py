"""From a person finder's maps to boxes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64
from scipy.ndimage import maximum_filter

from multiview.keypoints.suppress import box_nms

__all__ = ["decode_boxes"]


def decode_boxes(
    maps: Float[np.ndarray, "3 H W"], stride: int, threshold: float = 0.35, overlap: float = 0.6, most: int = 30
) -> tuple[Float64[np.ndarray, "P 4"], Float64[np.ndarray, " P"]]:
    """Boxes x1 y1 x2 y2 (input px) and scores, best first.

    `maps`: the logit of a person's middle, and the logarithms of their width and height as fractions of the picture.
    A peak is a pixel that is its 3x3 neighbourhood's largest (Zhou et al., Objects as Points, 2019).
    """
    _, height, width = maps.shape
    heat = 1 / (1 + np.exp(-np.asarray(maps[0], np.float64)))
    row, column = np.nonzero((heat == maximum_filter(heat, 3)) & (heat > threshold))
    order = np.argsort(-heat[row, column])[:most]
    row, column = row[order], column[order]
    score = heat[row, column]
    side = np.exp(np.clip(maps[1:, row, column].T.astype(np.float64), -6, 0.7)) * np.array([width, height]) * stride
    middle = np.stack([column, row], axis=1) * float(stride)
    boxes = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    keep = box_nms(boxes, score, overlap)
    return boxes[keep], score[keep]
