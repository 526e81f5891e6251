"""Validation of a network during training: PCK, left/right accuracy, mean OKS, and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from multiview.body.skeleton import Skeleton
from multiview.learn.model_file import Model
from multiview.learn.pictures import draw_person, tile_pictures
from multiview.learn.sample import ABSENT, VISIBLE, Sample

__all__ = ["Validation", "left_right_accuracy", "pck", "validate_pose_model"]


@dataclass(frozen=True, slots=True)
class Validation:
    """How good a network is: one number to choose the best by, and the figures for the curve."""

    quality: float
    figures: dict[str, float]


def pck(
    xy: Float64[np.ndarray, "N J 2"], samples: list[Sample], threshold: float = 0.1
) -> tuple[Bool[np.ndarray, "N J"], Bool[np.ndarray, "N J"]]:
    """Which joints lie within `threshold` of the box's longer side from the truth, and which count (labelled)."""
    side = np.array([(sample.box[2:] - sample.box[:2]).max() for sample in samples])
    error = np.linalg.norm(xy - np.stack([sample.xy for sample in samples]), axis=-1)
    return error <= threshold * side[:, None], np.stack([sample.visibility for sample in samples]) > ABSENT


def validate_pose_model(model: Model, samples: list[Sample], skeleton: Skeleton, picture: Path) -> Validation:
    """Measure a model on samples and draw the first of them.

    Of the labelled joints, `pck` is the share within a tenth of the box's longer side of the truth. `left_right` is
    the share of visible joints, apart from their mirror image, that are found nearer to their own place than to that of
    the mirror image (0.5 by guessing). `oks` is the mean over people.
    """
    xy, _ = model.predict(samples)
    right, known = pck(xy, samples)
    truth = np.stack([sample.xy for sample in samples])
    area = np.array([0.5 * np.prod(sample.box[2:] - sample.box[:2]) for sample in samples])
    e = ((xy - truth) ** 2).sum(-1) / (2 * (2 * skeleton.oks_sigmas) ** 2 * area[:, None])
    oks = (np.exp(-e) * known).sum(1) / np.maximum(known.sum(1), 1)
    tile_pictures([draw_person(*pair, skeleton) for pair in zip(samples[:24], xy[:24], strict=True)], picture)
    quality = float(oks[known.any(1)].mean())
    return Validation(
        quality,
        {"pck": float(right[known].mean()), "left_right": left_right_accuracy(xy, samples, skeleton), "oks": quality},
    )


def left_right_accuracy(
    xy: Float64[np.ndarray, "N J 2"], samples: list[Sample], skeleton: Skeleton, apart: float = 0.1
) -> float:
    """Of visible joints at least `apart` of the box from their mirror image, the share nearer to their own place."""
    truth = np.stack([sample.xy for sample in samples])
    other = truth[:, skeleton.mirrored]
    side = np.array([(sample.box[2:] - sample.box[:2]).max() for sample in samples])
    counted = np.linalg.norm(truth - other, axis=-1) > apart * side[:, None]
    counted &= np.stack([sample.visibility for sample in samples]) == VISIBLE
    nearer = np.linalg.norm(xy - truth, axis=-1) < np.linalg.norm(xy - other, axis=-1)
    return float(nearer[counted].mean()) if counted.any() else float("nan")
