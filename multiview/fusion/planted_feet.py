"""Feet on the floor while people are fused: which points of feet stand, and where.

The joints' own filters know nothing of it, so whatever follows from them (who is who, regions, calibration) is the same
with and without. Only the poses that are given out differ, at the points that stand.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.data import NS_PER_S
from multiview.fusion import foot_kernels as kernels
from multiview.fusion.foot_kernels import Feet
from multiview.fusion.state.track_state import State

__all__ = ["PlantedFeet", "StandingFeet", "foot_joints"]

_TOES = ("big_toe", "small_toe", "foot_index")
_POINTS = ("heel", *_TOES)
_ABOVE = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_SLOWLY = 0.02  # of what a frame says of up


def foot_joints(skeleton: Skeleton) -> Int64[np.ndarray, " F"]:
    """Heels, toes and ankles.

    Args:
        skeleton: Of people; others have no feet.

    Returns:
        Their indices, in the skeleton's order.
    """
    names = {f"{side}_{point}" for side in ("left", "right") for point in (*_POINTS, "ankle")}
    human = skeleton.size_m is None
    return np.array([j for j, name in enumerate(skeleton.joints) if human and name in names], dtype=np.int64)


def _leg(skeleton: Skeleton, point: str) -> tuple[int, int, int, int]:
    """Ankle, knee and hip above a point of a foot, -1 where the skeleton has none; and whether it is a toe."""
    side, _, name = point.partition("_")
    names = (f"{side}_{joint}" for joint in ("ankle", "knee", "hip"))
    ankle, knee, hip = (skeleton.index(name) if name in skeleton.joints else -1 for name in names)
    return ankle, knee, hip, int(name in _TOES)


class PlantedFeet:
    """The feet of everyone in the room.

    Args:
        skeleton: Of the poses.
        up_known: Whether the world's z axis points up; else the bodies tell.
    """

    def __init__(self, skeleton: Skeleton, up_known: bool) -> None:
        self.joints = foot_joints(skeleton)
        self.up = np.array([0.0, 0.0, float(up_known)])
        self._up_known = up_known
        legs = [_leg(skeleton, skeleton.joints[j]) for j in self.joints]
        self._legs: Int64[np.ndarray, "F 4"] = np.array(legs, dtype=np.int64).reshape(-1, 4)
        self._above = np.array([skeleton.index(name) for name in _ABOVE if name in skeleton.joints], dtype=np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget everyone."""
        self._feet, self._who = Feet.empty(0, len(self.joints)), dict[int, object]()

    def stand(
        self,
        slots: list[int],
        identities: Mapping[int, object],
        autocorrelation: float,
        dt: float,
        people: State,
        xyz: Float64[np.ndarray, "P J 3"],
        cov: Float64[np.ndarray, "P J 3 3"],
    ) -> Bool[np.ndarray, "P J"]:
        """Points that stand are put where they stand.

        Args:
            slots: (P,) of the people in the state.
            identities: Who is in which slot; somebody new in a slot has other feet.
            autocorrelation: Of a joint's error, from frame to frame.
            dt: s since the last frame.
            people: The state of all joints.
            xyz: (P, J, 3) m, their joints; changed in place.
            cov: (P, J, 3, 3) m^2; changed in place.

        Returns:
            (P, J) True where a point stands.
        """
        contact = np.zeros(xyz.shape[:2], dtype=np.bool_)
        if not len(self.joints) or not len(slots):
            return contact
        if len(self._feet.on) < len(people.pos):
            more = Feet.empty(len(people.pos) - len(self._feet.on), len(self.joints))
            self._feet = Feet(*(np.concatenate(pair) for pair in zip(self._feet, more, strict=True)))
        for slot in slots:
            if self._who.get(slot) is not identities.get(slot):
                self._begin(slot, identities.get(slot))
        if not self._up_known:
            self._learn_up(xyz)
        rows = np.array(slots, dtype=np.int64)
        kernels.stand(
            rows, self.joints, self._legs, self.up, autocorrelation, dt, people, self._feet, xyz, cov, contact
        )
        return contact

    def _begin(self, slot: int, who: object) -> None:
        self._who[slot] = who
        for array in self._feet:
            array[slot] = 0
        self._feet.level[slot] = np.inf

    def _learn_up(self, xyz: Float64[np.ndarray, "P J 3"]) -> None:
        """From the feet to the trunk, in the mean."""
        body = xyz[:, self._above].mean(axis=1) - xyz[:, self.joints].mean(axis=1)
        body = body[np.isfinite(body).all(axis=1)]
        if len(body):
            up = (body / np.linalg.norm(body, axis=1, keepdims=True)).mean(axis=0)
            up = self.up + (_SLOWLY if self.up.any() else 1.0) * (up - self.up)
            self.up = up / max(float(np.linalg.norm(up)), 1e-9)


class StandingFeet:
    """The feet of one person in a recording, window after window, each with the frames that follow.

    Args:
        joints: (F,) points of the feet.
    """

    def __init__(self, joints: Int64[np.ndarray, " F"]) -> None:
        self.joints = joints
        self._feet, self._last_ns = Feet.empty(1, len(joints)), 0

    def smooth(
        self,
        packed: Float64[np.ndarray, "T J S"],
        measured: Float64[np.ndarray, "T F 9"],
        time_ns: Int64[np.ndarray, " T"],
        autocorrelation: Float64[np.ndarray, " T"],
        up: Float64[np.ndarray, " 3"],
        count: int,
        xyz: Float64[np.ndarray, "T J 3"],
        cov: Float64[np.ndarray, "T J 3 3"],
    ) -> Bool[np.ndarray, "T J"]:
        """Points that stand are put where they stand.

        Args:
            packed: (T, J, SIZE) states of the filter.
            measured: (T, F, 9) m and m^2, what each frame measured of the feet, and its covariance.
            time_ns: (T,) of the frames.
            autocorrelation: (T,) of a joint's error, from frame to frame.
            up: (3,) the world's up, zero where unknown.
            count: Frames that are given out; the next window begins after them.
            xyz: (T, J, 3) m, the smoothed joints; changed in place.
            cov: (T, J, 3, 3) m^2; changed in place.

        Returns:
            (T, J) True where a point stands.
        """
        contact = np.zeros(xyz.shape[:2], dtype=np.bool_)
        if not len(self.joints):
            return contact
        dt = np.diff(time_ns, prepend=self._last_ns or time_ns[0]) / NS_PER_S
        self._last_ns = int(time_ns[count - 1])
        scratch = Feet.empty(len(xyz), len(self.joints))
        kernels.stand_smoothed(
            packed, self.joints, measured, up, autocorrelation, dt, count, self._feet, scratch, xyz, cov, contact
        )
        return contact
