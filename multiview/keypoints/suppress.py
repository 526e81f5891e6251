"""One detection per person: box NMS, object keypoint similarity (OKS) and NMS by it.

Source: OKS as COCO defines it (Lin et al., 2014; https://cocodataset.org/#keypoints-eval).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int64

__all__ = ["box_iou", "box_nms", "boxes_of", "oks", "oks_nms"]


def box_iou(a: Float[np.ndarray, "A 4"], b: Float[np.ndarray, "B 4"]) -> Float64[np.ndarray, "A B"]:
    """Intersection over union of every box (x1, y1, x2, y2) of `a` with every box of `b`; 0 for empty boxes."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    overlap = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    intersection = overlap.clip(0).prod(axis=2)
    area_a, area_b = (a[:, 2:] - a[:, :2]).clip(0).prod(axis=1), (b[:, 2:] - b[:, :2]).clip(0).prod(axis=1)
    union = area_a[:, None] + area_b[None] - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(union), where=union > 0))


def box_nms(
    boxes: Float[np.ndarray, "N 4"], scores: Float[np.ndarray, " N"], threshold: float = 0.45
) -> Int64[np.ndarray, " M"]:
    """Indices of the boxes to keep, best first; a box is dropped if its IoU with a better one exceeds `threshold`."""
    return _greedy(box_iou(boxes, boxes), scores, threshold)


def oks(
    a: Float[np.ndarray, "A J 2"],
    b: Float[np.ndarray, "B J 2"],
    area: Float[np.ndarray, " A"],
    sigmas: Float[np.ndarray, " J"],
) -> Float64[np.ndarray, "A B"]:
    """Object keypoint similarity in [0, 1]: exp(-d^2 / (2 area (2 sigma)^2)) averaged over the joints both have.

    `area` px^2 is that of the people in `a`. People with no joint in common have 0.
    """
    d2 = ((np.asarray(a, np.float64)[:, None] - np.asarray(b, np.float64)[None]) ** 2).sum(axis=3)
    e = d2 / (2 * np.maximum(area, 1e-9)[:, None, None] * (2 * np.asarray(sigmas, np.float64)) ** 2)
    seen = np.isfinite(e)
    similarity = np.where(seen, np.exp(-np.where(seen, e, 0.0)), 0.0).sum(axis=2)
    return np.asarray(similarity / np.maximum(seen.sum(axis=2), 1))


def oks_nms(
    xy: Float[np.ndarray, "N J 2"],
    scores: Float[np.ndarray, " N"],
    sigmas: Float[np.ndarray, " J"],
    threshold: float = 0.9,
) -> Int64[np.ndarray, " M"]:
    """Indices of the people to keep, best first: each is dropped that is `threshold` similar to a better kept one.

    The area is that of the joints' own bounding box, the mean of the two people compared.
    """
    boxes = boxes_of(xy)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    pair = np.add.outer(area, area) / 2
    similarity = np.zeros((len(xy), len(xy)))
    for i in range(len(xy)):
        similarity[i] = oks(xy, xy[i : i + 1], pair[i], sigmas)[:, 0]
    return _greedy(similarity, scores, threshold)


def boxes_of(xy: Float[np.ndarray, "N J 2"]) -> Float64[np.ndarray, "N 4"]:
    """The box (x1, y1, x2, y2) about each person's finite joints; zeros for a person without any."""
    finite = np.isfinite(xy).all(axis=2, keepdims=True)
    low = np.where(finite, xy, np.inf).min(axis=1)
    high = np.where(finite, xy, -np.inf).max(axis=1)
    boxes = np.concatenate([low, high], axis=1)
    return np.asarray(np.where(np.isfinite(boxes), boxes, 0.0), np.float64)


def _greedy(
    similarity: Float64[np.ndarray, "N N"], scores: Float[np.ndarray, " N"], threshold: float
) -> Int64[np.ndarray, " M"]:
    order = np.argsort(-np.asarray(scores), kind="stable")
    dropped = np.zeros(len(order), bool)
    kept: list[int] = []
    for i in order:
        if not dropped[i]:
            kept.append(int(i))
            dropped |= similarity[i] > threshold
    return np.array(kept, np.int64)
