"""The hands of synthetic people: five fingers of three segments, and how they move.

A finger has four degrees of freedom: it is spread and bent at its first joint, bent at the two others. A part's own
axes are those of the hand at rest, arms down: x forward, y left, z up, so that fingers point down and bend towards the
thigh. Lengths of the segments follow Buryanov and Kotiuk, Proportions of hand segments, Int. J. Morphol. 28 (2010),
755-758, as fractions of the body height; people differ around them.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.body.hands import FINGERS
from multiview.synthetic.paths import smoothed

__all__ = ["FINGER_JOINTS", "FINGER_TREE", "finger_rotations", "finger_scales"]


Offset = tuple[float, float, float]

# Where the first joint is in the hand, then the lengths of the three segments.
_ANATOMY: dict[str, tuple[Offset, Offset]] = {
    "thumb": ((0.011, -0.004, -0.018), (0.0264, 0.0181, 0.0146)),
    "forefinger": ((0.014, 0.0, -0.0555), (0.0227, 0.0128, 0.0112)),
    "middle_finger": ((0.002, 0.0, -0.0565), (0.0255, 0.0150, 0.0121)),
    "ring_finger": ((-0.008, 0.0, -0.0535), (0.0237, 0.0147, 0.0121)),
    "pinky_finger": ((-0.017, -0.001, -0.0485), (0.0187, 0.0103, 0.0113)),
}


def _tree() -> dict[str, tuple[str, Offset]]:
    tree: dict[str, tuple[str, Offset]] = {}
    for finger, (base, lengths) in _ANATOMY.items():
        tree[f"left_{finger}1"] = ("left_hand", base)
        for i in (1, 2):
            tree[f"left_{finger}{i + 1}"] = (f"left_{finger}{i}", (0.0, 0.0, -lengths[i - 1]))
    return tree


FINGER_TREE = _tree()
"""Part, named as the joint where it begins: its parent, and where it hangs on it. Left ones."""
FINGER_JOINTS: dict[str, tuple[str, Offset]] = {part: (part, (0.0, 0.0, 0.0)) for part in FINGER_TREE} | {
    f"left_{finger}4": (f"left_{finger}3", (0.0, 0.0, -lengths[2])) for finger, (_, lengths) in _ANATOMY.items()
}
"""Joint: its part, and where it sits on it. Left ones."""

# deg: of each finger, how far it is spread towards the thumb, and bent at its three joints. A thumb is spread away from
# the forefinger, and its joints bend across the palm.
_SHAPES: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "relaxed": {
        "thumb": (32, 12, 14, 12),
        "forefinger": (2, 22, 28, 16),
        "middle_finger": (0, 28, 32, 18),
        "ring_finger": (-2, 32, 34, 20),
        "pinky_finger": (-5, 34, 32, 20),
    },
    "open": {
        "thumb": (40, 0, 4, 2),
        "forefinger": (8, 4, 6, 4),
        "middle_finger": (1, 4, 6, 4),
        "ring_finger": (-7, 4, 7, 4),
        "pinky_finger": (-15, 5, 8, 5),
    },
    "fist": {
        "thumb": (30, 18, 36, 42),
        "forefinger": (1, 80, 96, 58),
        "middle_finger": (0, 84, 98, 60),
        "ring_finger": (-1, 84, 96, 60),
        "pinky_finger": (-3, 80, 92, 58),
    },
}
_SHAPES["point"] = _SHAPES["fist"] | {"forefinger": (2, 4, 6, 4)}
_ORDER = tuple(_SHAPES)
_THUMB_TURN_DEG = -62.0  # how far the thumb's nail is turned, forward, from the other fingers' nails
_MIRROR = np.diag([1.0, -1.0, 1.0])
_SECONDS, _CHANGE_S = 1.6, 0.09  # how long a shape is held on the average, and how fast it comes about


def finger_scales(rng: np.random.Generator) -> dict[str, Float64[np.ndarray, " 3"]]:
    """By what factor each part of one person's fingers differs from the mean, left and right alike."""
    return {part: np.full(3, np.exp(rng.normal(0.0, 0.04))) for part in FINGER_TREE}


def finger_rotations(instants: int, fps: float, rng: np.random.Generator) -> dict[str, Float64[np.ndarray, "T 3 3"]]:
    """Both hands' fingers against the parts that they hang on: one shape after another, and a tremble of each joint."""
    rotations: dict[str, np.ndarray] = {}
    for side in ("left", "right"):
        shape = _shape_at(instants, fps, rng)
        for finger in FINGERS:
            angles = np.array([_SHAPES[name][finger] for name in _ORDER], dtype=np.float64)[shape]
            angles = smoothed(angles, _CHANGE_S * fps, axis=0) + _tremble(instants, fps, rng)
            spread, bends = np.radians(angles[:, 0]), np.radians(angles[:, 1:])
            first = _about_y(-spread)
            if finger == "thumb":
                first = first @ _about_z(np.full(instants, np.radians(_THUMB_TURN_DEG)))
            for i in range(3):
                bend = _about_x(-bends[:, i])
                matrix = first @ bend if i == 0 else bend
                rotations[f"{side}_{finger}{i + 1}"] = matrix if side == "left" else _MIRROR @ matrix @ _MIRROR
    return rotations


def _shape_at(instants: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    """Which shape the hand has at each instant."""
    shapes: list[int] = []
    while len(shapes) < instants:
        shapes += [int(rng.integers(len(_ORDER)))] * max(2, round(rng.uniform(0.5, 1.5) * _SECONDS * fps))
    return np.array(shapes[:instants])


def _tremble(instants: int, fps: float, rng: np.random.Generator) -> np.ndarray:
    noise = smoothed(rng.normal(size=(instants, 4)), 0.4 * fps, axis=0, mode="wrap")
    return np.asarray(noise * (np.array([1.0, 3.0, 3.0, 2.0]) * np.sqrt(2 * np.sqrt(np.pi) * 0.4 * fps)))


def _about(axis: int, angle: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T 3 3"]:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    R = np.tile(np.eye(3), (len(angle), 1, 1))
    R[:, i, i] = R[:, j, j] = np.cos(angle)
    R[:, j, i] = np.sin(angle)
    R[:, i, j] = -R[:, j, i]
    return R


def _about_x(angle: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T 3 3"]:
    return _about(0, angle)


def _about_y(angle: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T 3 3"]:
    return _about(1, angle)


def _about_z(angle: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T 3 3"]:
    return _about(2, angle)
