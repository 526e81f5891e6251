"""Joint angles of a person over time with their standard deviations, and the direction in which they travel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.biomechanics.joint_angles import joint_angles
from multiview.biomechanics.movement import Movement, propagated_sd
from multiview.biomechanics.segments import is_used

__all__ = ["MeasuredAngles", "measured_angles", "travel_direction"]

_WINDOW_S = 1.1  # the direction of travel is that over so long: about a stride, in which the hips sway to both sides
_TRAVEL_LEGS = 0.3  # whoever gets on by less, in leg lengths, has none


class MeasuredAngles(NamedTuple):
    """(T,) deg by the names of `multiview.biomechanics.joint_angles.ANGLES`, and (T,) deg, their deviations."""

    value: dict[str, Float64[np.ndarray, " T"]]
    sd: dict[str, Float64[np.ndarray, " T"]]


def measured_angles(person: Movement, up: Float64[np.ndarray, " 3"] | None = None) -> MeasuredAngles:
    """A person's joint angles.

    Args:
        person: Their movement.
        up: (3,) the world's up; z if None.

    Returns:
        The angles, and standard deviations that follow from the joints' covariance; NaN where that is unknown.

    Raises:
        ConfigError: The skeleton lacks a limb.
    """
    used = [i for i, joint in enumerate(person.joints) if is_used(joint)]
    joints = tuple(person.joints[i] for i in used)
    travel = travel_direction(person, up)
    value = joint_angles(joints, person.xyz[:, used], up, travel)

    def angles(xyz: Float64[np.ndarray, "N J 3"], frames: Int64[np.ndarray, " N"]) -> Float64[np.ndarray, "N K"]:
        return np.stack([*joint_angles(joints, xyz, up, travel[frames]).values()], axis=1)

    sd = propagated_sd(angles, person.xyz[:, used], person.cov[:, used], 360.0)
    return MeasuredAngles(value, {name: sd[:, i] for i, name in enumerate(value)})


def travel_direction(person: Movement, up: Float64[np.ndarray, " 3"] | None = None) -> Float64[np.ndarray, "T 3"]:
    """Where the hips go, over about a stride, level.

    Args:
        person: The movement.
        up: (3,) the world's up; z if None.

    Returns:
        (T, 3) unit vectors, NaN where the person stays in place, or was not seen before or after.
    """
    vertical = np.array([0.0, 0.0, 1.0]) if up is None else up / np.linalg.norm(up)
    hips = person.at("left_hip", "right_hip")
    window = min(max(1, round(_WINDOW_S * person.rate)), len(hips) - 1)
    before = np.clip(np.arange(len(hips)) - window // 2, 0, len(hips) - 1 - window)
    way = hips[before + window] - hips[before]
    way -= (way @ vertical)[:, None] * vertical
    length = np.linalg.norm(way, axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        travel: np.ndarray = np.where(length > _TRAVEL_LEGS * person.leg_m, way / length, np.nan)
    return travel
