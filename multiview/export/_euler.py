"""Rotations over time as three angles that have no jumps, for formats whose readers interpolate the angles."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial.transform import Rotation

__all__ = ["Order", "best_order", "continuous_angles", "midway", "midway_in_blender", "midway_of_angles"]

Order = Literal["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"]
_ORDERS: tuple[Order, ...] = get_args(Order)
_REVERSED: dict[Order, Order] = {"XYZ": "ZYX", "XZY": "YZX", "YXZ": "ZXY", "YZX": "XZY", "ZXY": "YXZ", "ZYX": "XYZ"}


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


def midway(rotations: Rotation) -> Rotation:
    """The T - 1 rotations half-way between T of them, on the shortest way."""
    return rotations[:-1] * Rotation.from_rotvec((rotations[:-1].inv() * rotations[1:]).as_rotvec() / 2)


def midway_of_angles(rotations: Rotation, order: Order) -> Rotation:
    """The T - 1 rotations that the mean of two frames' angles makes: what a program shows there.

    Args:
        rotations: The T rotations, frame by frame.
        order: As in `continuous_angles`.

    Returns:
        The rotations half-way between frames.
    """
    angles = continuous_angles(rotations, order)
    return Rotation.from_euler(order, (angles[:-1] + angles[1:]) / 2, degrees=True)


def midway_in_blender(rotations: Rotation, order: Order, rest: Rotation) -> Rotation:
    """As `midway_of_angles`, where the angles are taken apart again, in the bone's axes and in reversed order.

    Args:
        rotations: The T rotations, frame by frame.
        order: That of the file.
        rest: The axes of the bone, y along it.

    Returns:
        The rotations half-way between frames.
    """
    return rest * midway_of_angles(rest.inv() * rotations * rest, _REVERSED[order]) * rest.inv()


def best_order(
    rotations: Rotation, rest: Rotation, counted: Bool[np.ndarray, " S"], usual: Order, tolerance_deg: float
) -> Order:
    """The usual order of axes, or, where its error midway is above the tolerance, the one with the least.

    With any order, some rotation (the middle angle at 90 degrees) makes the outer angles fast: cartwheels do so for
    Z X Y, somersaults for X Z Y. The error is the larger one of a plain reader's and Blender's.

    Args:
        rotations: The rotations, frame by frame.
        rest: The axes of the bone, y along it.
        counted: False for those of the T - 1 steps between frames that are no motion.
        usual: Preferred.
        tolerance_deg: Of the angle to the rotation midway.

    Returns:
        The order.
    """
    if not counted.any():
        return usual
    wanted = midway(rotations).inv()

    def error(order: Order) -> float:
        read = midway_of_angles(rotations, order), midway_in_blender(rotations, order, rest)
        return max(float(np.degrees(np.atleast_1d((wanted * found).magnitude())[counted].max())) for found in read)

    return usual if error(usual) <= tolerance_deg else min(_ORDERS, key=error)


def _wrapped(degrees: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    return degrees - 360.0 * np.round(degrees / 360.0)
