"""One person's joints over time, without gaps in the frames: what everything in this room is computed from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.data import NS_PER_S
from multiview.recordings.pose_table import Poses

__all__ = ["Movement", "movement", "propagated_sd"]

_STEP_M = 1e-4  # of finite differences
_NO_SLOPE = 1e-6  # per metre: the value does not rest on the joint
_ROWS = 30_000  # at a time


@dataclass(frozen=True, slots=True, eq=False)
class Movement:
    """T frames of J joints at a steady rate.

    Attributes:
        label: What the person is called.
        joints: Names of the joints.
        first_frame: Number of the first frame.
        time_s: (T,) on the clock of the poses.
        rate: Frames per second.
        xyz: (T, J, 3) m, world, NaN where unknown.
        cov: (T, J, 3, 3) m^2, covariance of the error, NaN where unknown.
        filled: (T, J) True where bones and motion place the joint, not cameras.
    """

    label: str
    joints: tuple[str, ...]
    first_frame: int
    time_s: Float64[np.ndarray, " T"]
    rate: float
    xyz: Float64[np.ndarray, "T J 3"]
    cov: Float64[np.ndarray, "T J 3 3"]
    filled: Bool[np.ndarray, "T J"]

    def at(self, *names: str) -> Float64[np.ndarray, "T 3"]:
        """The mean of some joints.

        Args:
            names: Their names.

        Returns:
            (T, 3) m, NaN where one of them is unknown, everywhere if the skeleton lacks one.
        """
        if not set(names) <= set(self.joints):
            return np.full((len(self.xyz), 3), np.nan)
        mean: np.ndarray = self.xyz[:, [self.joints.index(name) for name in names]].mean(axis=1)
        return mean

    def sigma(self, name: str) -> Float64[np.ndarray, " T"]:
        """Standard deviation of a joint along an axis.

        Args:
            name: Of a joint of the skeleton.

        Returns:
            (T,) m, NaN where unknown.
        """
        variance = np.trace(self.cov[:, self.joints.index(name)], axis1=1, axis2=2) / 3
        sigma: np.ndarray = np.sqrt(variance)
        return sigma

    @property
    def leg_m(self) -> float:
        """Length of the leg, hip to knee to ankle: the median over time and of both sides, m; NaN if never seen."""
        lengths = [
            np.linalg.norm(self.at(f"{side}_{a}") - self.at(f"{side}_{b}"), axis=1)
            for side in ("left", "right")
            for a, b in (("hip", "knee"), ("knee", "ankle"))
        ]
        known = [length[np.isfinite(length)] for length in lengths]
        return float(np.mean([np.median(length) for length in known]) * 2) if all(map(len, known)) else float("nan")


def movement(poses: Poses, person: int) -> Movement:
    """The frames of one person from their first to their last.

    Args:
        poses: At a steady rate, as `evenly_timed` makes them.
        person: Whose.

    Returns:
        The movement; NaN where they are away.
    """
    own = poses.select(poses.person == person)
    row = own.frame - own.frame[0]
    frames, joints = int(row[-1]) + 1, len(poses.joints)
    xyz, cov = np.full((frames, joints, 3), np.nan), np.full((frames, joints, 3, 3), np.nan)
    filled = np.zeros((frames, joints), dtype=bool)
    xyz[row], cov[row], filled[row] = own.xyz, own.cov, own.filled
    rate = poses.frames_per_second
    time_s = own.time_ns[0] / NS_PER_S + np.arange(frames) / rate
    return Movement(poses.label(person), poses.joints, int(own.frame[0]), time_s, rate, xyz, cov, filled)


def propagated_sd(
    function: Callable[[Float64[np.ndarray, "N J 3"], Int64[np.ndarray, " N"]], Float64[np.ndarray, "N K"]],
    xyz: Float64[np.ndarray, "T J 3"],
    cov: Float64[np.ndarray, "T J 3 3"],
    period: float = np.inf,
) -> Float64[np.ndarray, "T K"]:
    """First-order propagation of the joints' covariance, by central differences; errors of joints are independent.

    Args:
        function: Of the positions of N frames, and which frames these are.
        xyz: (T, J, 3) m.
        cov: (T, J, 3, 3) m^2.
        period: Of the values, where they are angles: 360.

    Returns:
        (T, K) standard deviations, NaN where a value is unknown or rests on a joint of unknown covariance.
    """
    frames, joints = xyz.shape[:2]
    many = max(1, _ROWS // (6 * joints))
    parts = [
        _sd(function, xyz[begin : begin + many], cov[begin : begin + many], begin, period)
        for begin in range(0, frames, many)
    ]
    return np.concatenate(parts) if parts else function(xyz, np.arange(0))


def _sd(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    xyz: np.ndarray,
    cov: np.ndarray,
    begin: int,
    period: float,
) -> np.ndarray:
    """Of some frames, the first of which is `begin`: every joint moved along every axis, both ways, all at once."""
    frames, joints = xyz.shape[:2]
    number = begin + np.arange(frames)
    step = np.zeros((2, joints, 3, joints, 3))
    for joint in range(joints):
        for axis in range(3):
            step[0, joint, axis, joint, axis], step[1, joint, axis, joint, axis] = _STEP_M, -_STEP_M
    moved = xyz[:, None] + step.reshape(1, -1, joints, 3)
    values = function(moved.reshape(-1, joints, 3), np.repeat(number, moved.shape[1]))
    values = values.reshape(frames, 2, joints, 3, -1)
    change = values[:, 0] - values[:, 1]
    if np.isfinite(period):
        change = (change + period / 2) % period - period / 2
    slope = np.where(np.isnan(change), 0.0, change) / (2 * _STEP_M)
    rests = np.abs(slope).max(axis=2) > _NO_SLOPE
    parts = np.where(rests, np.einsum("tjik,tjin,tjnk->tjk", slope, cov, slope), 0.0)
    sd: np.ndarray = np.sqrt(parts.sum(axis=1))
    return np.where(np.isfinite(function(xyz, number)), sd, np.nan)
