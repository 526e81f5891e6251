"""The body's centre of mass, from joints and a table of the segments' masses.

The centre of each segment is between two joints, so that the whole body's is a fixed weighted mean of joints: its
covariance follows exactly. Of the head the table has the crown, which few skeletons have: its centre is taken half-way
between the ears. Without feet or hands their centre is that of the ankle, and beyond the wrist in the forearm's
direction.

References:
    de Leva 1996, J. Biomechanics 29, 1223-1230, table 4 with the alternative endpoints of its lower half.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.biomechanics.movement import Movement
from multiview.errors import ConfigError

__all__ = ["SEGMENT_MASSES", "CentreOfMass", "Sex", "centre_of_mass", "joint_weights"]

Sex = Literal["female", "male", "unknown"]
"""Whose table; unknown: the mean of both."""


class Segment(NamedTuple):
    """Share of the body's mass, and the centre's share of the way between the segment's ends: women's, men's."""

    mass: tuple[float, float]
    centre: tuple[float, float]


SEGMENT_MASSES: dict[str, Segment] = {
    "head": Segment((0.0668, 0.0694), (0.0, 0.0)),
    "trunk": Segment((0.4257, 0.4346), (0.3782, 0.4310)),  # middle of the shoulders to middle of the hips
    "upper_arm": Segment((0.0255, 0.0271), (0.5754, 0.5772)),
    "forearm": Segment((0.0138, 0.0162), (0.4559, 0.4574)),
    "hand": Segment((0.0056, 0.0061), (0.7474, 0.7900)),  # wrist to third knuckle
    "thigh": Segment((0.1478, 0.1416), (0.3612, 0.4095)),
    "shank": Segment((0.0481, 0.0433), (0.4352, 0.4395)),  # knee to centre of the ankle
    "foot": Segment((0.0129, 0.0137), (0.4014, 0.4415)),  # heel to tip of the longest toe
}
_HAND_BEYOND = (1.0 + 0.0583 / 0.2643, 1.0 + 0.0681 / 0.2689)  # of the forearm, from the elbow: where the hand's is
_LIMBS = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
}
_HAND_ENDS = ("middle_finger1", "index")
_TOES = ("big_toe", "foot_index")


class CentreOfMass(NamedTuple):
    """(T, 3) m, world, and (T, 3, 3) m^2, the covariance that follows from the joints'; NaN where one is unknown."""

    xyz: Float64[np.ndarray, "T 3"]
    cov: Float64[np.ndarray, "T 3 3"]


def centre_of_mass(person: Movement, sex: Sex = "unknown") -> CentreOfMass:
    """Where the centre of a person's mass is.

    Args:
        person: Their movement.
        sex: Whose table of masses.

    Returns:
        The centre; the spread of people around the table (about 1 % of the height) is not in its covariance.

    Raises:
        ConfigError: The skeleton lacks a limb, or has no head.
    """
    weights = joint_weights(person.joints, sex)
    used = np.flatnonzero(weights)
    xyz = np.einsum("j,tji->ti", weights[used], person.xyz[:, used])
    return CentreOfMass(xyz, np.einsum("j,tjik->tik", weights[used] ** 2, person.cov[:, used]))


def joint_weights(joints: tuple[str, ...], sex: Sex = "unknown") -> Float64[np.ndarray, " J"]:
    """The weights of the joints in the centre of mass.

    Args:
        joints: Names of the J joints.
        sex: Whose table.

    Returns:
        (J,), 1 in sum.

    Raises:
        ConfigError: The skeleton lacks a limb, or has no head.
    """
    both = {"female": (1.0, 0.0), "male": (0.0, 1.0), "unknown": (0.5, 0.5)}[sex]
    weights = np.zeros(len(joints))

    def of(pair: tuple[float, float]) -> float:
        return both[0] * pair[0] + both[1] * pair[1]

    def add(mass: float, *names: str) -> None:
        for name in names:
            if name not in joints:
                raise ConfigError(f"the centre of mass needs {name}, which the skeleton does not have")
            weights[joints.index(name)] += mass / len(names)

    def between(mass: float, share: float, first: tuple[str, ...], second: tuple[str, ...]) -> None:
        add(mass * (1 - share), *first)
        add(mass * share, *second)

    head = of(SEGMENT_MASSES["head"].mass)
    add(head, *(("left_ear", "right_ear") if {"left_ear", "right_ear"} <= set(joints) else ("nose",)))
    trunk = SEGMENT_MASSES["trunk"]
    hips, shoulders = (tuple(f"{side}_{joint}" for side in ("left", "right")) for joint in ("hip", "shoulder"))
    between(of(trunk.mass), of(trunk.centre), shoulders, hips)
    for side in ("left", "right"):
        for name, (first, second) in _LIMBS.items():
            limb = SEGMENT_MASSES[name]
            between(of(limb.mass), of(limb.centre), (f"{side}_{first}",), (f"{side}_{second}",))
        hand, foot = SEGMENT_MASSES["hand"], SEGMENT_MASSES["foot"]
        knuckle = next((f"{side}_{end}" for end in _HAND_ENDS if f"{side}_{end}" in joints), None)
        if knuckle is not None:
            between(of(hand.mass), of(hand.centre), (f"{side}_wrist",), (knuckle,))
        else:
            between(of(hand.mass), of(_HAND_BEYOND), (f"{side}_elbow",), (f"{side}_wrist",))
        toe = next((f"{side}_{end}" for end in _TOES if f"{side}_{end}" in joints), None)
        if toe is not None and f"{side}_heel" in joints:
            between(of(foot.mass), of(foot.centre), (f"{side}_heel",), (toe,))
        else:
            add(of(foot.mass), f"{side}_ankle")
    return weights / weights.sum()
