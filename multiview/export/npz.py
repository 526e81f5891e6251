"""NumPy npz: `frame, time_ns, utc_ns, person` (N,), `xyz` (N, J, 3) m, `cov` m^2, `score, views, filled`, `joints`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.files import replacing
from multiview.poses import Poses

__all__ = ["Exporter"]

_ARRAYS = ("frame", "time_ns", "utc_ns", "person", "xyz", "cov", "score", "views", "filled")


class Exporter:
    def write(self, poses: Poses, stem: Path) -> list[Path]:
        path = stem.with_name(stem.name + ".npz")
        arrays = {name: getattr(poses, name) for name in _ARRAYS}
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, joints=np.array(poses.joints), **arrays)
        return [path]
