"""Joint angles by the ISB's recommendations (`multiview.biomechanics.joint_angles`), in degrees.

One CSV of everybody, a row for each (frame, person), with the angles that the skeleton determines; unknown cells are
empty. After the angles come their standard deviations; `filled` counts the joints of that row that were filled, not
measured. Besides, for each person a `.mot` for OpenSim, and of those who walk the curves over the gait cycle: mean,
standard deviation and number of cycles at each percent (`_gait_cycles.csv`), one mean stride (`_gait_cycle.mot`) and
a picture of them (`_gait_cycles.png`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.biomechanics.joint_angles import known_angles
from multiview.biomechanics.measured_angles import MeasuredAngles, measured_angles
from multiview.biomechanics.movement import movement
from multiview.common.atomic_file import replacing
from multiview.common.names import file_name
from multiview.data import NS_PER_S
from multiview.export import Progress, part, silent
from multiview.export._gait_cycles import write_gait_cycles
from multiview.export._rows import Block, write_rows
from multiview.export._storage import write_storage
from multiview.recordings.pose_table import Poses

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        names = known_angles(poses.joints)
        value, sd = np.full((2, len(poses), len(names)), np.nan)
        paths = []
        for i, number in enumerate(poses.people):
            person = movement(poses, int(number))
            angles = measured_angles(person)
            own = np.flatnonzero(poses.person == number)
            row = poses.frame[own] - person.first_frame
            value[own], sd[own] = _columns(angles, names, row)
            known = {name: angles.value[name] for name in names if np.isfinite(angles.value[name]).any()}
            path = stem.with_name(f"{stem.name}_{file_name(person.label)}_angles.mot")
            paths.append(write_storage(path, person.time_s, known, 3))
            paths += write_gait_cycles(person, angles, stem.with_name(f"{stem.name}_{file_name(person.label)}"))
            part(progress, i, len(poses.people))(1.0)
        who = np.stack([poses.frame, poses.person], axis=1).astype(np.float64)
        blocks = [
            Block(who, 0),
            Block(poses.time_ns[:, None] / NS_PER_S, 6),
            Block(value, 3),
            Block(sd, 3),
            Block(poses.filled.sum(axis=1, keepdims=True).astype(np.float64), 0),
        ]
        head = [*names, *(f"{name.removesuffix('_deg')}_sd_deg" for name in names)]
        path = stem.with_name(stem.name + "_angles.csv")
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(f"frame,person,time,{','.join(head)},filled\n".encode("ascii"))
            write_rows(file, blocks, ",", progress)
        return [path, *paths]


def _columns(angles: MeasuredAngles, names: tuple[str, ...], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    value, sd = (np.stack([table[name][rows] for name in names], axis=1) for table in angles)
    return value, sd
