"""Checks shared by all formats: numbers from a file become a Camera, or a ConfigError that says what is wrong."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
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

__all__ = ["UNITS_M", "in_metres", "make_camera", "make_rig"]

_ROTATION_TOLERANCE = 1e-3
_SPREAD_M, _SPREAD_CM = 30.0, 600.0  # cameras farther apart are not in metres; still farther, not in centimetres

UNITS_M = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "in": 0.0254, "ft": 0.3048}
_SPELLED = {
    "meter": "m", "metre": "m", "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm",
    "inch": "in", "inche": "in", "foot": "ft", "feet": "ft",
}  # fmt: skip


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
            raise ConfigError(f"{path}: two cameras are named {shown(name)}")
    return Rig(tuple(cameras))


def in_metres(
    cameras: list[Camera], given_m: float | None, stated: object = None, always: str = ""
) -> tuple[list[Camera], str]:
    """The cameras with lengths in metres, and a remark that says of what unit the file's were taken to be.

    In this order: `given_m`, the metres per unit that the user gives; the format's own unit, `always`; what the file
    states; and how far apart the cameras are.
    """
    word = str(stated or "").strip().lower()
    word = _SPELLED.get(word.removesuffix("s"), word)
    if given_m is not None:
        scale, told = given_m, f"lengths are in units of {given_m:g} m, as given"
    elif always:
        scale, told = UNITS_M[always], f"lengths are in {always}, as the format has them"
    elif word in UNITS_M:
        scale, told = UNITS_M[word], f"the file says its lengths are in {word}"
    else:
        spread = _spread(cameras)
        unit = "m" if spread <= _SPREAD_M else "cm" if spread <= _SPREAD_CM else "mm"
        unknown = f"the file's unit {shown(stated)} is unknown; " if word else ""
        scale = UNITS_M[unit]
        told = (
            f"{unknown}lengths are taken to be in {unit}, as the cameras spread over {spread:.4g}: --unit says another"
        )
    return [replace(camera, t=camera.t * scale) for camera in cameras], told


def _spread(cameras: list[Camera]) -> float:
    """The largest distance between two cameras, in the file's unit; of one camera, from the world's origin."""
    centres = np.array([camera.centre for camera in cameras])
    others = centres if len(cameras) > 1 else np.zeros((1, 3))
    return float(np.max(np.linalg.norm(centres[:, None] - others[None], axis=2), initial=0.0))
