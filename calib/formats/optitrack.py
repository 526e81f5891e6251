"""OptiTrack's .mcal of Motive 2 and 3 (XML in UTF-16): one Camera per device. Read only.

Extrinsic has the camera's place, m, and OrientMatrix0..8, row by row, which turns camera axes (x right, y up, z
backward) into Motive's world, whose y is up. IntrinsicStandardCameraModel has the lens in px, k1 k2 k3 and tangential
coefficients, taken as OpenCV's k1 k2 p1 p2 k3; Intrinsic is OptiTrack's own model, and is not read. A camera is named
by its serial number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from multiview.cameras.camera import Camera, Rig
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".mcal"
_FLIP = np.diag([1.0, -1.0, -1.0])
_Z_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # z_up_from_y_up


def recognises(text: str) -> bool:
    return "OrientMatrix0" in text and "HorizontalFocalLength" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "OptiTrack's .mcal", ConfigError):
        content = path.read_bytes()
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ConfigError(f"{path}: an .mcal file must not have a document type or entities: export it again")
        root = ElementTree.fromstring(text[text.find("<") :].encode() if "encoding" not in text[:120] else content)
        nodes = [node for node in root.iter("Camera") if node.find("Extrinsic") is not None]
        cameras = [_camera(path, node) for node in nodes]
        others = [node.get("Serial", "?") for node in root.iter("Camera") if node.find("Extrinsic") is None]
    cameras, told = in_metres(cameras, unit_m, always="m")
    remarks = [told, "the world is turned: Motive's y is z", "the coefficients are taken as OpenCV's k1 k2 p1 p2 k3"]
    if others:
        remarks.append(f"not calibrated in the file, and left out: {', '.join(others)}")
    return make_rig(path, cameras), remarks


def _camera(path: Path, node: Any) -> Camera:
    name = node.get("Serial") or "camera"

    def numbers(child: str, *keys: str) -> list[float]:
        found = node.find(child)
        if found is None:
            raise ConfigError(f"{path}: camera {shown(name)} has no {child}: export the calibration with Motive 2 or 3")
        try:
            return [float(found.get(key, "")) for key in keys]
        except ValueError:
            raise ConfigError(f"{path}: camera {shown(name)}: {child} lacks numbers {', '.join(keys)}") from None

    lens = "IntrinsicStandardCameraModel"
    fx, fy = numbers(lens, "HorizontalFocalLength", "VerticalFocalLength")
    cx, cy = numbers(lens, "LensCenterX", "LensCenterY")
    k1, k2, k3, p1, p2 = numbers(lens, "k1", "k2", "k3", "TangentialX", "TangentialY")
    size = numbers("Attributes", "ImagerPixelWidth", "ImagerPixelHeight")
    place = np.array(numbers("Extrinsic", "X", "Y", "Z"))
    turn = np.array(numbers("Extrinsic", *(f"OrientMatrix{n}" for n in range(9)))).reshape(3, 3)
    R = _FLIP @ turn.T @ _Z_UP.T
    return make_camera(path, name, size, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], [k1, k2, p1, p2, k3], R,
                       -R @ _Z_UP @ place)  # fmt: skip
