"""OpenCV's FileStorage YAML: a sequence `cameras`, each with camera_matrix, distortion_coefficients, image_width,
image_height, R, T.

R (3x3), T (3x1, metres) are cam_from_world, OpenCV's camera axes. A file as OpenCV's own calibration programs write it
(one camera, the keys at the top, no R and T) reads as a camera at the origin.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calib.formats._cameras import make_camera, make_rig
from calib.formats._storage_yaml import matrix_of, parse_storage
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.errors import ConfigError

SUFFIX = ".yaml"


def recognises(text: str) -> bool:
    return text.startswith("%YAML") and "opencv-matrix" in text


def read(path: Path) -> tuple[Rig, list[str]]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    with foreign_errors(path, "an OpenCV storage file with cameras in it", ConfigError):
        storage = parse_storage(path.read_text(encoding="utf-8-sig"))
        return _rig(path, storage)


def _rig(path: Path, storage: dict[str, Any]) -> tuple[Rig, list[str]]:
    sequence = storage.get("cameras")
    if isinstance(sequence, list):
        return make_rig(path, [_camera(path, node, f"cam{i + 1:02d}") for i, node in enumerate(sequence)]), []
    if "camera_matrix" not in storage:
        raise ConfigError(f"{path}: it has neither `cameras` nor `camera_matrix`")
    return make_rig(path, [_camera(path, storage, path.stem)]), ["no pose in the file: the camera is at the origin"]


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


def _camera(path: Path, node: Any, name: str) -> Camera:
    if not isinstance(node, dict):
        raise ConfigError(f"{path}: camera {name!r} is not a map of values")
    name = str(node.get("name", name))

    def matrix(*keys: str) -> Any:
        given = next((node[key] for key in keys if key in node), None)
        return None if given is None else matrix_of(given)

    R, T = matrix("R"), matrix("T", "t")
    K, dist = matrix("camera_matrix", "K"), matrix("distortion_coefficients", "dist", "D")
    if K is None or dist is None:
        raise ConfigError(f"{path}: camera {name!r} has no camera_matrix or no distortion_coefficients")
    fisheye = node.get("model") == "fisheye" or node.get("fisheye_model") == 1  # as OpenCV's own sample writes it
    return make_camera(
        path,
        name,
        [node.get("image_width"), node.get("image_height")],
        K,
        dist,
        np.eye(3) if R is None else R,
        np.zeros(3) if T is None else T,
        fisheye,
        node.get("time_offset_s", 0.0),
    )
