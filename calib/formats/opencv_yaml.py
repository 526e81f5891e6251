"""OpenCV's FileStorage, YAML or XML: a sequence `cameras`, each with camera_matrix, distortion_coefficients,
image_width, image_height, R, T.

R (3x3), T (3x1, metres) are cam_from_world, OpenCV's camera axes. A file as OpenCV's own calibration programs write it
(one camera, the keys at the top, no R and T) reads as a camera at the origin. The lens is a fisheye where `model` says
so, or `fisheye_model`, as OpenCV's calibration sample has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from calib.formats._storage_xml import parse_storage_xml
from calib.formats._storage_yaml import matrix_of, parse_storage
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".yaml"

_MOST = 8  # keys that an error names
_MATRIX = ("camera_matrix", "Camera_Matrix", "cameraMatrix", "K")
_DISTORTION = ("distortion_coefficients", "Distortion_Coefficients", "distCoeffs", "dist", "D")
_FISHEYE = ("fisheye", "equidistant", "kannala_brandt")
_PINHOLE = ("pinhole", "plumb_bob", "radtan", "rational_polynomial")


def recognises(text: str) -> bool:
    return (text.startswith("%YAML") or "<opencv_storage>" in text) and "opencv-matrix" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    with foreign_errors(path, "an OpenCV storage file with cameras in it", ConfigError):
        text = path.read_text(encoding="utf-8-sig")
        storage = parse_storage_xml(text) if text.lstrip().startswith("<") else parse_storage(text)
        cameras, remarks = _cameras(path, storage)
    placed = any(camera.t.any() for camera in cameras)
    cameras, told = in_metres(cameras, unit_m)
    return make_rig(path, cameras), [*remarks, *([told] if placed else [])]


def _cameras(path: Path, storage: dict[str, Any]) -> tuple[list[Camera], list[str]]:
    sequence = storage.get("cameras")
    if isinstance(sequence, list):
        return [_camera(path, node, f"cam{i + 1:02d}", placed=True) for i, node in enumerate(sequence)], []
    if _first(storage, _MATRIX) is None:
        found = ", ".join(map(str, list(storage)[:_MOST])) or "nothing"
        raise ConfigError(f"{path}: it has neither `cameras` nor `camera_matrix`, but {found}")
    return [_camera(path, storage, path.stem)], ["no pose in the file: the camera is at the origin"]


def write(rig: Rig, path: Path) -> list[str]:
    import cv2

    storage = cv2.FileStorage(".yaml", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
    storage.startWriteStruct("cameras", cv2.FileNode_SEQ)
    for camera in rig.cameras:
        storage.startWriteStruct("", cv2.FileNode_MAP)
        storage.write("name", camera.name)
        storage.write("image_width", camera.size[0])
        storage.write("image_height", camera.size[1])
        storage.write("model", camera.model)
        storage.write("camera_matrix", camera.K)
        storage.write("distortion_coefficients", camera.dist.reshape(1, -1))
        storage.write("R", camera.R)
        storage.write("T", camera.t.reshape(3, 1))
        storage.write("time_offset_s", camera.time_offset_s)
        storage.endWriteStruct()
    storage.endWriteStruct()
    text = storage.releaseAndGetString()
    with replacing(path) as file:
        file.write_text(text, encoding="utf-8")
    return []


def _camera(path: Path, node: Any, name: str, placed: bool = False) -> Camera:
    """One of several is `placed`: without its pose the file is cut, or not one of a rig."""
    if not isinstance(node, dict):
        raise ConfigError(f"{path}: camera {shown(name)} is not a map of values")
    name = str(node.get("name", name))
    R, T = _matrix(node, ("R",)), _matrix(node, ("T", "t"))
    K, dist = _matrix(node, _MATRIX), _matrix(node, _DISTORTION)
    if K is None or dist is None:
        raise ConfigError(f"{path}: camera {shown(name)} has no camera_matrix or no distortion_coefficients")
    size = [_first(node, (f"image_{side}", f"image_{side.title()}")) for side in ("width", "height")]
    if None in size:
        raise ConfigError(f"{path}: camera {shown(name)} has no image_width and image_height")
    if (R is None) != (T is None) or (placed and R is None):
        raise ConfigError(f"{path}: camera {shown(name)} has no {'R' if R is None else 'T'}: is the file cut?")
    R, T = np.eye(3) if R is None else R, np.zeros(3) if T is None else T
    offset = node.get("time_offset_s", 0.0)
    return make_camera(path, name, size, K, dist, R, T, _is_fisheye(path, node, name), offset)


def _is_fisheye(path: Path, node: dict[str, Any], name: str) -> bool:
    model = _first(node, ("model", "distortion_model"))
    if model is None:
        return bool(_first(node, ("fisheye_model", "fisheye")))
    if model in _FISHEYE or model in _PINHOLE:
        return model in _FISHEYE
    known = ", ".join((*_PINHOLE, *_FISHEYE))
    raise ConfigError(f"{path}: camera {shown(name)} has the lens model {shown(model)}; known are {known}")


def _first(node: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """The value of the first of the keys that is there."""
    return next((node[key] for key in keys if key in node), None)


def _matrix(node: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return matrix_of(_first(node, keys)) if any(key in node for key in keys) else None
