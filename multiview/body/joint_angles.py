"""Joint angles for movement scientists, from joint positions alone, in degrees.

0 is the upright stance with arms hanging. Flexion is positive; hips also have abduction (positive away from the middle)
and extension is negative flexion. Angles that need a plane across the body take it from the line of the hips.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.body.kinematics import points

__all__ = ["joint_angles"]

_Vectors = Float64[np.ndarray, "T 3"]


def joint_angles(
    joints: tuple[str, ...], xyz: Float64[np.ndarray, "T J 3"], up: Float64[np.ndarray, " 3"] | None = None
) -> dict[str, Float64[np.ndarray, " T"]]:
    """Joint angles over time.

    Knee and elbow: 0 when straight. Hip flexion and abduction: the thigh's direction in the pelvis, without axial
    rotation. Shoulder elevation: between upper arm and trunk. Trunk inclination: between trunk and up. Ankle
    dorsiflexion, where toes are known: 0 at right angles.

    Args:
        joints: Names of the J joints.
        xyz: (T, J, 3) m, world, NaN where unknown.
        up: (3,) the world's up; z if None.

    Returns:
        (T,) deg by name, NaN where a joint is unknown.

    Raises:
        ConfigError: The skeleton lacks a limb.

    References:
        Wu et al. 2002, J. Biomechanics 35, 543-548.
    """
    at = points(joints, xyz)
    trunk = at["Neck"] - at["Hips"]
    vertical = np.broadcast_to(np.array([0.0, 0.0, 1.0]) if up is None else up, trunk.shape)
    left = at["LeftUpperLeg"] - at["RightUpperLeg"]
    left = left / np.linalg.norm(left, axis=1, keepdims=True)
    pelvis_up = trunk - np.sum(trunk * left, axis=1, keepdims=True) * left
    pelvis_up /= np.linalg.norm(pelvis_up, axis=1, keepdims=True)
    forward = np.cross(left, pelvis_up)
    angles = {"trunk_inclination_deg": _between(trunk, vertical)}
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        name = side.lower()
        thigh, shank = at[f"{side}LowerLeg"] - at[f"{side}UpperLeg"], at[f"{side}Foot"] - at[f"{side}LowerLeg"]
        upper, lower = at[f"{side}LowerArm"] - at[f"{side}UpperArm"], at[f"{side}Hand"] - at[f"{side}LowerArm"]
        length = np.linalg.norm(thigh, axis=1)
        ahead, down = np.sum(thigh * forward, axis=1), -np.sum(thigh * pelvis_up, axis=1)
        angles[f"{name}_hip_flexion_deg"] = np.degrees(np.arctan2(ahead, down))
        angles[f"{name}_hip_abduction_deg"] = sign * np.degrees(np.arcsin(np.sum(thigh * left, axis=1) / length))
        angles[f"{name}_knee_flexion_deg"] = _between(thigh, shank)
        angles[f"{name}_shoulder_elevation_deg"] = _between(upper, -trunk)
        angles[f"{name}_elbow_flexion_deg"] = _between(upper, lower)
        if f"{side}Toes" in at:
            foot = at[f"{side}Toes"] - at[f"{side}Foot"]
            angles[f"{name}_ankle_dorsiflexion_deg"] = 90.0 - _between(foot, -shank)
    return angles


def _between(a: _Vectors, b: _Vectors) -> Float64[np.ndarray, " T"]:
    """The angle between vectors, exact for small ones too (Kahan 2006)."""
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    half = np.arctan2(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    degrees: np.ndarray = np.degrees(2.0 * half)
    return degrees
