"""Captury's .calib, "tc camera calibration v0.3", and the older "Skeletool Camera Calibration File V1.0" of its makers.

Both are text, in mm, with y up where Captury made them. In .calib a camera has its place (origin) and two of its axes
(right, up) in the world; focalLength and centerOffset (right, down) are mm on a sensor of sensorSize, of which the
width is the picture's: fx = focalLength W / w, fy = fx pixelAspect, cx = W / 2 + centerOffset W / w; distortion is
OpenCV's k1 k2 p1 p2 k3. The size of the picture in px is not among its keys: it is read from a comment on the line of
sensorSize, "# 1920 x 1080 px", which we write, and which may be added. Skeletool has 4x4 matrices, row by row:
intrinsic in px, extrinsic cam_from_world, OpenCV's camera axes; it has no distortion, and is only read.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".calib"
_CAPTURY, _SKELETOOL = "tc camera calibration v0.3", "Skeletool Camera Calibration File V1.0"
_PITCH_MM = 0.005  # of the pixels of the sensor that is written: only ratios to it matter
_SIZE = re.compile(r"(\d{1,6}) x (\d{1,6}) px")

Fields = dict[str, list[str]]


def recognises(text: str) -> bool:
    return text.lstrip("\ufeff").startswith((_CAPTURY, _SKELETOOL))


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "a calibration of Captury", ConfigError):
        first, *lines = path.read_text(encoding="utf-8-sig").splitlines() or [""]
        if first.strip() not in (_CAPTURY, _SKELETOOL):
            raise ConfigError(f"{path}: not a calibration of Captury: it begins with {shown(first.strip())}")
        skeletool = first.strip() == _SKELETOOL
        made = _of_skeletool if skeletool else _of_captury
        cameras = [made(path, name, fields) for name, fields in _blocks(path, lines, "name" if skeletool else "camera")]
    cameras, told = in_metres(cameras, unit_m, always="mm")
    return make_rig(path, cameras), [told]


def _blocks(path: Path, lines: list[str], opening: str) -> list[tuple[str, Fields]]:
    """Every camera's name, and its lines by their first words; a camera that moves is refused."""
    found: list[tuple[str, Fields]] = []
    for line in lines:
        words, _, comment = line.partition("#")
        key, *values = words.split() or [""]
        if key == opening:
            found.append((" ".join(values[1:] or values), {}))
        elif key and found:
            name, fields = found[-1]
            if key == "frame" and key in fields:
                raise ConfigError(f"{path}: camera {shown(name)} has more than one frame; a rig's cameras stand still")
            fields[key] = values
            if key == "sensorSize" and (size := _SIZE.search(comment)):
                fields["size"] = list(size.groups())
    return [(" ".join(fields.get("serialNumber", [name])), fields) for name, fields in found]


def _numbers(path: Path, name: str, fields: Fields, key: str, count: int) -> np.ndarray:
    try:
        found = np.array([float(text) for text in fields.get(key, [])])
    except ValueError:
        found = np.empty(0)
    if len(found) != count or not np.isfinite(found).all():
        raise ConfigError(f"{path}: camera {shown(name)}: {key} is not {count} numbers")
    return found


def _of_captury(path: Path, name: str, fields: Fields) -> Camera:
    def numbers(key: str, count: int) -> np.ndarray:
        return _numbers(path, name, fields, key, count)

    if "size" not in fields:
        raise ConfigError(
            f"{path}: camera {shown(name)} has no picture size: end its line sensorSize with a comment like "
            "# 1920 x 1080 px"
        )
    model = " ".join(fields.get("distortionModel", ["OpenCV"]))
    if model != "OpenCV":
        raise ConfigError(f"{path}: camera {shown(name)} has the lens model {shown(model)}; OpenCV alone is known")
    size, sensor, (focal,), (aspect,) = (
        numbers(key, count) for key, count in (("size", 2), ("sensorSize", 2), ("focalLength", 1), ("pixelAspect", 1))
    )
    right, up, origin = numbers("right", 3), numbers("up", 3), numbers("origin", 3)
    if not sensor.all():
        raise ConfigError(f"{path}: camera {shown(name)}: sensorSize is 0")
    scale = size[0] / sensor[0]
    cx, cy = scale * (sensor / 2 + numbers("centerOffset", 2))
    K = [[focal * scale, 0, cx], [0, focal * scale * aspect, cy], [0, 0, 1]]
    R = np.stack([right, -up, np.cross(right, -up)])
    return make_camera(path, name, size, K, fields.get("distortion", []), R, -R @ origin)


def _of_skeletool(path: Path, name: str, fields: Fields) -> Camera:
    if any(float(number) for number in fields.get("radial", [])) or "polynomial" in fields:
        raise ConfigError(f"{path}: camera {shown(name)} has a distortion that is not documented: undistort its video")
    inner, outer = (_numbers(path, name, fields, key, 16).reshape(4, 4) for key in ("intrinsic", "extrinsic"))
    size = _numbers(path, name, fields, "size", 2)
    return make_camera(path, f"cam{name}" if name.isdigit() else name, size, inner[:3, :3], [], outer[:3, :3],
                       outer[:3, 3])  # fmt: skip


def write(rig: Rig, path: Path) -> list[str]:
    lines = [_CAPTURY]
    for number, camera in enumerate(rig.cameras):
        if camera.model == "fisheye" or camera.dist[5:].any() or camera.K[0, 1]:
            raise ConfigError(
                f"camera {camera.name!r}: Captury holds OpenCV's k1 k2 p1 p2 k3 and no skew; choose another format"
            )
        lines += _lines(number, camera)
    with replacing(path) as file:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    remarks = ["the world keeps its axes: in Captury y is up"]
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return remarks + ([f"Captury has no time offsets; those of {', '.join(lost)} are lost"] if lost else [])


def _lines(number: int, camera: Camera) -> list[str]:
    def row(key: str, numbers: np.ndarray, comment: str = "") -> str:
        return "\t\t" + "\t".join([key, *(repr(float(value)) for value in numbers)]) + comment

    K, size = camera.K, np.array(camera.size, dtype=np.float64)
    return [
        f"camera\t{number}\t{camera.name}",
        "\tframe\t0",
        row("sensorSize", _PITCH_MM * size, f"\t# in mm; {camera.size[0]} x {camera.size[1]} px"),
        row("focalLength", _PITCH_MM * K[:1, 0]),
        row("pixelAspect", K[1:2, 1] / K[0, 0]),
        row("centerOffset", _PITCH_MM * (K[:2, 2] - size / 2)),
        "\t\tdistortionModel\tOpenCV",
        row("distortion", np.pad(camera.dist, (0, 5))[:5]),
        row("origin", 1000.0 * camera.centre),
        row("up", -camera.R[1]),
        row("right", camera.R[0]),
    ]
