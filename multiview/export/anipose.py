"""CSV as anipose writes it, one file per person or animal, which `movement` and anipose's own tools read.

For each joint x, y, z, the number of cameras and the score; then the number of the frame and the world's axes, which
are ours. The reprojection error is not in our tables, and what is unknown is empty.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.common.atomic_file import replacing
from multiview.export import PER_METRE, Progress, part, silent
from multiview.export._dense import dense, write_intervals
from multiview.export._naming import person_path
from multiview.export._rows import Block, write_rows
from multiview.recordings.pose_table import Poses

__all__ = ["UNITS", "Exporter"]

UNITS = ("mm", "cm", "m")

_COLUMNS = ("x", "y", "z", "error", "ncams", "score")
_WORLD = ("fnum", *(f"center_{i}" for i in range(3)), *(f"M_{i}{j}" for i in range(3) for j in range(3)))


class Exporter:
    def __init__(self, unit: str = "mm") -> None:
        self._unit = unit

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        paths = []
        head = [f"{joint}_{column}" for joint in poses.joints for column in _COLUMNS]
        for i, number in enumerate(poses.people):
            person = dense(poses, int(number))
            own = poses.select(poses.person == int(number))
            frames, rows = len(person.xyz), own.frame - person.first
            views, score = np.full((2, frames, len(poses.joints)), np.nan)
            views[rows], score[rows] = own.views, own.score
            unknown = np.full((frames, 1), np.nan)
            blocks = []
            for j in range(len(poses.joints)):
                blocks.append(Block(person.xyz[:, j] * PER_METRE[self._unit], 6))
                blocks += [Block(unknown, 0), Block(views[:, j, None], 0), Block(score[:, j, None], 6)]
            blocks.append(Block(np.arange(person.first, person.first + frames, dtype=np.float64)[:, None], 0))
            blocks.append(Block(np.tile(np.concatenate([np.zeros(3), np.eye(3).ravel()]), (frames, 1)), 1))
            path = person_path(stem, poses, int(number), ".csv")
            with replacing(path) as temporary, temporary.open("wb") as file:
                file.write((",".join([*head, *_WORLD]) + "\n").encode())
                write_rows(file, blocks, ",", part(progress, i, len(poses.people)))
            paths += [path, write_intervals(person, path)]
        return paths
