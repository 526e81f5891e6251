"""netCDF, as `movement` and xarray read it: one data set of everyone.

    xarray.open_dataset("poses.nc", engine="scipy"), or movement's load_dataset

`position` (time, space, keypoints, individuals) m, z up; `confidence`, `filled` and `contact` (time, keypoints,
individuals); `sigma` (same) m, the standard deviation of each axis (root of their mean variance). `time` is seconds
from the first frame. What is unknown is NaN. The file is of netCDF's classic form (64-bit offsets), which needs no
HDF5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import netcdf_file

from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S
from multiview.export import Progress, silent
from multiview.recordings.pose_table import Poses

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(poses):
            return []
        path = stem.with_name(stem.name + ".nc")
        frame, first, row = np.unique(poses.frame, return_index=True, return_inverse=True)
        people = poses.people.tolist()
        column = np.searchsorted(people, poses.person)
        shape = (len(frame), len(poses.joints), len(people))
        position = np.full((len(frame), 3, *shape[1:]), np.nan)
        values = {
            "confidence": poses.score,
            "sigma": poses.sigma,
            "filled": poses.filled,
            "contact": poses.contact,
        }
        tables = {name: np.full(shape, np.nan) for name in values}
        position[row, :, :, column] = poses.xyz.transpose(0, 2, 1)
        known = np.isfinite(poses.xyz).all(axis=-1)
        for name, of_joints in values.items():
            tables[name][row, :, column] = np.where(known, of_joints, np.nan)
        with replacing(path) as temporary:
            file = netcdf_file(str(temporary), "w", version=2)
            _attributes(file, poses)
            for name, texts in (
                ("space", ["x", "y", "z"]),
                ("keypoints", list(poses.joints)),
                ("individuals", [poses.label(number) for number in people]),
            ):
                _names(file, name, texts)
            time_s = (poses.time_ns[first] - poses.time_ns[first[0]]) / NS_PER_S
            _array(file, "time", time_s, ("time",))
            _array(file, "position", position, ("time", "space", "keypoints", "individuals"), units="m")
            for name, table in tables.items():
                _array(file, name, table, ("time", "keypoints", "individuals"), units="m" if name == "sigma" else "1")
            file.close()
        progress(1.0)
        return [path]


def _attributes(file: Any, poses: Poses) -> None:
    """Those of movement's data sets."""
    file.ds_type, file.source_software, file.time_unit = "poses", "multiview", "seconds"
    file.fps = float(poses.frames_per_second)


def _names(file: Any, name: str, texts: list[str]) -> None:
    """A coordinate of names: characters, as classic netCDF has them."""
    encoded = [text.encode() for text in texts]
    width = max(map(len, encoded))
    file.createDimension(name, len(texts))
    file.createDimension(f"{name}_length", width)
    variable = file.createVariable(name, "c", (name, f"{name}_length"))
    variable._Encoding = "utf-8"
    variable[:] = np.array([list(text.ljust(width, b"\0")) for text in encoded], np.uint8).view("S1")


def _array(file: Any, name: str, values: np.ndarray, dimensions: tuple[str, ...], **attributes: str) -> None:
    for dimension, length in zip(dimensions, values.shape, strict=True):
        if dimension not in file.dimensions:
            file.createDimension(dimension, length)
    variable = file.createVariable(name, "d", dimensions)
    variable[:] = values
    for key, value in attributes.items():
        setattr(variable, key, value)
