"""Which cameras of a rig no longer stand where its file says, by a fresh calibration from people."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from multiview.cameras.camera import Rig
from multiview.cameras.mixed_up import mixed_up, words
from multiview.errors import CalibrationError
from multiview.geometry.rigid import nearest_rotation, rotation_angle

__all__ = ["Comparison", "Displacement", "compare_rigs"]

_DEVIATIONS = 3.0
_TURN_RAD, _PLACE_M = np.radians(0.1), 0.005  # deviations of the rig in the file itself
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Displacement:
    """How far a camera is from where the rig has it, and the deviations of that."""

    name: str
    turn_deg: float
    turn_sigma_deg: float
    place_mm: float
    place_sigma_mm: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Cameras that agree with each other about the rig, and those that do not.

    Attributes:
        held: Names of those that stand where the rig has them.
        moved: The others.
        certain: False where another group of as many cameras agrees as well, so that others may have moved instead.
        mixed_up: Which cameras stand where others should, in words; they are compared with those. Empty if none does.
    """

    held: tuple[str, ...]
    moved: tuple[Displacement, ...]
    certain: bool
    mixed_up: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Poses:
    """Cameras of both rigs with deviations; `found` has its own world and, from people, its own unit."""

    R: Float64[np.ndarray, "C 3 3"]
    centre: Float64[np.ndarray, "C 3"]
    given_R: Float64[np.ndarray, "C 3 3"]
    given_centre: Float64[np.ndarray, "C 3"]
    turn_sigma: Float64[np.ndarray, " C"]
    place_sigma: Float64[np.ndarray, " C"]

    def off(self, group: list[int]) -> tuple[Float64[np.ndarray, " C"], Float64[np.ndarray, " C"]]:
        """Turns (rad) and distances (m) of all cameras from the given rig, by the similarity that fits a group."""
        R = nearest_rotation(np.einsum("cki,ckj->ij", self.given_R[group], self.R[group]))  # given_from_found
        a, b = self.given_centre[group].mean(axis=0), self.centre[group].mean(axis=0)
        x, y = self.given_centre[group] - a, (self.centre[group] - b) @ R.T
        scale = np.sqrt((x**2).sum() / max(float((y**2).sum()), 1e-12))
        place = np.linalg.norm(scale * (self.centre - b) @ R.T + a - self.given_centre, axis=1)
        pairs = zip(self.R, self.given_R, strict=True)
        turn = np.array([float(rotation_angle(own @ R.T @ given.T)) for own, given in pairs])
        return turn, place

    def agree(self, group: list[int]) -> tuple[Bool[np.ndarray, " C"], float]:
        """Which cameras a group speaks for, and how well it agrees with itself."""
        turn, place = self.off(group)
        far = np.maximum(turn / self.turn_sigma, place / self.place_sigma)
        return far < _DEVIATIONS, float((far[group] ** 2).sum())


def compare_rigs(
    found: Rig, turn_sigma_deg: Float64[np.ndarray, " C"], place_sigma_mm: Float64[np.ndarray, " C"], given: Rig
) -> Comparison:
    """Compare a fresh calibration with a rig, whatever the worlds and units of both.

    Args:
        found: The fresh one.
        turn_sigma_deg: (C,) deviations of its orientations.
        place_sigma_mm: (C,) of its places.
        given: The rig.

    Returns:
        Which cameras still stand as in the rig.

    Raises:
        CalibrationError: Fewer than three cameras are in both.
    """
    names = [name for name in found.names if name in given.names]
    if len(names) < _FEWEST:
        raise CalibrationError(
            f"only {len(names)} of the cameras are in the rig, of {_FEWEST}: with fewer nothing says which one moved"
        )
    own, theirs = [found.index(name) for name in names], [given.index(name) for name in names]
    source = mixed_up([found.cameras[c] for c in own], [given.cameras[c] for c in theirs])
    said = words(names, source)
    theirs = [theirs[source.index(i)] for i in range(len(names))]
    poses = _Poses(
        np.stack([found.cameras[c].R for c in own]),
        np.stack([found.cameras[c].centre for c in own]),
        np.stack([given.cameras[c].R for c in theirs]),
        np.stack([given.cameras[c].centre for c in theirs]),
        np.hypot(np.radians(turn_sigma_deg[own]), _TURN_RAD),
        np.hypot(place_sigma_mm[own] / 1000, _PLACE_M),
    )
    groups: dict[tuple[int, ...], float] = {}
    for pair in itertools.combinations(range(len(names)), 2):
        members = np.flatnonzero(poses.agree(list(pair))[0]).tolist()
        if len(members) >= 2:
            again, cost = poses.agree(members)
            if again[members].all():
                groups[tuple(np.flatnonzero(again).tolist())] = cost
    if not groups:
        return Comparison((), _displaced(names, poses, list(range(len(names))), range(len(names))), False, said)
    most = max(map(len, groups))
    rivals = {members: cost for members, cost in groups.items() if len(members) == most}
    best = min(rivals, key=lambda members: rivals[members])
    moved = [c for c in range(len(names)) if c not in best]
    return Comparison(
        tuple(names[c] for c in best),
        _displaced(names, poses, list(best), moved),
        not moved or (len(rivals) == 1 and 2 * most > len(names)),
        said,
    )


def _displaced(names: list[str], poses: _Poses, group: list[int], moved: list[int] | range) -> tuple[Displacement, ...]:
    turn, place = poses.off(group)
    return tuple(
        Displacement(
            names[c],
            float(np.degrees(turn[c])),
            float(np.degrees(poses.turn_sigma[c])),
            float(1000 * place[c]),
            float(1000 * poses.place_sigma[c]),
        )
        for c in moved
    )
