"""C3D, by ezc3d: points with their labels; those without a camera (a negative residual) are not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.errors import MultiviewError
from multiview.marker_files._markers import Markers

__all__ = ["read"]


def read(path: Path) -> Markers:
    try:
        import ezc3d
    except ModuleNotFoundError:
        raise MultiviewError("to read C3D takes one more package: pip install multiview-mocap[truth]") from None
    content = ezc3d.c3d(str(path))
    point = content["parameters"]["POINT"]
    names = tuple(str(label).strip() for label in point["LABELS"]["value"])
    xyz = np.moveaxis(content["data"]["points"][:3], 0, 2).transpose(1, 0, 2)[:, : len(names)].astype(np.float64)
    residual = content["data"]["meta_points"]["residuals"][0].T[:, : len(names)]
    xyz[residual < 0] = np.nan
    first, rate = content["header"]["points"]["first_frame"], float(point["RATE"]["value"][0])
    return Markers((first + np.arange(len(xyz))) / rate, xyz, names, str(point["UNITS"]["value"][0]).strip())
