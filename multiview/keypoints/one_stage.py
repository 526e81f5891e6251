"""Decoding of networks that give boxes, and people with their joints, in one pass over a letterboxed picture.

All places are in pixels of the network's input. Sources: Ge et al., YOLOX, 2021 (grids and strides); Lyu et al.,
RTMDet, 2022; Lu et al., RTMO, 2024; the output layouts of their exported files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64

from multiview.keypoints.suppress import box_nms

__all__ = ["Found", "decode_boxes_nms_free", "decode_pose_rows", "decode_yolo_pose", "decode_yolox"]

STRIDES = (8, 16, 32)


class Found(NamedTuple):
    """People, best first: boxes (x1, y1, x2, y2), their scores, and joints with scores where the network gives them."""

    boxes: Float64[np.ndarray, "P 4"]
    scores: Float64[np.ndarray, " P"]
    xy: Float64[np.ndarray, "P J 2"]
    joint_scores: Float64[np.ndarray, "P J"]


def decode_boxes_nms_free(dets: Float[np.ndarray, "n 5"], min_score: float) -> Found:
    """RTMDet and YOLOX exported with their suppression: rows of x1, y1, x2, y2, score."""
    return _sorted(dets[:, :4], dets[:, 4], np.zeros((len(dets), 0, 3)), min_score)


def decode_yolox(
    raw: Float[np.ndarray, "A channels"], input_size: tuple[int, int], min_score: float, overlap: float = 0.45
) -> Found:
    """YOLOX as trained: rows of centre and size per grid cell, objectness, class scores (the first is the person's)."""
    grids, steps = [], []
    for stride in STRIDES:
        x, y = np.meshgrid(np.arange(input_size[0] // stride), np.arange(input_size[1] // stride))
        grids.append(np.stack([x.ravel(), y.ravel()], axis=1))
        steps.append(np.full(x.size, stride))
    cells, step = np.concatenate(grids), np.concatenate(steps)[:, None]
    if len(cells) != len(raw):
        raise ValueError(f"{len(raw)} rows, where an input of {input_size[0]}x{input_size[1]} has {len(cells)} cells")
    values = np.asarray(raw, np.float64)
    centre = (values[:, :2] + cells) * step
    half = np.exp(np.minimum(values[:, 2:4], 20)) * step / 2
    boxes, scores = np.concatenate([centre - half, centre + half], axis=1), values[:, 4] * values[:, 5]
    chosen = scores >= min_score
    boxes, scores = boxes[chosen], scores[chosen]
    kept = box_nms(boxes, scores, overlap)
    return _sorted(boxes[kept], scores[kept], np.zeros((len(kept), 0, 3)), min_score)


def decode_pose_rows(dets: Float[np.ndarray, "n 5"], keypoints: Float[np.ndarray, "n J 3"], min_score: float) -> Found:
    """RTMO: boxes with scores, and joints x, y, score, already suppressed."""
    return _sorted(dets[:, :4], dets[:, 4], keypoints, min_score)


def decode_yolo_pose(
    raw: Float[np.ndarray, "rows columns"], suppressed: bool, min_score: float, overlap: float = 0.45
) -> Found:
    """YOLOv8/11-pose: a column per candidate, cx, cy, w, h, score, joints; or YOLO26-pose, `suppressed`: a row per
    person, x1, y1, x2, y2, score, class, joints.
    """
    values = np.asarray(raw, np.float64)
    if suppressed:
        return _sorted(values[:, :4], values[:, 4], values[:, 6:].reshape(len(values), -1, 3), min_score)
    rows = values.T
    rows = rows[rows[:, 4] >= min_score]
    half = rows[:, 2:4] / 2
    boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    kept = box_nms(boxes, rows[:, 4], overlap)
    return _sorted(boxes[kept], rows[kept, 4], rows[kept, 5:].reshape(len(kept), -1, 3), min_score)


def _sorted(
    boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], joints: Float[np.ndarray, "n J 3"], low: float
) -> Found:
    order = np.argsort(-np.asarray(scores), kind="stable")
    order = order[np.asarray(scores)[order] >= low]
    chosen = np.asarray(joints, np.float64)[order]
    return Found(
        np.asarray(boxes, np.float64)[order], np.asarray(scores, np.float64)[order], chosen[..., :2], chosen[..., 2]
    )
