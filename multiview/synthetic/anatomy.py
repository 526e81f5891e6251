"""A person's build and posture: rigid parts hung on each other, and where the named joints sit on them.

A part's own axes, in the rest posture (standing, arms down): x forward, y left, z up. Every joint is fixed to one part,
so that bones keep their length whatever the person does. Proportions follow Winter, Biomechanics and Motor Control of
Human Movement (2009), section 4.1, as fractions of the body height; people differ around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from multiview.errors import ConfigError
from multiview.synthetic.hands import FINGER_JOINTS, FINGER_TREE, finger_scales

__all__ = [
    "BODY_PARTS",
    "FINGER_PARTS",
    "Build",
    "Posture",
    "arm_offsets",
    "has_fingers",
    "joint_names",
    "joint_positions",
    "part_frames",
    "part_offset",
    "random_build",
]

# part: (parent, where it hangs on the parent). Left ones; the right side is the mirror image.
_TREE = {
    "pelvis": ("", (0.0, 0.0, 0.0)),
    "torso": ("pelvis", (0.0, 0.0, 0.06)),
    "head": ("torso", (0.0, 0.0, 0.258)),
    "left_upper_arm": ("torso", (0.0, 0.105, 0.228)),
    "left_forearm": ("left_upper_arm", (0.0, 0.0, -0.172)),
    "left_hand": ("left_forearm", (0.0, 0.0, -0.146)),
    "left_thigh": ("pelvis", (0.0, 0.055, 0.0)),
    "left_shank": ("left_thigh", (0.0, 0.0, -0.245)),
    "left_foot": ("left_shank", (0.0, 0.0, -0.246)),
}

# joint: (part, where it sits on the part)
_JOINTS = {
    "mid_hip": ("pelvis", (0.0, 0.0, 0.0)),
    "neck": ("torso", (0.0, 0.0, 0.228)),
    "nose": ("head", (0.062, 0.0, 0.072)),
    "head_top": ("head", (0.0, 0.0, 0.152)),
    "left_eye": ("head", (0.052, 0.018, 0.090)),
    "left_eye_inner": ("head", (0.054, 0.010, 0.090)),
    "left_eye_outer": ("head", (0.047, 0.026, 0.090)),
    "left_ear": ("head", (0.002, 0.043, 0.078)),
    "left_mouth": ("head", (0.055, 0.014, 0.047)),
    "left_shoulder": ("left_upper_arm", (0.0, 0.0, 0.0)),
    "left_elbow": ("left_forearm", (0.0, 0.0, 0.0)),
    "left_wrist": ("left_hand", (0.0, 0.0, 0.0)),
    "left_hip": ("left_thigh", (0.0, 0.0, 0.0)),
    "left_knee": ("left_shank", (0.0, 0.0, 0.0)),
    "left_ankle": ("left_foot", (0.0, 0.0, 0.0)),
    "left_heel": ("left_foot", (-0.033, 0.0, -0.036)),
    "left_big_toe": ("left_foot", (0.108, -0.012, -0.037)),
    "left_small_toe": ("left_foot", (0.090, 0.026, -0.037)),
    "left_foot_index": ("left_foot", (0.105, 0.0, -0.036)),
    "left_hand_root": ("left_hand", (0.0, 0.0, -0.006)),
    "left_thumb": ("left_hand", (0.026, 0.0, -0.036)),
    "left_index": ("left_hand", (0.014, 0.0, -0.055)),
    "left_pinky": ("left_hand", (-0.016, 0.0, -0.048)),
}


def _face() -> dict[str, tuple[str, tuple[float, float, float]]]:
    """The 68 points of the iBUG 300-W markup on a face 0.08 of the height wide, from the right ear on."""
    points = np.empty((68, 2))  # left of and above the nose's root, in half widths of the face
    jaw = np.linspace(-np.pi / 2, np.pi / 2, 17)
    points[:17] = np.stack([np.sin(jaw), -1.35 * np.cos(jaw)], axis=-1)
    brow = np.linspace(0, 1, 5)
    points[17:22] = np.stack([-0.85 + 0.65 * brow, 0.35 + 0.15 * np.sin(np.pi * brow)], axis=-1)
    points[22:27] = points[17:22][::-1] * [-1, 1]
    points[27:31] = [[0.0, 0.0], [0.0, -0.15], [0.0, -0.3], [0.0, -0.45]]
    points[31:36] = np.stack([np.linspace(-0.2, 0.2, 5), [-0.5, -0.54, -0.56, -0.54, -0.5]], axis=-1)
    lid = -np.pi * np.arange(6) / 3 + np.pi
    points[36:42] = np.stack([-0.45 + 0.18 * np.cos(lid), 0.08 + 0.07 * np.sin(lid)], axis=-1)
    points[42:48] = np.stack([0.45 + 0.18 * np.cos(lid), 0.08 + 0.07 * np.sin(lid)], axis=-1)
    lips = -2 * np.pi * np.arange(12) / 12 + np.pi
    points[48:60] = np.stack([0.36 * np.cos(lips), -0.85 + 0.16 * np.sin(lips)], axis=-1)
    lips = -2 * np.pi * np.arange(8) / 8 + np.pi
    points[60:68] = np.stack([0.26 * np.cos(lips), -0.85 + 0.06 * np.sin(lips)], axis=-1)
    half_width = 0.04
    depth = 0.056 - 0.05 * points[:, 0] ** 2  # the face is round
    depth[30] += 0.007
    names = [*(f"face_{i}" for i in range(len(points))), "left_pupil"]
    places = np.column_stack([depth, half_width * points[:, 0], 0.088 + half_width * points[:, 1]])
    places = np.vstack([places, places[42:48].mean(axis=0)])
    return {name: ("head", (float(x), float(y), float(z))) for name, (x, y, z) in zip(names, places, strict=True)}


def _with_right_side(left: dict[str, tuple[str, tuple[float, float, float]]]) -> dict[str, tuple[str, np.ndarray]]:
    both: dict[str, tuple[str, np.ndarray]] = {}
    for name, (part, offset) in left.items():
        both[name] = (part, np.array(offset))
        if name.startswith("left_"):
            mirrored = part.replace("left_", "right_")
            both[name.replace("left_", "right_")] = (mirrored, np.array(offset) * [1, -1, 1])
    return both


_BODY = _with_right_side(_TREE)
_PARTS = _BODY | _with_right_side(FINGER_TREE)
_POINTS = _with_right_side(_JOINTS | FINGER_JOINTS | _face())
BODY_PARTS, FINGER_PARTS = tuple(_BODY), tuple(part for part in _PARTS if part not in _BODY)


@dataclass(frozen=True, slots=True, eq=False)
class Build:
    """One person's body: `height` m, and by what factors the place where each part hangs differs from the mean."""

    height: float
    scale: dict[str, Float64[np.ndarray, " 3"]]


@dataclass(frozen=True, slots=True, eq=False)
class Posture:
    """Where the pelvis is, and how each part is rotated against the part it hangs on, at T instants."""

    pelvis: Float64[np.ndarray, "T 3"]
    rotation: dict[str, Float64[np.ndarray, "T 3 3"]]


def random_build(rng: np.random.Generator) -> Build:
    """A grown-up between 1.50 and 1.98 m, left and right alike."""
    height = float(np.clip(rng.normal(1.71, 0.09), 1.50, 1.98))
    scale: dict[str, np.ndarray] = {}
    for part in _BODY:
        if not part.startswith("right_"):
            scale[part] = np.exp(rng.normal(0.0, [0.04, 0.07, 0.04]))
    scale |= finger_scales(rng.spawn(1)[0])
    for part in _PARTS:
        if part.startswith("right_"):
            scale[part] = scale[part.replace("right_", "left_")]
    return Build(height, scale)


def has_fingers(joints: tuple[str, ...]) -> bool:
    """Whether some of these joints lie on fingers, so that a posture must say how these are bent."""
    return any(_POINTS[joint][0] not in _BODY for joint in joints if joint in _POINTS)


def joint_names() -> tuple[str, ...]:
    """Every joint that a synthetic person has."""
    return tuple(_POINTS)


def arm_offsets(
    build: Build, side: str
) -> tuple[Float64[np.ndarray, " 3"], Float64[np.ndarray, " 3"], Float64[np.ndarray, " 3"]]:
    """Where the shoulder is in the torso, the elbow in the upper arm and the wrist in the forearm, m."""
    shoulder, elbow, wrist = (part_offset(build, f"{side}_{part}") for part in ("upper_arm", "forearm", "hand"))
    return shoulder, elbow, wrist


def part_offset(build: Build, part: str) -> Float64[np.ndarray, " 3"]:
    """Where a part hangs on its parent, in the parent's axes, m."""
    offset: np.ndarray = build.height * build.scale[part] * _PARTS[part][1]
    return offset


def part_frames(
    build: Build, posture: Posture, parts: Sequence[str] = BODY_PARTS
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rotation world_from_part (T, 3, 3) of each of some parts, parents first, and where it hangs (T, 3), m, world."""
    world_from_part: dict[str, np.ndarray] = {}
    at: dict[str, np.ndarray] = {}
    for part in parts:
        parent = _PARTS[part][0]
        if not parent:
            world_from_part[part], at[part] = posture.rotation[part], posture.pelvis
            continue
        world_from_part[part] = world_from_part[parent] @ posture.rotation[part]
        at[part] = at[parent] + world_from_part[parent] @ part_offset(build, part)
    return world_from_part, at


def joint_positions(build: Build, posture: Posture, joints: tuple[str, ...]) -> Float64[np.ndarray, "T J 3"]:
    """Where `joints` are in the world, m; ConfigError if a synthetic person has no such joint."""
    unknown = [joint for joint in joints if joint not in _POINTS]
    if unknown:
        raise ConfigError(f"a synthetic person has no joint {', '.join(unknown)}; it has {', '.join(_POINTS)}")
    world_from_part, at = part_frames(build, posture, _needed(joints))
    xyz = np.empty((len(posture.pelvis), len(joints), 3))
    for i, joint in enumerate(joints):
        part, offset = _POINTS[joint]
        # The neck is the middle of the shoulders, whatever their height and width.
        grown = build.scale["left_upper_arm"] if joint == "neck" else 1.0
        xyz[:, i] = at[part] + world_from_part[part] @ (build.height * grown * offset)
    return xyz


def _needed(joints: tuple[str, ...]) -> list[str]:
    """The parts that these joints hang on, parents first."""
    needed: set[str] = set()
    for joint in joints:
        part = _POINTS[joint][0]
        while part:
            needed.add(part)
            part = _PARTS[part][0]
    return [part for part in _PARTS if part in needed]
