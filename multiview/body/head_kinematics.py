"""The head's rotation: from ears and nose, and better from landmarks of the face where a skeleton has them.

The landmarks are those that no expression moves, of iBUG 300-W as in COCO-WholeBody: bridge and tip of the nose,
corners of the eyes. With three of them in a frame, the head's is the rotation that turns all points of the person's
head, as they lie on it, nearest to where they are (Kabsch 1976): also where an ear is not seen.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.body.frames import axis_frames
from multiview.geometry.rigid import nearest_rotation

__all__ = ["HEAD_POINTS", "head_frame", "head_points"]

_LANDMARKS = tuple(f"face_{i}" for i in (27, 30, 36, 39, 42, 45))
HEAD_POINTS = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", *_LANDMARKS)
"""Joints that lie on the head and keep their place on it."""
_OF_BODY = 0.15  # weight of the other points: by COCO's OKS sigmas their variances are six to eight times as large
_ENOUGH = 3  # landmarks of a frame; fewer, or none, leave the rotation to ears and nose

Points = dict[str, Float64[np.ndarray, "T 3"]]


def head_points(at: Points) -> dict[str, Float64[np.ndarray, " 3"]]:
    """Where the head's points lie on it, m, from the middle of the ears: medians over time, 0 where never seen."""
    frame, found = _by_ears(at), {}
    for name in (name for name in HEAD_POINTS if name in at):
        inside = np.einsum("tji,tj->ti", frame, at[name] - at["Head"])
        inside = inside[np.isfinite(inside).all(axis=1)]
        found[name] = np.median(inside, axis=0) if len(inside) else np.zeros(3)
    return found


def head_frame(at: Points, face: dict[str, Float64[np.ndarray, " 3"]]) -> Float64[np.ndarray, "T 3 3"]:
    """world_from_head, of a person whose head's points lie where `face` says; NaN where too few are known."""
    frames = _by_ears(at)
    names = [name for name in face if name in at and face[name].any()]
    landmarks = [k for k, name in enumerate(names) if name in _LANDMARKS]
    if len(landmarks) < _ENOUGH:
        return frames
    own, seen = np.stack([face[name] for name in names]), np.stack([at[name] for name in names], axis=1)
    known = np.isfinite(seen).all(axis=2)
    use = np.flatnonzero(known[:, landmarks].sum(axis=1) >= _ENOUGH)
    w = known[use] * np.array([1.0 if name in _LANDMARKS else _OF_BODY for name in names])
    w = (w / w.sum(axis=1, keepdims=True))[..., None]
    target = np.where(known[use][..., None], seen[use], 0.0)
    target, source = target - (w * target).sum(axis=1, keepdims=True), own - (w * own).sum(axis=1, keepdims=True)
    frames[use] = nearest_rotation(np.einsum("tki,tkj->tij", w * target, source))
    return frames


def _by_ears(at: Points) -> Float64[np.ndarray, "T 3 3"]:
    """x along the line of the ears, z towards the nose."""
    return axis_frames("x", at["left_ear"] - at["right_ear"], "z", at["nose"] - at["Head"])
