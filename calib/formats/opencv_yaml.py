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
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError

SUFFIX = ".yaml"


def recognises(text: str) -> bool:
    return text.startswith("%YAML") and "opencv-matrix" in text


def read(path: Path) -> tuple[Rig, list[str]]:
    import cv2

    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
        return _rig(path, storage)
    except (cv2.error, SystemError):  # SystemError is how OpenCV's binding reports a file that is no YAML at all
        raise ConfigError(f"{path}: not an OpenCV storage file with cameras in it") from None


def _rig(path: Path, storage: Any) -> tuple[Rig, list[str]]:
    try:
        sequence = storage.getNode("cameras")
        if not sequence.empty():
            nodes = [sequence.at(i) for i in range(sequence.size())]
            return make_rig(path, [_camera(path, node, f"cam{i + 1:02d}") for i, node in enumerate(nodes)]), []
        if storage.getNode("camera_matrix").empty():
            raise ConfigError(f"{path}: it has neither `cameras` nor `camera_matrix`")
        return make_rig(path, [_camera(path, storage, path.stem)]), ["no pose in the file: the camera is at the origin"]
    finally:
        storage.release()


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
    from dataclasses import replace

    def matrix(*keys: str) -> Any:
        found = [node.getNode(key) for key in keys]
        return next((n.mat() for n in found if not n.empty()), None)

    named, model = node.getNode("name"), node.getNode("model")
    R, T = matrix("R"), matrix("T", "t")
    K, dist = matrix("camera_matrix", "K"), matrix("distortion_coefficients", "dist", "D")
    if K is None or dist is None:
        raise ConfigError(f"{path}: camera {name!r} has no camera_matrix or no distortion_coefficients")
    camera = make_camera(
        path,
        name if named.empty() else named.string(),
        [node.getNode("image_width").real(), node.getNode("image_height").real()],
        K,
        dist,
        np.eye(3) if R is None else R,
        np.zeros(3) if T is None else T,
        not model.empty() and model.string() == "fisheye",
    )
    offset = node.getNode("time_offset_s")
    return camera if offset.empty() else replace(camera, time_offset_s=offset.real())
