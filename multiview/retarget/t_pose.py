"""How the bones of a rest pose turn into the T-pose that a person's rotations start from.

Characters rest in an A-pose or a T-pose, with fingers bent or straight. Arms, legs and fingers are laid along those of
the person's T-pose by the smallest rotation, each on top of its parent's; the trunk and the head stay as they are. A
foot rests with its sole on the floor: so does the person's as they stand.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import HIERARCHY, Humanoid
from multiview.retarget.rig import Rig

__all__ = ["into_t_pose"]

_LIMB = ("UpperArm", "LowerArm", "UpperLeg", "LowerLeg")
_FINGER = ("Thumb", "Index", "Middle", "Ring", "Little")


def into_t_pose(rig: Rig, person: Humanoid, sole_slope: dict[str, float]) -> dict[str, Float64[np.ndarray, "3 3"]]:
    """For each bone of a human, its rotation from the rig's rest pose to the person's.

    Args:
        rig: The character.
        person: Who moves.
        sole_slope: rad, how far the line from ankle to toes points down while a foot is flat, by bone ("LeftFoot").

    Returns:
        (3, 3) by VRM's name, canonical axes.
    """
    places = rig.places
    rotations: dict[str, Float64[np.ndarray, "3 3"]] = {}
    for name, (parent, _) in HIERARCHY.items():
        if name not in rig.human:
            continue
        above = rotations.get(_nearest(parent, rotations), np.eye(3))
        if name.endswith("Foot"):
            rotations[name] = _foot(rig, places, name, sole_slope.get(name, 0.0))
            continue
        child = _laid_along(name)
        way = _offset(person, child)
        if child in rig.human and way is not None:
            own = above @ (places[rig.human[child]] - places[rig.human[name]])
            above = _smallest_rotation(own, way) @ above
        rotations[name] = above if name.startswith(("Left", "Right")) else np.eye(3)
    return rotations


def _laid_along(name: str) -> str:
    """The bone below that says where a bone of a limb points; empty for the trunk."""
    if name.endswith("Hand"):
        return name.removesuffix("Hand") + "MiddleProximal"
    if not name.endswith(_LIMB) and not any(finger in name for finger in _FINGER):
        return ""
    return next((child for child, (parent, _) in HIERARCHY.items() if parent == name), "")


def _nearest(name: str, rotations: dict[str, Float64[np.ndarray, "3 3"]]) -> str:
    while name and name not in rotations:
        name = HIERARCHY[name][0]
    return name


def _offset(person: Humanoid, name: str) -> Float64[np.ndarray, " 3"] | None:
    return next((bone.offset for bone in person.bones if bone.name == name and np.any(bone.offset)), None)


def _foot(rig: Rig, places: Float64[np.ndarray, "B 3"], name: str, slope: float) -> Float64[np.ndarray, "3 3"]:
    """Flat on the floor where the person's is; the toes' direction is theirs."""
    flat = Rotation.from_euler("x", -slope)
    toes = rig.human.get(name.replace("Foot", "Toes"))
    if toes is None:
        return flat.as_matrix()
    way = places[toes] - places[rig.human[name]]
    ahead: np.ndarray = (flat * Rotation.from_euler("y", -np.arctan2(way[0], way[2]))).as_matrix()
    return ahead


def _smallest_rotation(start: Float64[np.ndarray, " 3"], end: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "3 3"]:
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    axis = np.cross(start, end)
    sine = np.linalg.norm(axis)
    angle = np.arctan2(sine, start @ end)
    if sine < 1e-9:
        return np.eye(3) if start @ end > 0 else Rotation.from_rotvec([0.0, np.pi, 0.0]).as_matrix()
    rotation: np.ndarray = Rotation.from_rotvec(axis / sine * angle).as_matrix()
    return rotation
