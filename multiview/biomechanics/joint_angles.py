"""Joint angles by the recommendations of the International Society of Biomechanics, in degrees.

`ANGLES` says of each what it is, in which sequence of rotations, and which direction is positive. Between two segments
the sequence is Z, X, Y (flexion, then sideways, then axial: the joint coordinate system of Grood and Suntay 1983), of
the shoulder also Y, X, Y; of the pelvis Y, X, Z (Baker 2001), whose first two angles need the line of the hips alone.
Angles of the left side are of the mirrored body, so that flexion, abduction, internal rotation and so on are positive
on both sides. 0 is the anatomical position, but of the ankle: there the sole is at right angles to the shank.

NaN is what joints do not determine: of everybody the pelvis' tilt, the trunk's flexion against it, the angles across
knee and elbow and the wrist's axial rotation; without hands pronation and the wrist; without a small toe inversion; in
limbs straighter than `STRAIGHT_DEG` the axial rotation of thigh and upper arm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.biomechanics.segments import Segments, reach_of, segments

__all__ = ["ANGLES", "NEVER_KNOWN", "Angle", "joint_angles", "known_angles"]

_POLE_DEG = 20.0  # nearer to where two axes of a sequence coincide, its first and last angle mean nothing
_Angles = dict[str, Float64[np.ndarray, " T"]]


class Angle(NamedTuple):
    """What an angle is.

    Attributes:
        of: The segment that moves.
        against: What it moves against.
        sequence: Axes in the order of the rotations, and which of these the angle is.
        positive: The direction.
    """

    of: str
    against: str
    sequence: str
    positive: str


_MIDDLE = {
    "pelvis_obliquity": Angle("pelvis", "direction of travel", "YXZ 2nd", "right hip down"),
    "pelvis_rotation": Angle("pelvis", "direction of travel", "YXZ 1st", "to the left"),
    "pelvis_tilt": Angle("pelvis", "direction of travel", "YXZ 3rd", "forwards"),
    "trunk_inclination": Angle("thorax", "vertical", "angle", "any way"),
    "trunk_forward_tilt": Angle("thorax", "vertical, line of the hips", "ZXY 1st", "forwards"),
    "trunk_sideways_tilt": Angle("thorax", "vertical, line of the hips", "ZXY 2nd", "to the right"),
    "trunk_flexion": Angle("thorax", "pelvis", "ZXY 1st", "forwards"),
    "trunk_lateral_bending": Angle("thorax", "pelvis", "ZXY 2nd", "to the right"),
    "trunk_rotation": Angle("thorax", "pelvis", "ZXY 3rd", "to the left"),
    "neck_flexion": Angle("head", "thorax", "ZXY 1st", "forwards"),
    "neck_lateral_bending": Angle("head", "thorax", "ZXY 2nd", "to the right"),
    "neck_rotation": Angle("head", "thorax", "ZXY 3rd", "to the left"),
}
_OF_SIDE = {
    "hip_flexion": Angle("thigh", "pelvis", "ZXY 1st", "flexion"),
    "hip_abduction": Angle("thigh", "pelvis", "ZXY 2nd", "abduction"),
    "hip_rotation": Angle("thigh", "pelvis", "ZXY 3rd", "internal"),
    "knee_flexion": Angle("shank", "thigh", "ZXY 1st", "flexion"),
    "knee_adduction": Angle("shank", "thigh", "ZXY 2nd", "adduction"),
    "knee_rotation": Angle("shank", "thigh", "ZXY 3rd", "internal"),
    "ankle_dorsiflexion": Angle("foot", "shank", "ZXY 1st", "dorsiflexion"),
    "ankle_inversion": Angle("foot", "shank", "ZXY 2nd", "inversion"),
    "ankle_rotation": Angle("foot", "shank", "ZXY 3rd", "internal"),
    "shoulder_plane_of_elevation": Angle("humerus", "thorax", "YXY 1st", "0 sideways, 90 forwards"),
    "shoulder_elevation": Angle("humerus", "thorax", "YXY 2nd", "up"),
    "shoulder_axial_rotation": Angle("humerus", "thorax", "YXY 3rd", "internal"),
    "shoulder_flexion": Angle("humerus", "thorax", "ZXY 1st", "flexion"),
    "shoulder_abduction": Angle("humerus", "thorax", "ZXY 2nd", "abduction"),
    "shoulder_rotation": Angle("humerus", "thorax", "ZXY 3rd", "internal"),
    "elbow_flexion": Angle("forearm", "humerus", "ZXY 1st", "flexion"),
    "elbow_carrying_angle": Angle("forearm", "humerus", "ZXY 2nd", "adduction"),
    "elbow_pronation": Angle("forearm", "humerus", "ZXY 3rd", "pronation; 0 fully supinated"),
    "wrist_flexion": Angle("hand", "forearm", "ZXY 1st", "towards the palm"),
    "wrist_deviation": Angle("hand", "forearm", "ZXY 2nd", "towards the little finger"),
    "wrist_rotation": Angle("hand", "forearm", "ZXY 3rd", "pronation"),
}
ANGLES: dict[str, Angle] = {f"{name}_deg": angle for name, angle in _MIDDLE.items()} | {
    f"{side}_{name}_deg": angle for name, angle in _OF_SIDE.items() for side in ("left", "right")
}
"""Every angle, by the name it has in results and files."""

_NEVER = ("knee_adduction", "knee_rotation", "elbow_carrying_angle", "wrist_rotation")
NEVER_KNOWN = (
    "pelvis_tilt_deg",
    "trunk_flexion_deg",
    *(f"{side}_{name}_deg" for name in _NEVER for side in ("left", "right")),
)
"""Angles that no skeleton of joint centres determines."""


def known_angles(joints: tuple[str, ...]) -> tuple[str, ...]:
    """The angles that a skeleton determines.

    Args:
        joints: Names of its joints.

    Returns:
        Names, in the order of `ANGLES`.
    """
    has = reach_of(joints)
    needs = {"neck": has.head, "ankle_dorsi": has.foot, "ankle": has.sole, "pronation": has.hand, "wrist": has.hand}
    unknown = tuple(part for part, known in needs.items() if not known)
    foot_known = ("ankle_dorsiflexion",) if has.foot else ()
    return tuple(
        name
        for name in ANGLES
        if name not in NEVER_KNOWN and (not any(part in name for part in unknown) or any(n in name for n in foot_known))
    )


def joint_angles(
    joints: tuple[str, ...],
    xyz: Float64[np.ndarray, "T J 3"],
    up: Float64[np.ndarray, " 3"] | None = None,
    travel: Float64[np.ndarray, "T 3"] | None = None,
) -> _Angles:
    """Joint angles over time.

    Hip flexion is against a pelvis that tilts with the trunk, as no joint tells its own tilt.

    Args:
        joints: Names of the J joints.
        xyz: (T, J, 3) m, world, NaN where unknown.
        up: (3,) the world's up; z if None.
        travel: (T, 3) directions that the rotation of the pelvis is against; None: it is NaN.

    Returns:
        (T,) deg by the names of `ANGLES`, NaN where joints do not determine it.

    Raises:
        ConfigError: The skeleton lacks a limb.

    References:
        Grood and Suntay 1983, J. Biomech. Eng. 105, 136-144; Baker 2001, Gait & Posture 13, 1-6; Wu et al. 2002, J.
        Biomechanics 35, 543-548; Wu et al. 2005, J. Biomechanics 38, 981-992.
    """
    body = segments(joints, xyz)
    angles = {name: np.full(len(xyz), np.nan) for name in ANGLES}
    vertical = np.array([0.0, 0.0, 1.0]) if up is None else np.asarray(up) / np.linalg.norm(up)
    with np.errstate(invalid="ignore"):
        _middle(body, angles, vertical, travel)
        for side in ("left", "right"):
            for name, values in _side(body, side).items():
                angles[f"{side}_{name}_deg"] = np.degrees(values)
    return angles


def _middle(body: Segments, angles: _Angles, up: np.ndarray, travel: np.ndarray | None) -> None:
    pelvis, thorax = body.frame["pelvis"], body.frame["thorax"]
    vertical = np.broadcast_to(up, pelvis[:, :, 1].shape)
    level = _level(pelvis[:, :, 2], vertical)
    right = pelvis[:, :, 2]
    found = {
        "pelvis_obliquity": -np.arcsin(np.clip(np.sum(right * vertical, axis=1), -1, 1)),
        "trunk_inclination": _between(thorax[:, :, 1], vertical),
    }
    if travel is not None:
        forwards = travel - np.sum(travel * vertical, axis=1, keepdims=True) * vertical
        aside = np.cross(forwards, vertical)
        found["pelvis_rotation"] = np.arctan2(np.sum(right * forwards, axis=1), np.sum(right * aside, axis=1))
    forward, found["trunk_sideways_tilt"], _ = _zxy(level, thorax)
    found["trunk_forward_tilt"] = -forward
    _, found["trunk_lateral_bending"], found["trunk_rotation"] = _zxy(pelvis, thorax)
    if "head" in body.frame:
        back, found["neck_lateral_bending"], found["neck_rotation"] = _zxy(thorax, body.frame["head"])
        found["neck_flexion"] = -back
    angles |= {f"{name}_deg": np.degrees(values) for name, values in found.items()}


def _side(body: Segments, side: str) -> _Angles:
    """rad, of one side's joints."""
    mirror = 1.0 if side == "right" else -1.0  # of rotations about X and Y
    frame = {name.removeprefix(f"{side}_"): value for name, value in body.frame.items()}
    axis = {name: body.axis[f"{side}_{name}"] for name in ("thigh", "shank", "foot", "humerus", "forearm")}
    thigh_side, shank_side = (body.side[f"{side}_{name}"] for name in ("thigh", "shank"))
    found: _Angles = {}
    found["hip_flexion"], adduction = _zx(frame["pelvis"], axis["thigh"])
    found["hip_abduction"] = -mirror * adduction
    found["hip_rotation"] = mirror * _zxy(frame["pelvis"], frame["thigh"])[2]
    thigh = np.stack([np.cross(axis["thigh"], thigh_side), axis["thigh"], thigh_side], axis=-1)
    shank = np.stack([np.cross(axis["shank"], shank_side), axis["shank"], shank_side], axis=-1)
    found["knee_flexion"] = -_zx(thigh, axis["shank"])[0]
    along = np.einsum("tji,tj->ti", shank, axis["foot"])
    found["ankle_dorsiflexion"] = np.arctan2(along[:, 1], along[:, 0])
    if "foot" in frame:
        flexion, inversion, rotation = _zxy(frame["shank"], frame["foot"])
        known = np.isfinite(flexion)
        found["ankle_dorsiflexion"] = np.where(known, flexion, found["ankle_dorsiflexion"])
        found["ankle_inversion"] = mirror * inversion
        found["ankle_rotation"] = mirror * rotation
    found |= _shoulder(frame["thorax"], axis["humerus"], frame["humerus"], mirror)
    found["elbow_flexion"] = _between(axis["humerus"], axis["forearm"])
    found["elbow_pronation"] = mirror * _zxy(frame["humerus"], frame["forearm"])[2]
    found["wrist_flexion"], deviation, _ = _zxy(frame["forearm"], frame["hand"])
    found["wrist_deviation"] = mirror * deviation
    return found


def _shoulder(thorax: np.ndarray, axis: np.ndarray, humerus: np.ndarray, mirror: float) -> _Angles:
    x, z = np.sum(thorax[:, :, 0] * axis, axis=1), mirror * np.sum(thorax[:, :, 2] * axis, axis=1)
    found = {"shoulder_elevation": _between(thorax[:, :, 1], axis)}
    pole = np.sin(found["shoulder_elevation"]) < np.sin(np.radians(_POLE_DEG))
    found["shoulder_plane_of_elevation"] = np.where(pole, np.nan, np.arctan2(-x, -z))
    R = np.swapaxes(thorax, 1, 2) @ humerus
    found["shoulder_axial_rotation"] = np.where(pole, np.nan, np.arctan2(-R[:, 1, 0], mirror * R[:, 1, 2]))
    flexion, adduction = _zx(thorax, axis)
    rotation = _zxy(thorax, humerus)[2]
    pole = np.abs(adduction) > np.radians(90.0 - _POLE_DEG)
    found["shoulder_flexion"] = np.where(pole, np.nan, flexion)
    found["shoulder_abduction"] = -mirror * adduction
    found["shoulder_rotation"] = np.where(pole, np.nan, mirror * rotation)
    return found


def _zx(frame: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first two angles of the sequence Z, X, Y, which need the long axis alone, rad."""
    along = np.einsum("tji,tj->ti", frame, axis)
    return np.arctan2(-along[:, 0], along[:, 1]), np.arcsin(np.clip(along[:, 2], -1.0, 1.0))


def _zxy(frame: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The angles of the sequence Z, X, Y that turn one frame into another, rad."""
    R = np.swapaxes(frame, 1, 2) @ other
    first = np.arctan2(-R[:, 0, 1], R[:, 1, 1])
    return first, np.arcsin(np.clip(R[:, 2, 1], -1.0, 1.0)), np.arctan2(-R[:, 2, 0], R[:, 2, 2])


def _level(right: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Frames with Y up and Z as near the line of the hips as that allows."""
    level = right - np.sum(right * up, axis=1, keepdims=True) * up
    level /= np.linalg.norm(level, axis=1, keepdims=True)
    return np.stack([np.cross(up, level), up, level], axis=-1)


def _between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The angle between unit vectors, rad, exact for small ones too (Kahan 2006)."""
    angle: np.ndarray = 2.0 * np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return angle
