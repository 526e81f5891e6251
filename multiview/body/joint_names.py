"""Joints by name across joint sets: other people's names for ours, and joints that follow from others."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["canonical_name", "select_joints"]

_SIDES = {"R": "right", "L": "left"}
_SHORT = {"Ank": "ankle", "Kne": "knee", "Hip": "hip", "Wri": "wrist", "Elb": "elbow", "Sho": "shoulder"}
_ALIASES = {f"{s}{short}": f"{side}_{joint}" for s, side in _SIDES.items() for short, joint in _SHORT.items()}
_ALIASES |= {"HeadBottom": "shelf_head_bottom", "HeadTop": "shelf_head_top"}
_MIDDLES = {
    "neck": ("left_shoulder", "right_shoulder"),
    "mid_hip": ("left_hip", "right_hip"),
    "mid_ear": ("left_ear", "right_ear"),
}


def canonical_name(joint: str) -> str:
    """Our name of a joint that a data set calls differently: `RAnk` is `right_ankle`."""
    return _ALIASES.get(joint, joint)


def select_joints(
    xyz: Float64[np.ndarray, "N J 3"], joints: tuple[str, ...], wanted: tuple[str, ...]
) -> Float64[np.ndarray, "N K 3"]:
    """The `wanted` joints of people whose `joints` are given; NaN where these do not have them.

    `neck`, `mid_hip` and `mid_ear` are the middle of the two sides where a person has no such joint; the ends of the
    head of the Shelf data set follow from shoulders, ears and nose.
    """
    index = {canonical_name(joint): i for i, joint in enumerate(joints)}
    unknown = np.full((len(xyz), 3), np.nan)

    def joint(name: str) -> np.ndarray:
        if name in index:
            return np.asarray(xyz[:, index[name]])
        if name in _MIDDLES:
            left, right = _MIDDLES[name]
            return np.asarray((joint(left) + joint(right)) / 2)
        if name in ("shelf_head_bottom", "shelf_head_top"):
            return _shelf_head(joint("neck"), joint("mid_ear"), joint("nose"))[name == "shelf_head_top"]
        return unknown

    if not wanted:
        return np.empty((len(xyz), 0, 3))
    return np.stack([joint(name) for name in wanted], axis=1)


def _shelf_head(s: np.ndarray, e: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the annotators of Shelf put the head's lower and upper end, given mid-shoulder, mid-ear and nose.

    The rule by which joint sets without these ends are compared on Shelf (as for VoxelPose, Tu et al. 2020, mixed with
    one from the ears).
    """
    bottom_a, top_a = s + 0.5 * (n - s), s + (n - s) * np.array([0.75, 0.75, 1.5])
    bottom_b = (s + e) / 2
    top_b = bottom_b + 2 * (e - bottom_b)
    return 0.75 * bottom_a + 0.25 * bottom_b, 0.75 * top_a + 0.25 * top_b
