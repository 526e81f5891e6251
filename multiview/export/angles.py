"""Joint angles (`joint_angles.py`) as CSV, in degrees: a row for each (frame, person); what is unknown is empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.data import NS_PER_S
from multiview.files import replacing
from multiview.joint_angles import joint_angles
from multiview.poses import Poses

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path) -> list[Path]:
        with np.errstate(invalid="ignore"):
            angles = joint_angles(poses.joints, poses.xyz)
        table = np.stack([poses.time_ns / NS_PER_S, *angles.values()], axis=1)
        path = stem.with_name(stem.name + "_angles.csv")
        with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
            file.write("frame,person,time," + ",".join(angles) + "\n")
            for frame, person, values in zip(poses.frame, poses.person, table, strict=True):
                cells = ("" if value != value else f"{value:.3f}" for value in values.tolist())
                file.write(f"{frame},{person}," + ",".join(cells) + "\n")
        return [path]
