"""Kalibr's camchain.yaml: cam0, cam1, ... with intrinsics, distortion, resolution, and each camera's pose by the last.

intrinsics are fx, fy, cx, cy; T_cn_cnm1 is the 4x4 transform cam_from_previous_camera in metres, OpenCV's camera axes;
the world is the first camera's. "radtan" has k1 k2 p1 p2, "equidistant" is OpenCV's fisheye. A camera has the
first word of its rostopic as its name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from calib.formats._storage_yaml import parse_storage
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".camchain.yaml"
_MODELS = {"radtan": "pinhole", "equidistant": "fisheye", "none": "pinhole"}


def recognises(text: str) -> bool:
    return re.search(r"^cam0:", text, re.MULTILINE) is not None and "distortion_coeffs" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "Kalibr's camchain.yaml", ConfigError):
        chain = parse_storage(path.read_text(encoding="utf-8-sig"))
        cameras, from_world = [], np.eye(4)
        for number in range(len(chain)):
            table = chain.get(f"cam{number}")
            if not isinstance(table, dict):
                break
            if number:
                from_world = _transform(path, number, table) @ from_world
            cameras.append(_camera(path, number, table, from_world))
    cameras, told = in_metres(cameras, unit_m, always="m")
    rig = make_rig(path, cameras)
    return Rig(rig.cameras, "camera"), [told]


def _transform(path: Path, number: int, table: dict[str, Any]) -> np.ndarray:
    given = np.array(table.get("T_cn_cnm1"), dtype=np.float64)
    if given.shape != (4, 4):
        raise ConfigError(f"{path}: cam{number} has no T_cn_cnm1 of four rows and columns")
    return given


def _camera(path: Path, number: int, table: dict[str, Any], from_world: np.ndarray) -> Camera:
    name = str(table.get("rostopic") or f"cam{number}").strip("/").split("/")[0]
    if table.get("camera_model", "pinhole") != "pinhole":
        raise ConfigError(f"{path}: cam{number} has the camera model {shown(table['camera_model'])}, not pinhole")
    model = str(table.get("distortion_model", "none"))
    if model not in _MODELS:
        raise ConfigError(f"{path}: cam{number} has the lens model {shown(model)}; known are {', '.join(_MODELS)}")
    inner = np.array(table.get("intrinsics"), dtype=np.float64)
    if inner.shape != (4,):
        raise ConfigError(f"{path}: cam{number} has no intrinsics fx, fy, cx, cy")
    fx, fy, cx, cy = inner
    K, dist = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], table.get("distortion_coeffs") or [0.0] * 4
    fisheye = _MODELS[model] == "fisheye"
    return make_camera(path, name, table.get("resolution"), K, dist, from_world[:3, :3], from_world[:3, 3], fisheye)


def write(rig: Rig, path: Path) -> list[str]:
    for camera in rig.cameras:
        if camera.dist[4:].any() or camera.K[0, 1]:
            raise ConfigError(
                f"camera {camera.name!r}: Kalibr holds k1 k2 p1 p2 or a fisheye lens, no skew; choose another format"
            )
    lines: list[str] = []
    previous = np.eye(4)
    for number, camera in enumerate(rig.cameras):
        from_world = np.eye(4)
        from_world[:3, :3], from_world[:3, 3] = camera.R, camera.t
        lines.append(f"cam{number}:")
        if number:
            lines.append("  T_cn_cnm1:")
            lines += [f"  - {row}" for row in (from_world @ np.linalg.inv(previous)).tolist()]
        K = camera.K
        lines += [
            "  camera_model: pinhole",
            f"  distortion_coeffs: {camera.dist[:4].tolist()}",
            f"  distortion_model: {'equidistant' if camera.model == 'fisheye' else 'radtan'}",
            f"  intrinsics: {[float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])]}",
            f"  resolution: {list(camera.size)}",
            f"  rostopic: /{camera.name}/image_raw",
        ]
        previous = from_world
    with replacing(path) as file:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    remarks = []
    if rig.cameras[0].t.any() or not np.array_equal(rig.cameras[0].R, np.eye(3)):
        remarks.append("Kalibr has no world: it becomes the first camera's")
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return remarks + ([f"Kalibr has no time offsets here; those of {', '.join(lost)} are lost"] if lost else [])
