"""EasyMocap's intri.yml and extri.yml, OpenCV's FileStorage: names, and K_NAME, dist_NAME; R_NAME, Rot_NAME, T_NAME.

Name intri.yml; extri.yml is the one beside it. Rot (3x3; R is the same as a rotation vector) and T are cam_from_world,
OpenCV's camera axes, metres. The size of the pictures, H_NAME and W_NAME, may be absent: then the principal point is
taken to be their centre.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from calib.formats._cameras import in_metres, make_camera, make_rig
from calib.formats._pair import partner
from calib.formats._storage_yaml import matrix_of, parse_storage
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.common.ranges import shown
from multiview.errors import ConfigError
from multiview.geometry.rigid import vector_from_rotation

SUFFIX = ".intri.yml"


def recognises(text: str) -> bool:
    return re.search(r"^K_\S+:\s*!!opencv-matrix", text, re.MULTILINE) is not None and "\nnames:" in f"\n{text}"


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "EasyMocap's intri.yml", ConfigError):
        inner = parse_storage(path.read_text(encoding="utf-8-sig"))
    outer_path = partner(path, "intri", "extri")
    with foreign_errors(outer_path, "EasyMocap's extri.yml", ConfigError):
        outer = parse_storage(reading(outer_path).read_text(encoding="utf-8-sig"))
    names = inner.get("names")
    if not isinstance(names, list) or not names:
        raise ConfigError(f"{path}: it has no names of cameras")
    guessed: list[str] = []
    cameras = [_camera(path, outer_path, str(name), inner, outer, guessed) for name in names]
    remarks = []
    if guessed:
        remarks.append(f"no picture size of {', '.join(guessed)} in the file: taken from the principal point")
    cameras, told = in_metres(cameras, unit_m, always="m")
    return make_rig(path, cameras), [*remarks, told]


def _camera(
    path: Path, outer_path: Path, name: str, inner: dict[str, Any], outer: dict[str, Any], guessed: list[str]
) -> Camera:
    def matrix(file: Path, table: dict[str, Any], key: str) -> Any:
        if f"{key}_{name}" not in table:
            raise ConfigError(f"{file}: no {key} of camera {shown(name)}")
        with foreign_errors(file, f"a file with a matrix {key} of camera {shown(name)}", ConfigError):
            return matrix_of(table[f"{key}_{name}"])

    K, dist, T = matrix(path, inner, "K"), matrix(path, inner, "dist"), matrix(outer_path, outer, "T")
    R = matrix(outer_path, outer, "Rot" if f"Rot_{name}" in outer else "R")
    size = inner.get(f"W_{name}"), inner.get(f"H_{name}")
    if None in size:
        guessed.append(name)
        size = 2 * float(K[0, 2]) + 1, 2 * float(K[1, 2]) + 1
    return make_camera(path, name, size, K, dist, R, T)


def write(rig: Rig, path: Path) -> list[str]:
    if fisheye := [camera.name for camera in rig.cameras if camera.model == "fisheye"]:
        raise ConfigError(f"camera {fisheye[0]!r}: EasyMocap has no fisheye lens; choose another format")
    if unfit := [camera.name for camera in rig.cameras if not re.fullmatch(r"[\w -]+", camera.name, re.ASCII)]:
        raise ConfigError(
            f"camera {unfit[0]!r}: a name in EasyMocap's files has letters a to z, digits, '-', '_' and spaces only; "
            "rename the camera in the rig, or choose another format"
        )
    import cv2

    outer_path = partner(path, "intri", "extri")
    texts = []
    for inner in (True, False):
        storage = cv2.FileStorage(".yml", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
        storage.startWriteStruct("names", cv2.FileNode_SEQ)
        for camera in rig.cameras:
            storage.write("", camera.name)
        storage.endWriteStruct()
        for camera in rig.cameras:
            if inner:
                storage.write(f"K_{camera.name}", camera.K)
                storage.write(f"dist_{camera.name}", camera.dist.reshape(1, -1))
                storage.write(f"W_{camera.name}", camera.size[0])
                storage.write(f"H_{camera.name}", camera.size[1])
            else:
                storage.write(f"R_{camera.name}", vector_from_rotation(camera.R).reshape(3, 1))
                storage.write(f"Rot_{camera.name}", camera.R)
                storage.write(f"T_{camera.name}", camera.t.reshape(3, 1))
        texts.append(storage.releaseAndGetString())
    for target, text in zip((path, outer_path), texts, strict=True):
        with replacing(target) as file:
            file.write_text(text, encoding="utf-8")
    remarks = [f"poses are in {outer_path}"]
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return remarks + ([f"EasyMocap has no time offsets; those of {', '.join(lost)} are lost"] if lost else [])
