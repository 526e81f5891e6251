"""Vicon's .xcp (XML): one Camera per device, its calibration in KeyFrames/KeyFrame. Read only.

ORIENTATION is a quaternion x y z w, camera_from_world; POSITION the camera's place in the world, mm; camera axes are
x right, y down, z forward. FOCAL_LENGTH is in px along x, over PIXEL_ASPECT_RATIO along y. VICON_RADIAL2 ends with the
radial coefficients of normalised coordinates, taken as OpenCV's k1 k2 k3, as Pose2Sim and OpenCap take them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from calib.formats._quaternion import rotation_from_quaternion
from multiview.cameras.camera import Camera, Rig
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".xcp"


def recognises(text: str) -> bool:
    return "<Cameras" in text and "FOCAL_LENGTH=" in text and "DEVICEID=" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "Vicon's .xcp", ConfigError):
        text = path.read_text(encoding="utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ConfigError(f"{path}: an .xcp file must not have a document type or entities: export it again")
        root = ElementTree.fromstring(text)
        frames = [(node, node.find("KeyFrames/KeyFrame")) for node in root.iter("Camera")]
        cameras = [_camera(path, node, frame) for node, frame in frames if frame is not None]
        left_out = [node.get("DEVICEID", "?") for node, frame in frames if frame is None]
    cameras, told = in_metres(cameras, unit_m, always="mm")
    remarks = [told]
    if any(camera.dist.any() for camera in cameras):
        remarks.append("the radial coefficients are taken as OpenCV's k1 k2 k3")
    if left_out:
        remarks.append(f"not calibrated in the file, and left out: {', '.join(left_out)}")
    return make_rig(path, cameras), remarks


def _camera(path: Path, node: Any, frame: Any) -> Camera:
    name = node.get("DEVICEID") or node.get("USERID") or "camera"

    def numbers(element: Any, key: str, count: int) -> list[float]:
        try:
            found = [float(text) for text in element.get(key, "").split()]
        except ValueError:
            found = []
        if len(found) != count:
            raise ConfigError(f"{path}: camera {shown(name)}: {key} is not {count} numbers")
        return found

    (focal,) = numbers(frame, "FOCAL_LENGTH", 1)
    aspect = numbers(node, "PIXEL_ASPECT_RATIO", 1)[0] if node.get("PIXEL_ASPECT_RATIO") else 1.0
    cx, cy = numbers(frame, "PRINCIPAL_POINT", 2)
    x, y, z, w = numbers(frame, "ORIENTATION", 4)
    R, centre = rotation_from_quaternion((w, x, y, z)), np.array(numbers(frame, "POSITION", 3))
    if not aspect:
        raise ConfigError(f"{path}: camera {shown(name)}: PIXEL_ASPECT_RATIO is 0")
    K = [[focal, 0, cx], [0, focal / aspect, cy], [0, 0, 1]]
    radial = (frame.get("VICON_RADIAL2") or "").split()[3:6]
    k1, k2, k3 = (float(text) for text in (*radial, "0", "0", "0")[:3])
    return make_camera(path, name, numbers(node, "SENSOR_SIZE", 2), K, [k1, k2, 0, 0, k3], R, -R @ centre)
