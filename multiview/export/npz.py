"""NumPy npz: `frame, time_ns, utc_ns, person` (N,), `xyz` (N, J, 3) m, `cov` m^2, `score, views, filled, contact`
(N, J), `joints`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from multiview.common.atomic_file import replacing
from multiview.export import Progress, silent
from multiview.recordings.pose_table import ROW_ARRAYS, Poses

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        path = stem.with_name(stem.name + ".npz")
        arrays = {"joints": np.array(poses.joints)} | {name: getattr(poses, name) for name in ROW_ARRAYS}
        with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for i, (name, array) in enumerate(arrays.items(), start=1):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
                progress(i / len(arrays))
        return [path]
