"""How far one person's poses are from another system's markers, joint by joint and angle by angle.

A marker on the skin is not where a joint of ours is. `offset` is that constant difference, `spread` what is left
without it. Angles are compared by the limits of agreement of Bland and Altman: the mean difference and 1.96 standard
deviations on both sides of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from multiview.biomechanics.joint_angles import joint_angles
from multiview.body.joint_names import select_joints
from multiview.data import NS_PER_S
from multiview.errors import ConfigError, SourceError
from multiview.evaluation.alignment import Alignment, align, resampled
from multiview.marker_files import Markers
from multiview.recordings.pose_table import Poses

__all__ = ["Agreement", "Angle", "compare_markers"]

_LEAST_S, _LEAST_JOINTS = 1.0, 3
LIMITS = 1.96  # standard deviations


@dataclass(frozen=True, slots=True, eq=False)
class Angle:
    """One angle by both, at the instants at which both know it.

    Attributes:
        name: As in `multiview.biomechanics.joint_angles`.
        truth: (n,) deg.
        ours: (n,) deg.
    """

    name: str
    truth: Float64[np.ndarray, " n"]
    ours: Float64[np.ndarray, " n"]

    @property
    def mean_difference(self) -> float:
        """Ours minus truth, deg."""
        return float(np.mean(self.ours - self.truth))

    @property
    def deviation(self) -> float:
        """Standard deviation of the difference, deg."""
        return float(np.std(self.ours - self.truth))

    @property
    def rms(self) -> float:
        """Root mean square difference, deg."""
        return float(np.sqrt(np.mean((self.ours - self.truth) ** 2)))


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Poses of one person beside markers, F instants of K joints.

    Attributes:
        person: Whose poses.
        alignment: Where and when the markers lie in the poses' world.
        joints: Names of the K joints.
        time_s: (F,) of the poses.
        error: (F, K, 3) m, ours minus the markers'; NaN where either is unknown.
        angles: Those that both have.
    """

    person: int
    alignment: Alignment
    joints: tuple[str, ...]
    time_s: Float64[np.ndarray, " F"]
    error: Float64[np.ndarray, "F K 3"]
    angles: tuple[Angle, ...]

    @property
    def distance(self) -> Float64[np.ndarray, "F K"]:
        """m."""
        return np.asarray(np.linalg.norm(self.error, axis=-1))

    @property
    def offset(self) -> Float64[np.ndarray, "K 3"]:
        """Constant difference of each joint, m, in the world's axes: the median."""
        return np.asarray(np.nanmedian(self.error, axis=0))

    @property
    def spread(self) -> Float64[np.ndarray, " K"]:
        """Root mean square of what is left without it, m."""
        return np.asarray(np.sqrt(np.nanmean(((self.error - self.offset) ** 2).sum(axis=-1), axis=0)))


def compare_markers(
    markers: Markers,
    joints: tuple[str, ...],
    xyz: Float64[np.ndarray, "T K 3"],
    poses: Poses,
    person: int | None = None,
    max_offset_s: float = np.inf,
    offset_s: float | None = None,
) -> Agreement:
    """Align another system's markers with a person, and compare.

    Args:
        markers: The recording, of one person.
        joints: Names of the K joints that its markers stand for.
        xyz: (T, K, 3) m, their places.
        poses: Ours.
        person: Whose; None: the person who fits best.
        max_offset_s: The clocks differ by this at most, s.
        offset_s: By which they differ, if that is known.

    Returns:
        The comparison.

    Raises:
        ConfigError: There is no such person.
        SourceError: Too few joints are common to both, or nobody can be aligned.
    """
    people = poses.people.tolist() if person is None else [person]
    if person is not None and person not in poses.people:
        raise ConfigError(f"there is no person {person}; there are {', '.join(map(str, poses.people.tolist()))}")
    found: list[tuple[Alignment, int]] = []
    reason = "nobody is in the poses for long enough"
    for number in people:
        own = poses.select(poses.person == number)
        time_s, ours = own.time_ns / NS_PER_S, select_joints(own.xyz, own.joints, joints)
        common = np.isfinite(ours).all(axis=-1).any(axis=0) & np.isfinite(xyz).all(axis=-1).any(axis=0)
        if common.sum() < _LEAST_JOINTS:
            reason = f"of {', '.join(joints)} the poses have {int(common.sum())}: three joints are needed"
            continue
        if len(own) < 2 or time_s[-1] - time_s[0] < _LEAST_S:
            continue
        try:
            aligned = align(markers.time_s, xyz[:, common], time_s, ours[:, common], max_offset_s, offset_s)
        except SourceError as error:
            reason = str(error)
            continue
        if np.isfinite(aligned.rms_m):
            found.append((aligned, number))
    if not found:
        raise SourceError(f"the markers cannot be aligned with anybody: {reason}")
    aligned, number = min(found, key=lambda pair: pair[0].rms_m)
    return _agreement(aligned, number, markers, joints, xyz, poses.select(poses.person == number))


def _agreement(
    aligned: Alignment,
    person: int,
    markers: Markers,
    joints: tuple[str, ...],
    xyz: Float64[np.ndarray, "T K 3"],
    own: Poses,
) -> Agreement:
    time_s = own.time_ns / NS_PER_S
    truth = resampled(markers.time_s, xyz, time_s + aligned.offset_s) @ aligned.R.T + aligned.t
    ours = select_joints(own.xyz, own.joints, joints)
    return Agreement(person, aligned, joints, time_s, ours - truth, _angles(joints, truth, ours))


def _angles(
    joints: tuple[str, ...], truth: Float64[np.ndarray, "F K 3"], ours: Float64[np.ndarray, "F K 3"]
) -> tuple[Angle, ...]:
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            theirs, own = joint_angles(joints, truth), joint_angles(joints, ours)
    except ConfigError:  # markers of some joints only
        return ()
    angles = []
    for name in theirs:
        both = np.isfinite(theirs[name]) & np.isfinite(own[name])
        if both.sum() > 1:
            off = (own[name][both] - theirs[name][both] + 180.0) % 360.0 - 180.0
            angles.append(Angle(name, theirs[name][both], theirs[name][both] + off))
    return tuple(angles)
