"""Parquet: the table that `fuse` writes, one row for each (frame, person, joint). Read it with pandas or polars."""

from __future__ import annotations

from pathlib import Path

from multiview.export import Progress, silent
from multiview.recordings.pose_table import Poses, write_poses

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        path = stem.with_name(stem.name + ".parquet")
        write_poses(poses, path)
        return [path]
