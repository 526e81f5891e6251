"""Qualisys' QCA calibration (XML, .qca.txt).

transform x, y, z is the camera's place in the world in millimetres; r11..r33, row by row, rotate the world into camera
axes x right, y up, z backward: `cam_from_world = diag(1, -1, -1) @ r`. Focal length, centre and skew are in 1/64 px,
the centre counted from the corner of the field of view. Distortion is Brown's k1 k2 k3 and p1 p2, which have no unit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".qca.txt"

_FLIP = np.diag([1.0, -1.0, -1.0])
_SUBPIXELS = 64.0


def recognises(text: str) -> bool:
    return "<calibration" in text and "focalLengthU" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "a QCA file", ConfigError):
        return _read(path, unit_m)


def _read(path: Path, unit_m: float | None) -> tuple[Rig, list[str]]:
    text = path.read_text(encoding="utf-8-sig")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # a calibration has none; entities can be made to grow without end
        raise ConfigError(f"{path}: a QCA file must not have a document type or entities: export it again")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ConfigError(f"{path}: not XML: {error}") from None
    nodes = [node for node in root.iter("camera") if node.get("active", "1") != "0"]
    remark = "distortion is taken as it stands, without a unit (Pose2Sim divides it by 64)"
    cameras = [_camera(path, node, f"cam{i + 1:02d}") for i, node in enumerate(nodes)]
    cameras, told = in_metres(cameras, unit_m, always="mm")
    return make_rig(path, cameras), [remark, told]


def write(rig: Rig, path: Path) -> list[str]:
    for camera in rig.cameras:
        if camera.model == "fisheye" or camera.dist[5:].any():
            raise ConfigError(
                f"camera {camera.name!r}: QCA holds Brown's lens with k1 k2 p1 p2 k3 only, not this {camera.model} "
                f"lens of {len(camera.dist)} coefficients; choose another format"
            )
    root = ElementTree.Element("calibration", {"source": "multiview", "type": "regular"})
    cameras = ElementTree.SubElement(root, "cameras")
    for camera in rig.cameras:
        _add(cameras, camera)
    ElementTree.indent(root)
    with replacing(path) as file:
        file.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return [f"QCA has no time offsets; those of {', '.join(lost)} are lost"] if lost else []


def _camera(path: Path, node: Any, fallback: str) -> Camera:
    name = node.get("serial", fallback)
    transform, inner = node.find("transform"), node.find("intrinsic")
    view = node.find("fov_video") if node.find("fov_video") is not None else node.find("fov_marker")
    if transform is None or inner is None or view is None:
        raise ConfigError(f"{path}: camera {shown(name)} has no transform, intrinsic or fov_video")

    def number(element: Any, key: str, default: str | None = None) -> float:
        try:
            return float(element.get(key, default))
        except (TypeError, ValueError):
            raise ConfigError(f"{path}: camera {shown(name)}: {key} is missing or not a number") from None

    left, top = number(view, "left"), number(view, "top")
    size = number(view, "right") - left + 1, number(view, "bottom") - top + 1
    fx, fy, cx, cy, skew = (
        number(inner, key, "0" if key == "skew" else None) / _SUBPIXELS
        for key in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV", "skew")
    )
    K = [[fx, skew, cx - left], [0, fy, cy - top], [0, 0, 1]]
    keys = (
        "radialDistortion1",
        "radialDistortion2",
        "tangentalDistortion1",
        "tangentalDistortion2",
        "radialDistortion3",
    )
    dist = [number(inner, key, "0") for key in keys]
    r = np.array([[number(transform, f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
    centre = np.array([number(transform, key) for key in "xyz"])
    R = _FLIP @ r
    return make_camera(path, name, size, K, dist, R, -R @ centre)


def _add(cameras: Any, camera: Camera) -> None:
    node = ElementTree.SubElement(cameras, "camera", {"active": "1", "serial": camera.name, "viewrotation": "0"})
    bounds = {"left": "0", "top": "0", "right": str(camera.size[0] - 1), "bottom": str(camera.size[1] - 1)}
    for view in ("fov_marker", "fov_marker_max", "fov_video", "fov_video_max"):
        ElementTree.SubElement(node, view, bounds)
    r, centre = _FLIP @ camera.R, 1000 * camera.centre
    rotation = {f"r{i + 1}{j + 1}": repr(float(r[i, j])) for i in range(3) for j in range(3)}
    place = {key: repr(float(value)) for key, value in zip("xyz", centre, strict=True)}
    ElementTree.SubElement(node, "transform", rotation | place)
    k1, k2, p1, p2, k3 = np.pad(camera.dist[:5], (0, 5 - len(camera.dist[:5])))
    values = {
        "focalLengthU": _SUBPIXELS * camera.K[0, 0],
        "focalLengthV": _SUBPIXELS * camera.K[1, 1],
        "centerPointU": _SUBPIXELS * camera.K[0, 2],
        "centerPointV": _SUBPIXELS * camera.K[1, 2],
        "skew": _SUBPIXELS * camera.K[0, 1],
        "radialDistortion1": k1,
        "radialDistortion2": k2,
        "radialDistortion3": k3,
        "tangentalDistortion1": p1,
        "tangentalDistortion2": p2,
        "sensorMinU": 0.0,
        "sensorMaxU": _SUBPIXELS * (camera.size[0] - 1),
        "sensorMinV": 0.0,
        "sensorMaxV": _SUBPIXELS * (camera.size[1] - 1),
    }
    ElementTree.SubElement(node, "intrinsic", {key: repr(float(value)) for key, value in values.items()})
