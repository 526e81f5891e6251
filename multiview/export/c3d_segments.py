"""C3D with the poses of segments besides the points, as Visual3D builds models from; `c3d.py` says what else it holds.

Not every reader expects data after the points: hence a format of its own. The group ROTATION (`_c3d_rotations.py`) is
left out of animals, and where the format's 16 bits cannot say where it begins (over 33 MB of points) or it would need
more than 255 names.
"""

from __future__ import annotations

from pathlib import Path

from multiview.export import Progress, c3d, silent
from multiview.recordings.pose_table import Poses

__all__ = ["UNITS", "Exporter"]

UNITS = c3d.UNITS


class Exporter:
    def __init__(self, unit: str = "mm") -> None:
        self._points = c3d.Exporter(unit, with_segments=True)

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        return self._points.write(poses, stem.with_name(stem.name + "_segments"), progress)
