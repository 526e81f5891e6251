"""Checks shared by all formats: numbers from a file become a Camera, or a ConfigError that says what is wrong."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from multiview.cameras.camera import Camera, Rig
from multiview.cameras.rig_file import CameraTable
from multiview.common.ranges import LARGEST, shown
from multiview.common.toml import convert
from multiview.errors import ConfigError, one_line
from multiview.geometry.lens import COEFFICIENTS, LensModel
from multiview.geometry.rigid import nearest_rotation, rotation_from_vector

__all__ = ["make_camera", "make_rig", "unit_of"]

_ROTATION_TOLERANCE = 1e-3
_MAX_DISTANCE_M = 30.0


def make_camera(
    path: Path,
    name: str,
    size: Any,
    matrix: Any,
    distortion: Any,
    rotation: Any,
    translation: Any,
    fisheye: bool = False,
    time_offset_s: Any = 0.0,
) -> Camera:
    """`rotation` is cam_from_world, as a matrix or a rotation vector; `distortion` is padded with zeros to a length
    that OpenCV knows. Raises ConfigError."""
    where = f"{path}: camera {shown(name)}"
    try:
        K = np.array(matrix, dtype=np.float64).reshape(3, 3)
        dist = np.array(distortion, dtype=np.float64).ravel()
        given = np.array(rotation, dtype=np.float64)
        t = np.array(translation, dtype=np.float64).reshape(3)
        width, height = (round(float(n)) for n in size)
        offset = float(time_offset_s)
        R = rotation_from_vector(given.ravel()) if given.size == 3 else given.reshape(3, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{where}: numbers of the wrong kind or shape ({one_line(error)[:200]})") from None
    if not all((np.abs(numbers) < LARGEST).all() for numbers in (K, dist, R)):
        raise ConfigError(f"{where}: a number is not finite, or larger than {LARGEST:g}")
    if np.abs(R @ R.T - np.eye(3)).max() > _ROTATION_TOLERANCE or np.linalg.det(R) < 0:
        raise ConfigError(f"{where}: its rotation is not a right-handed rotation")
    if np.abs(R @ R.T - np.eye(3)).max() > 1e-12:
        R = nearest_rotation(R)
    model: LensModel = "fisheye" if fisheye else "pinhole"
    longer = [n for n in COEFFICIENTS[model] if n >= len(dist)]
    if not longer:
        raise ConfigError(f"{where}: {len(dist)} distortion coefficients are more than the {model} model has")
    dist = np.pad(dist, (0, longer[0] - len(dist)))
    table = {"name": name, "size": [width, height], "model": model, "K": K.tolist(), "dist": dist.tolist()}
    # Of the translation only the caller knows the unit, so it is not checked as one in metres.
    convert(table | {"R": R.tolist(), "t": [0.0, 0.0, 0.0], "time_offset_s": offset}, CameraTable, where)
    if not (np.abs(t) < LARGEST).all():
        raise ConfigError(f"{where}: a number is not finite, or larger than {LARGEST:g}")
    return Camera(unicodedata.normalize("NFC", name), (width, height), K, dist, R, t, model, offset)


def make_rig(path: Path, cameras: list[Camera]) -> Rig:
    """Raises ConfigError for no camera and for two of one name."""
    if not cameras:
        raise ConfigError(f"{path}: it holds no calibrated camera")
    names = [camera.name for camera in cameras]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: two cameras are named {name!r}")
    return Rig(tuple(cameras))


def unit_of(translations: list[Any], stated: object) -> tuple[float, str]:
    """Metres per unit, and how it was told: by the file, or by cameras too far apart for metres."""
    units = {"m": 1.0, "mm": 1e-3, "cm": 1e-2}
    if isinstance(stated, str) and stated in units:
        return units[stated], f"the file says its lengths are in {stated}"
    largest = max((float(np.abs(np.array(t, dtype=np.float64)).max()) for t in translations), default=0.0)
    if largest > _MAX_DISTANCE_M:
        return 1e-3, f"lengths are taken to be millimetres (the largest is {largest:.0f})"
    return 1.0, f"lengths are taken to be metres (the largest is {largest:.3g})"
