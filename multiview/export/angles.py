"""Joint angles (`joint_angles.py`) as CSV, in degrees: a row for each (frame, person); what is unknown is empty.

`filled` counts the joints of that row that were filled, not measured.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.body.joint_angles import joint_angles
from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S
from multiview.export import Progress, silent
from multiview.export._rows import Block, write_rows
from multiview.recordings.pose_table import Poses

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        with np.errstate(invalid="ignore"):
            angles = joint_angles(poses.joints, poses.xyz)
        who = np.stack([poses.frame, poses.person], axis=1).astype(np.float64)
        blocks = [
            Block(who, 0),
            Block(poses.time_ns[:, None] / NS_PER_S, 6),
            Block(np.stack([*angles.values()], axis=1), 3),
            Block(poses.filled.sum(axis=1, keepdims=True).astype(np.float64), 0),
        ]
        path = stem.with_name(stem.name + "_angles.csv")
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(f"frame,person,time,{','.join(angles)},filled\n".encode("ascii"))
            write_rows(file, blocks, ",", progress)
        return [path]
