"""MATLAB's .mat (not -v7.3) with a struct of stereoParameters or cameraParameters, as toStruct gives it. Read only.

    s = toStruct(stereoParams); save('stereo.mat', '-struct', 's', '-v7')        % or save('stereo.mat', 's')

MATLAB counts pixels from 1: a principal point is one larger than here. IntrinsicMatrix multiplies rows and is
transposed, K multiplies columns. RotationOfCamera2 and TranslationOfCamera2 multiply rows of the first camera's
coordinates; the world is the first camera's. Distortion is OpenCV's: RadialDistortion k1 k2 k3, TangentialDistortion
p1 p2. WorldUnits is the unit. Objects themselves are closed to other programs, so toStruct is needed.

More than two cameras are a struct array of such structs, each with a field CameraFromWorld (4x4, multiplies columns; A
of a rigidtform3d) and, if wanted, Name:

    s(1) = toStruct(params1); s(1).CameraFromWorld = tform1.A; ... save('cameras.mat', 's', '-v7')
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from calib.formats._mat5 import read_mat
from multiview.cameras.camera import Camera, Rig
from multiview.common.foreign_errors import LARGEST_FILE, foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".mat"
_FIRST = 1.0  # px: where MATLAB puts the centre of the first pixel


def recognises(text: str) -> bool:
    return text.startswith("MATLAB ")


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "MATLAB's camera parameters", ConfigError):
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(f"{path}: far larger than camera parameters")
        content = path.read_bytes()
        if content[:10] == b"MATLAB 7.3":
            raise ConfigError(f"{path}: saved with -v7.3: save it again with -v7")
        table = read_mat(content)
        stereo = _find(table, "CameraParameters2")
        if stereo is not None:
            named = [("cam01", stereo["CameraParameters1"]), ("cam02", stereo["CameraParameters2"])]
            poses = [np.eye(4), _second_from_first(path, stereo)]
        else:
            named = _single(table)
            poses = [np.array(one.get("CameraFromWorld", np.eye(4)), dtype=np.float64) for _, one in named]
        if not named:
            raise ConfigError(f"{path}: no struct with RadialDistortion in it: give toStruct of the parameters")
        cameras = [_camera(path, name, one, pose) for (name, one), pose in zip(named, poses, strict=True)]
        if len(cameras) > 1 and stereo is None and not all("CameraFromWorld" in one for _, one in named):
            raise ConfigError(f"{path}: several cameras, and not where they are: give toStruct of stereoParameters")
        unit = str(named[0][1].get("WorldUnits", ""))
    cameras, told = in_metres(cameras, unit_m, unit)
    return Rig(make_rig(path, cameras).cameras, "camera" if np.array_equal(poses[0], np.eye(4)) else ""), [told]


def _find(table: dict[str, Any], key: str) -> dict[str, Any] | None:
    """The struct that has a field, at the top or one level below."""
    for one in (table, *table.values()):
        if isinstance(one, dict) and key in one:
            return one
    return None


def _single(table: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for key, value in [("cam01", table), *table.items()]:
        structs = value if isinstance(value, list) else [value]
        for one in structs:
            if isinstance(one, dict) and "RadialDistortion" in one:
                found.append((str(one.get("Name", key if len(structs) == 1 else f"cam{len(found) + 1:02d}")), one))
    return found


def _second_from_first(path: Path, stereo: dict[str, Any]) -> np.ndarray:
    pose = np.eye(4)
    if "RotationOfCamera2" not in stereo or "TranslationOfCamera2" not in stereo:
        raise ConfigError(f"{path}: no RotationOfCamera2 and TranslationOfCamera2: give toStruct of stereoParameters")
    pose[:3, :3] = np.array(stereo["RotationOfCamera2"], dtype=np.float64).reshape(3, 3).T
    pose[:3, 3] = np.array(stereo["TranslationOfCamera2"], dtype=np.float64).reshape(3)
    return pose


def _camera(path: Path, name: str, values: dict[str, Any], pose: np.ndarray) -> Camera:
    missing = [key for key in ("RadialDistortion", "TangentialDistortion", "ImageSize") if key not in values]
    if missing or ("K" not in values and "IntrinsicMatrix" not in values):
        raise ConfigError(f"{path}: camera {shown(name)} has no {', '.join(missing or ['K'])}")
    K = np.array(values["K"] if "K" in values else np.transpose(values["IntrinsicMatrix"]), dtype=np.float64)
    radial, tangential, size = (
        np.array(values[key], dtype=np.float64).ravel()
        for key in ("RadialDistortion", "TangentialDistortion", "ImageSize")
    )
    if K.shape != (3, 3) or len(radial) not in (2, 3) or len(tangential) != 2 or len(size) < 2 or pose.shape != (4, 4):
        raise ConfigError(f"{path}: camera {shown(name)}: matrices or coefficients of another size than MATLAB's")
    K[:2, 2] -= _FIRST
    dist = [*radial[:2], *tangential, *radial[2:]]
    return make_camera(path, name, size[1::-1], K, dist, pose[:3, :3], pose[:3, 3])
