"""The bones of fingers and their frames: VRM 1.0 names, three bones and a tip each, below LeftHand and RightHand.

In the rest pose, a T-pose with the palms down, a hand's x is to the person's left, y out of its back, z towards the
thumb; fingers lie straight along the arm, thumbs half-way forward. The hand's frame follows from the wrist and the
roots of middle, index and little finger; so the forearm's twist is seen in the hand. A finger's bone lies along its
joints, and its hinge axis as near to its parent's as that allows: fingers are not twisted.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from multiview.body.frames import axis_frames

__all__ = ["FINGER_HIERARCHY", "finger_frames", "finger_points", "finger_roots", "hand_frame"]

_FINGERS = {  # of the joints: the bones that begin at them
    "thumb": ("ThumbMetacarpal", "ThumbProximal", "ThumbDistal", "ThumbTip"),
    "forefinger": ("IndexProximal", "IndexIntermediate", "IndexDistal", "IndexTip"),
    "middle_finger": ("MiddleProximal", "MiddleIntermediate", "MiddleDistal", "MiddleTip"),
    "ring_finger": ("RingProximal", "RingIntermediate", "RingDistal", "RingTip"),
    "pinky_finger": ("LittleProximal", "LittleIntermediate", "LittleDistal", "LittleTip"),
}
_SIDES = (("Left", 1.0), ("Right", -1.0))
_DIAGONAL = float(np.sqrt(0.5))

Points = dict[str, Float64[np.ndarray, "T 3"]]


def _rest_direction(finger: str, x: float) -> tuple[float, float, float]:
    return (x * _DIAGONAL, 0.0, _DIAGONAL) if finger == "thumb" else (x, 0.0, 0.0)


FINGER_HIERARCHY: dict[str, tuple[str, tuple[float, float, float]]] = {
    f"{side}{bone}": (f"{side}Hand" if i == 0 else f"{side}{bones[i - 1]}", _rest_direction(finger, x))
    for side, x in _SIDES
    for finger, bones in _FINGERS.items()
    for i, bone in enumerate(bones)
}
"""Bone: its parent, and the direction of its offset from it in the rest pose; of a finger's first bone roughly."""


def finger_points(index: dict[str, int], xyz: Float64[np.ndarray, "T J 3"]) -> Points:
    """Where the bones of fingers begin, by bone; none of a hand whose joints are not all there."""
    found: Points = {}
    for side, _ in _SIDES:
        joints = {
            f"{side}{bone}": f"{side.lower()}_{finger}{i + 1}"
            for finger, bones in _FINGERS.items()
            for i, bone in enumerate(bones)
        }
        if all(joint in index for joint in joints.values()):
            found |= {bone: xyz[:, index[joint]] for bone, joint in joints.items()}
    return found


def hand_frame(at: Points, side: str) -> Float64[np.ndarray, "T 3 3"]:
    """world_from_hand, from the wrist and the fingers' roots."""
    x = 1.0 if side == "Left" else -1.0
    along = x * (at[f"{side}MiddleProximal"] - at[f"{side}Hand"])
    return axis_frames("x", along, "z", at[f"{side}IndexProximal"] - at[f"{side}LittleProximal"])


def finger_roots(at: Points, side: str) -> dict[str, Float64[np.ndarray, " 3"]]:
    """Where the fingers' first bones are in the hand's frame, m: medians over time, NaN where never seen."""
    frame = hand_frame(at, side)
    roots = {}
    for bones in _FINGERS.values():
        name = f"{side}{bones[0]}"
        inside = np.einsum("tji,tj->ti", frame, at[name] - at[f"{side}Hand"])
        inside = inside[np.isfinite(inside).all(axis=1)]
        roots[name] = np.median(inside, axis=0) if len(inside) else np.full(3, np.nan)
    return roots


def finger_frames(at: Points, side: str, hand: Float64[np.ndarray, "T 3 3"]) -> dict[str, Float64[np.ndarray, "T 3 3"]]:
    """World frames of the bones of a hand's fingers, but for the tips, which point where their parents do."""
    x = 1.0 if side == "Left" else -1.0
    frames = {}
    for finger, bones in _FINGERS.items():
        hinge = "y" if finger == "thumb" else "z"  # the axis that is carried on from the parent
        rest = axis_frames("x", np.array([_rest_direction(finger, x)]), hinge, np.eye(3)[["xyz".index(hinge)]])[0]
        before = hand
        for bone, following in pairwise(bones):
            way = at[f"{side}{following}"] - at[f"{side}{bone}"]
            before = axis_frames("x", way, hinge, before[:, :, "xyz".index(hinge)]) @ rest.T
            frames[f"{side}{bone}"] = before
    return frames
