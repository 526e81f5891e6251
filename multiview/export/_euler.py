"""Rotations over time as three angles that have no jumps, for formats whose readers interpolate the angles."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

__all__ = ["Order", "best_order", "continuous_angles", "midway_error_deg"]

Order = Literal["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]
_ORDERS: tuple[Order, ...] = get_args(Order)
_REVERSED: dict[Order, Order] = {"XYZ": "ZYX", "XZY": "YZX", "YXZ": "ZXY", "YZX": "XZY", "ZXY": "YXZ", "ZYX": "XYZ"}
_JUMP_DEG = 30.0  # larger steps are no motion but a return after a gap


def continuous_angles(rotations: Rotation, order: Order) -> Float64[np.ndarray, "T 3"]:
    """Angles of T rotations about the axes of `order`, outermost first, each nearest to the one before.

    A rotation has two triples of angles, (a, b, c) and (a + 180, 180 - b, c + 180), and multiples of 360 besides.

    Args:
        rotations: The rotations, frame by frame.
        order: "ZXY" for R = Rz Rx Ry.

    Returns:
        deg, without a bound.
    """
    angles = rotations.as_euler(order, degrees=True, suppress_warnings=True)
    other = angles * [1.0, -1.0, 1.0] + 180.0
    if len(angles) > 1:
        stays = np.abs(_wrapped(np.diff(angles, axis=0))).sum(axis=1)
        changes = np.abs(_wrapped(other[1:] - angles[:-1])).sum(axis=1)
        second = np.concatenate([[False], np.logical_xor.accumulate(changes < stays)])
        angles = np.where(second[:, None], other, angles)
    continuous: np.ndarray = np.unwrap(angles, period=360.0, axis=0)
    return continuous


def midway_error_deg(rotations: Rotation, order: Order) -> float:
    """How far, at most, the mean of two frames' angles is from the rotation midway between the two; 0 for one frame.

    Args:
        rotations: The rotations, frame by frame.
        order: As in `continuous_angles`.

    Returns:
        The largest error, deg, over all steps but those of more than 30 degrees.
    """
    if len(rotations) < 2:
        return 0.0
    angles = continuous_angles(rotations, order)
    step = (rotations[:-1].inv() * rotations[1:]).as_rotvec()
    midway = rotations[:-1] * Rotation.from_rotvec(step / 2)
    means = Rotation.from_euler(order, (angles[:-1] + angles[1:]) / 2, degrees=True)
    error = np.atleast_1d((midway.inv() * means).magnitude())
    motion = np.linalg.norm(step, axis=1) < np.radians(_JUMP_DEG)
    return float(np.degrees(error[motion].max(initial=0.0)))


def best_order(rotations: Rotation, rest: Rotation, usual: Order, tolerance_deg: float) -> Order:
    """The usual order of axes, or, where its error midway is above the tolerance, the one with the least.

    With any order, some rotation (the middle angle at 90 degrees) makes the outer angles fast: cartwheels do so for
    Z X Y, somersaults for X Z Y. Blender takes the angles apart again, in axes of its own and in reversed order: the
    error is the larger one of the two.

    Args:
        rotations: The rotations, frame by frame.
        rest: The axes of the bone, y along it, in which Blender rotates it.
        usual: Preferred.
        tolerance_deg: Of `midway_error_deg`.

    Returns:
        The order.
    """
    inside = rest.inv() * rotations * rest

    def error(order: Order) -> float:
        return max(midway_error_deg(rotations, order), midway_error_deg(inside, _REVERSED[order]))

    return usual if error(usual) <= tolerance_deg else min(_ORDERS, key=error)


def _wrapped(degrees: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return degrees - 360.0 * np.round(degrees / 360.0)
