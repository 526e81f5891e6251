"""One person's rows with no frame left out, and the stretches of time that were not measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64

from multiview.body.actor import load_rest_pose
from multiview.body.kinematics import Humanoid, Motion, RotationSolver, humanoid
from multiview.common.json_file import write_json
from multiview.data import NS_PER_S
from multiview.recordings.pose_table import Poses

__all__ = ["Dense", "dense", "rest_pose", "solve_motion", "write_intervals"]


@dataclass(frozen=True, slots=True)
class Dense:
    """T consecutive frames from `first`; where the person is away, positions are NaN (m), and nothing is marked."""

    person: int
    first: int
    start_s: float
    rate: float
    xyz: Float64[np.ndarray, "T J 3"]
    filled: Bool[np.ndarray, "T J"]
    contact: Bool[np.ndarray, "T J"]
    joints: tuple[str, ...]


def dense(poses: Poses, person: int) -> Dense:
    """The frames of one person from their first to their last."""
    own = poses.select(poses.person == person)
    first = int(own.frame[0])
    frames = int(own.frame[-1]) - first + 1
    xyz = np.full((frames, len(poses.joints), 3), np.nan)
    filled, contact = np.zeros((2, frames, len(poses.joints)), dtype=bool)
    rows = own.frame - first
    xyz[rows], filled[rows], contact[rows] = own.xyz, own.filled, own.contact
    start = float(own.time_ns[0] / NS_PER_S)
    return Dense(person, first, start, poses.frames_per_second, xyz, filled, contact, poses.joints)


def rest_pose(poses: Poses, person: Dense) -> Humanoid:
    """The skeleton of a known actor, the same in every take; of anyone else, from what was seen of them here."""
    kept = load_rest_pose(poses.names.get(person.person, ""), poses.skeleton)
    return humanoid(person.joints, person.xyz) if kept is None else kept


def solve_motion(person: Dense, rest: Humanoid) -> Motion:
    """Their rotations. What is unknown at the beginning has what is known first, and limbs their first seen plane."""
    solver = RotationSolver(rest, person.joints, 1 / person.rate)
    solver.solve(person.xyz[::-1])  # the solver goes on from there
    return solver.solve(person.xyz)


def write_intervals(person: Dense, path: Path) -> Path:
    """Beside a file that cannot mark them: the frames of each joint that were filled, unknown or in contact."""
    found = [
        {"joint": joint, "kind": kind, "first_frame": begin + person.first, "last_frame": end - 1 + person.first}
        for j, joint in enumerate(person.joints)
        for kind, marks in (
            ("filled", person.filled[:, j]),
            ("unknown", np.isnan(person.xyz[:, j, 0])),
            ("contact", person.contact[:, j]),
        )
        for begin, end in _runs(marks)
    ]
    meaning = (
        "filled: placed by bones and motion; unknown: held in files that cannot leave a gap; "
        "contact: a point of a foot stands on the floor. Frames are inclusive."
    )
    content = {"meaning": meaning, "person": person.person, "frames_per_second": person.rate, "intervals": found}
    beside = path.with_name(f"{path.name}.intervals.json")
    write_json(beside, content)
    return beside


def _runs(marks: Bool[np.ndarray, " T"]) -> list[tuple[int, int]]:
    """(begin, end) of the stretches that are marked."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
