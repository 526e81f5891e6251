"""Frames between frames: as many as make a program that interpolates Euler angles show the motion, not another one.

Linear interpolation of Euler angles leaves the shortest rotation the further, the larger the step is and the nearer the
middle angle is to 90 degrees. No order of axes avoids that for a somersault; a smaller step does: the error falls with
its square.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from jaxtyping import Bool, Float64
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import Humanoid, Motion, forward_kinematics
from multiview.export._euler import Order, best_order, midway, midway_in_blender, midway_of_angles

__all__ = ["AngleMotion", "rows_per_frame"]

_MIDWAY_M = 0.0045  # m, the most that a joint may be off half-way between two rows
_MAX_ROWS = 8  # per frame
_MAX_M_S = 25.0  # m/s relative to the hips: no joint of a human is as fast, such a step is an error of the recording
_BLOCK = 5000  # frames at a time
_USUAL: Order = "ZXY"
_TOLERANCE_DEG = 0.15  # 2.6 mm at a distance of 1 m


@dataclass(slots=True)
class AngleMotion:
    """One person's T frames for a format of Euler angles.

    Attributes:
        rest: The B bones.
        axes: Of each bone in the rest pose, y along it.
        root: m, of the hips.
        rotations: T of each bone, relative to its parent.
        counted: False for those of the S = T - 1 steps between frames that are no motion.
        orders: Of each bone's axes.
    """

    rest: Humanoid
    axes: list[Rotation]
    root: Float64[np.ndarray, "T 3"]
    rotations: list[Rotation]
    counted: Bool[np.ndarray, " S"]
    orders: list[Order]

    @classmethod
    def of(
        cls,
        rest: Humanoid,
        axes: list[Rotation],
        root: Float64[np.ndarray, "T 3"],
        rotations: list[Rotation],
        known: Bool[np.ndarray, "T B"],
        rate: float,
    ) -> AngleMotion:
        """With the usual order of axes wherever that is exact enough, else with the best one.

        Args:
            rest: The B bones.
            axes: Of each bone in the rest pose, y along it.
            root: m, of the hips.
            rotations: T of each bone, relative to its parent.
            known: False where a rotation is held.
            rate: Hz, of the frames.

        Returns:
            The motion.
        """
        counted = ~(known[1:] & ~known[:-1]).any(axis=1)  # not where somebody returns
        motion = cls(rest, axes, root, rotations, counted, [_USUAL] * len(rotations))
        for begin, end in motion._blocks():
            at = _places(rest, [bone[begin:end] for bone in rotations])
            counted[begin : end - 1] &= np.linalg.norm(np.diff(at, axis=0), axis=2).max(axis=1) < _MAX_M_S / rate
        for tolerance_deg in (_TOLERANCE_DEG, 0.0):
            motion.orders = [
                best_order(bone, rest_axes, counted, _USUAL, tolerance_deg)
                for bone, rest_axes in zip(rotations, axes, strict=True)
            ]
            if motion.midway_error_m() <= _MIDWAY_M:
                break
        return motion

    def midway_error_m(self, rows: int = 1) -> float:
        """How far a joint is off half-way between two rows, in a plain reader and in Blender.

        Args:
            rows: As many for each frame.

        Returns:
            m, the largest distance to the shortest rotations from the frame before; 0 for one frame.
        """
        worst = 0.0
        for begin, end in self._blocks():
            counted = np.repeat(self.counted[begin : end - 1], rows)
            denser = [_with_rows_between(bone[begin:end], rows) for bone in self.rotations]
            wanted = _places(self.rest, [midway(bone) for bone in denser])
            plain = [midway_of_angles(bone, order) for bone, order in zip(denser, self.orders, strict=True)]
            blender = [midway_in_blender(*bone) for bone in zip(denser, self.orders, self.axes, strict=True)]
            for read in (plain, blender):
                off = np.linalg.norm(_places(self.rest, read) - wanted, axis=2)
                worst = max(worst, float(off[counted].max(initial=0.0)))
        return worst

    def with_rows_between(self, rows: int) -> tuple[Float64[np.ndarray, "R 3"], list[Rotation]]:
        """Root and rotations in `rows` rows for each frame, the last one's excepted, which has one.

        Args:
            rows: 1 for the frames alone.

        Returns:
            m, of the hips, and the rotations of each bone.
        """
        if rows == 1:
            return self.root, self.rotations
        frames = np.arange(len(self.root))
        at = np.arange((len(self.root) - 1) * rows + 1) / rows
        root = np.stack([np.interp(at, frames, self.root[:, axis]) for axis in range(3)], axis=1)
        return root, [_with_rows_between(bone, rows) for bone in self.rotations]

    def _blocks(self) -> list[tuple[int, int]]:
        """Frames from and to, of blocks that share one frame each."""
        steps = len(self.root) - 1
        return [(begin, min(begin + _BLOCK, steps) + 1) for begin in range(0, steps, _BLOCK)]


def rows_per_frame(motion: AngleMotion) -> int:
    """The least number of rows for each frame with which a joint is within 5 mm half-way between rows, at most eight.

    Args:
        motion: Of one person.

    Returns:
        1 for ordinary motion; 2 to 4 for kicks and somersaults at 30 Hz.
    """
    rows = 1
    while rows < _MAX_ROWS and (error := motion.midway_error_m(rows)) > _MIDWAY_M:
        rows = min(_MAX_ROWS, max(rows + 1, ceil(rows * sqrt(error / _MIDWAY_M))))
    return rows


def _with_rows_between(rotations: Rotation, rows: int) -> Rotation:
    step = (rotations[:-1].inv() * rotations[1:]).as_rotvec()
    if rows == 1 or not len(step):
        return rotations
    quaternions = np.empty((len(step) * rows + 1, 4))
    for row in range(rows):
        quaternions[row:-1:rows] = (rotations[:-1] * Rotation.from_rotvec(step * (row / rows))).as_quat()
    quaternions[-1] = rotations[-1].as_quat()
    return Rotation.from_quat(quaternions)


def _places(rest: Humanoid, rotations: list[Rotation]) -> Float64[np.ndarray, "T B 3"]:
    """m, where the bones begin, relative to the hips."""
    local = np.stack([bone.as_matrix() for bone in rotations], axis=1)
    still = Motion(np.zeros((len(local), 3)), local, np.ones(local.shape[:2], dtype=bool))
    at = forward_kinematics(rest, still)
    return np.stack([at[bone.name] for bone in rest.bones], axis=1)
