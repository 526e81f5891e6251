"""Frames of the body's segments by the recommendations of the ISB, as far as joints determine them.

Every frame has X forwards, Y up and Z to the person's right in the anatomical position (standing, palms forwards), on
the left side too. Joints are centres of joints, not landmarks of bones, so that some axes have another source:

- pelvis: Z along the line of the hips; Y towards the shoulders as far as that allows. No joint tells the pelvis' own
  tilt: its frame goes with the trunk.
- thorax: Y from the middle of the hips to that of the shoulders; Z near the line of the shoulders.
- head: Z along the line of the ears; X towards the face, level with nose and eyes at a third of the way up.
- humerus: Y from elbow to shoulder; Z perpendicular to the plane of the arm (Wu 2005, second option).
- forearm: Y from wrist to elbow; Z perpendicular to the palm's normal: the wrist does not turn about the forearm.
- hand: Y from the knuckles to the wrist; Z along the knuckles.
- thigh and shank: Y from the distal to the proximal joint; Z, of both, perpendicular to the plane of the leg: the knee
  only bends. In a leg straighter than `STRAIGHT_DEG` there is no such plane.
- foot: X from the heel to the second toe; Y near the normal of the sole. Without a small toe, Z stays unknown.

References:
    Wu et al. 2002, J. Biomechanics 35, 543-548; Wu et al. 2005, J. Biomechanics 38, 981-992.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.errors import ConfigError

__all__ = ["STRAIGHT_DEG", "Reach", "Segments", "is_used", "reach_of", "segments"]

STRAIGHT_DEG = 10.0
"""Elbows and knees that are bent less have no plane."""

_NEEDED = tuple(
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
_TOES = ("big_toe", "foot_index")
_KNUCKLES = (("forefinger1", "ring_finger1", "pinky_finger1"), ("index", "pinky"))  # from the thumb on
_Vectors = Float64[np.ndarray, "T 3"]
_Frames = Float64[np.ndarray, "T 3 3"]
_FEET = ("small_toe", "heel", *_TOES)
_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


class Reach(NamedTuple):
    """Which parts of the body a skeleton shows: head, direction of the feet, plane of the soles, hands."""

    head: bool
    foot: bool
    sole: bool
    hand: bool


def reach_of(joints: tuple[str, ...]) -> Reach:
    """What a skeleton shows beside trunk and limbs.

    Args:
        joints: Names of its joints.

    Returns:
        The parts.
    """
    left = {joint.removeprefix("left_") for joint in joints if joint.startswith("left_")}
    return Reach(
        head=set(_HEAD) <= set(joints),
        foot=not left.isdisjoint(_TOES),
        sole={"big_toe", "small_toe"} <= left,
        hand=any(set(hand) <= left for hand in _KNUCKLES),
    )


def is_used(joint: str) -> bool:
    """Whether a frame may depend on a joint.

    Args:
        joint: Its name.

    Returns:
        False of most of the face, and of fingers beyond the knuckles.
    """
    name = joint.removeprefix("left_").removeprefix("right_")
    return joint in _NEEDED or joint in _HEAD or name in _FEET or any(name in hand for hand in _KNUCKLES)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """World frames of T instants, columns X, Y, Z, NaN where joints do not determine them.

    Attributes:
        frame: (T, 3, 3) by name: pelvis, thorax, head, left_humerus, left_forearm, left_hand, left_thigh, left_shank,
            left_foot, and right ones.
        axis: (T, 3) long axes, Y of humerus, forearm, thigh and shank and X of foot, that are known in straight limbs
            too, by name.
        side: (T, 3) Z of a thigh and shank whose leg may be straight: by the leg's plane, else by foot and pelvis.
        origin: (T, 3) m, where each begins: its proximal joint, of pelvis and thorax the middle of two.
    """

    frame: dict[str, _Frames]
    axis: dict[str, _Vectors]
    side: dict[str, _Vectors]
    origin: dict[str, _Vectors]


def segments(joints: tuple[str, ...], xyz: Float64[np.ndarray, "T J 3"]) -> Segments:
    """The frames of the segments.

    Args:
        joints: Names of the J joints.
        xyz: (T, J, 3) m, world, NaN where unknown.

    Returns:
        The frames.

    Raises:
        ConfigError: The skeleton lacks a shoulder, elbow, wrist, hip, knee or ankle.
    """
    missing = [name for name in _NEEDED if name not in joints]
    if missing:
        raise ConfigError(f"joint angles need {', '.join(missing)}, which the skeleton does not have")
    at = {name: xyz[:, i] for i, name in enumerate(joints)}
    unknown = np.full((len(xyz), 3), np.nan)
    found = Segments({}, {}, {}, {})
    with np.errstate(invalid="ignore", divide="ignore"):
        _trunk(at, found)
        for side, right in (("left", -1.0), ("right", 1.0)):
            _leg(at, found, side, right, unknown)
            _arm(at, found, side, right, unknown)
    return found


def _trunk(at: dict[str, _Vectors], found: Segments) -> None:
    hips, shoulders = (0.5 * (at[f"left_{joint}"] + at[f"right_{joint}"]) for joint in ("hip", "shoulder"))
    up = shoulders - hips
    found.frame["pelvis"] = _frame("z", at["right_hip"] - at["left_hip"], "y", up)
    found.frame["thorax"] = _frame("y", up, "z", at["right_shoulder"] - at["left_shoulder"])
    found.origin.update({"pelvis": hips, "thorax": shoulders, "head": shoulders})
    if set(_HEAD) <= set(at):
        ears = 0.5 * (at["left_ear"] + at["right_ear"])
        face = (2 * at["nose"] + 0.5 * (at["left_eye"] + at["right_eye"])) / 3
        found.frame["head"] = _frame("z", at["right_ear"] - at["left_ear"], "x", face - ears)
        found.origin["head"] = ears


def _leg(at: dict[str, _Vectors], found: Segments, side: str, right: float, unknown: _Vectors) -> None:
    hip, knee, ankle = (at[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle"))
    thigh, shank = _unit(hip - knee), _unit(knee - ankle)
    pelvis = found.frame["pelvis"][:, :, 2]
    hinge = np.cross(shank, thigh)  # of a bent knee to the right: X backwards along the shank times Y
    hinge *= np.where(np.sum(hinge * pelvis, axis=1, keepdims=True) < 0, -1.0, 1.0)  # one bent the other way
    bent = _bent(thigh, shank)[:, None]
    foot, toe = unknown, next((f"{side}_{name}" for name in _TOES if f"{side}_{name}" in at), None)
    if toe is not None:
        small, heel = at.get(f"{side}_small_toe"), at.get(f"{side}_heel", ankle)
        second = at[toe] if small is None or toe.endswith("index") else (2 * at[toe] + small) / 3
        foot = second - heel
        sideways = unknown if small is None else right * (small - at[toe])
        found.frame[f"{side}_foot"] = _frame("x", foot, "z", sideways)
        found.origin[f"{side}_foot"] = heel
    found.axis.update({f"{side}_thigh": thigh, f"{side}_shank": shank, f"{side}_foot": _unit(foot)})
    by_foot = np.cross(foot, shank)
    straight = np.where(np.isfinite(by_foot), by_foot, pelvis)
    for name, axis, otherwise in (("thigh", thigh, pelvis), ("shank", shank, straight)):
        found.frame[f"{side}_{name}"] = _frame("y", axis, "z", np.where(bent, hinge, np.nan))
        found.side[f"{side}_{name}"] = _frame("y", axis, "z", np.where(bent, hinge, otherwise))[:, :, 2]
    found.origin.update({f"{side}_thigh": hip, f"{side}_shank": knee})


def _arm(at: dict[str, _Vectors], found: Segments, side: str, right: float, unknown: _Vectors) -> None:
    shoulder, elbow, wrist = (at[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
    upper, lower = _unit(shoulder - elbow), _unit(elbow - wrist)
    hinge = np.where(_bent(upper, lower)[:, None], np.cross(upper, lower), np.nan)
    found.frame[f"{side}_humerus"] = _frame("y", upper, "z", hinge)
    found.axis.update({f"{side}_humerus": upper, f"{side}_forearm": lower})
    names = ([f"{side}_{knuckle}" for knuckle in hand] for hand in _KNUCKLES)
    knuckles = next((hand for hand in names if set(hand) <= set(at)), None)
    if knuckles is None:
        hand = np.tile(unknown[:, :, None], (1, 1, 3))
    else:
        first, last = at[knuckles[0]], np.mean([at[name] for name in knuckles[1:]], axis=0)
        hand = _frame("y", wrist - 0.5 * (first + last), "z", right * (first - last))
    found.frame[f"{side}_hand"] = hand
    found.frame[f"{side}_forearm"] = _frame("y", lower, "z", np.cross(hand[:, :, 0], lower))
    found.origin.update({f"{side}_humerus": shoulder, f"{side}_forearm": elbow, f"{side}_hand": wrist})


def _bent(a: _Vectors, b: _Vectors) -> np.ndarray:
    bent: np.ndarray = np.sum(a * b, axis=1) < np.cos(np.radians(STRAIGHT_DEG))
    return bent


def _unit(vectors: _Vectors) -> _Vectors:
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def _frame(exact: str, exactly: _Vectors, near: str, nearly: _Vectors) -> _Frames:
    """Frames whose axis `exact` points along `exactly`, and `near` as near `nearly` as that allows."""
    first = _unit(exactly)
    second = _unit(nearly - np.sum(nearly * first, axis=1, keepdims=True) * first)
    i, j = "xyz".index(exact), "xyz".index(near)
    third = np.cross(first, second) * (1.0 if (j - i) % 3 == 1 else -1.0)
    columns = {i: first, j: second, 3 - i - j: third}
    return np.stack([columns[k] for k in range(3)], axis=-1)
