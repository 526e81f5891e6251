"""C3D, by the package c3d: points with their labels; those with a negative residual are not seen.

That package is Python alone: faster ones crash the whole program at a damaged file. https://www.c3d.org
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from multiview.errors import MultiviewError, SourceError
from multiview.marker_files._markers import Markers

__all__ = ["read"]


def read(path: Path) -> Markers:
    try:
        import c3d
    except ModuleNotFoundError:
        raise MultiviewError("to read C3D takes one more package: pip install multiview-mocap[truth]") from None
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of frames that a parameter promises
        reader = c3d.Reader(file)
        rate, count = float(reader.point_rate), int(reader.point_used)
        if not (np.isfinite(rate) and rate > 0 and count > 0):
            raise SourceError(f"{path}: it holds {count} points at {rate:g} Hz")
        names = tuple(str(label).strip() for label in reader.point_labels)[:count]
        unit = str(reader.get("POINT").get("UNITS").string_value).strip() if "POINT" in reader else ""
        frames = [points[:, :4] for _, points, _ in reader.read_frames()]
    points = np.array(frames, dtype=np.float64).reshape(len(frames), -1, 4)[:, : len(names)]
    xyz = np.where(points[..., 3:] < 0, np.nan, points[..., :3])
    return Markers((reader.first_frame - 1 + np.arange(len(xyz))) / rate, xyz, names[: xyz.shape[1]], unit)
