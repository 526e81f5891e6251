"""OpenCap's cameraIntrinsicsExtrinsics.pickle, one for each camera, in Videos/CamN. Read only.

A dict with intrinsicMat (3x3), distortion (5), imageSize (height, width), rotation (3x3) and translation (3, mm),
cam_from_world, OpenCV's camera axes; the world is the checkerboard's. Name the folder Videos for all cameras, or one
file. A pickle can hold any program: only plain values and arrays of numbers are read from it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from multiview.cameras.camera import Camera, Rig
from multiview.common.foreign_errors import LARGEST_FILE, foreign_errors
from multiview.common.ledger import reading
from multiview.common.safe_pickle import values_and_arrays
from multiview.errors import ConfigError

SUFFIX = ".pickle"
FILES = ("cameraIntrinsicsExtrinsics.pickle", "*/cameraIntrinsicsExtrinsics.pickle")
_KEYS = ("intrinsicMat", "distortion", "imageSize", "rotation", "translation")


def recognises(text: str) -> bool:
    return "intrinsicMat" in text and "rotation_EulerAngles" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    files = sorted({file for pattern in FILES for file in path.glob(pattern)}) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path}: no folder in it has a {FILES[0]}")
    cameras, told = in_metres([_camera(reading(file)) for file in files], unit_m, always="mm")
    return make_rig(path, cameras), [told]


def _camera(path: Path) -> Camera:
    with foreign_errors(path, "a camera of OpenCap", ConfigError):
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{path}: far larger than a camera of OpenCap")
        values = values_and_arrays(path.read_bytes())
        missing = [key for key in _KEYS if not isinstance(values, dict) or key not in values]
        if missing:
            raise ConfigError(f"{path}: not a camera of OpenCap: it lacks {', '.join(missing)}")
        K, dist, size, R, t = (np.asarray(values[key], dtype=np.float64) for key in _KEYS)
        name = path.parent.name if path.name == FILES[0] else path.stem
        return make_camera(path, name or "cam01", size.ravel()[::-1], K, dist, R, t)
