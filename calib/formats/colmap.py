"""COLMAP's sparse model: cameras.txt and images.txt, or cameras.bin and images.bin. Name the first, or the folder.

A quaternion w x y z and a translation are cam_from_world, OpenCV's camera axes. The centre of the top-left pixel is
(0.5, 0.5), so that a principal point is half a pixel larger than here. An image is a camera: its name without suffix,
or its folder's where many images are of one camera that does not move. The unit is whatever the model has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from calib.formats._pair import partner
from calib.formats._quaternion import quaternion_from_rotation, rotation_from_quaternion
from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import LARGEST_FILE, foreign_errors
from multiview.common.ledger import reading
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".cameras.txt"
FILES = ("cameras.bin", "cameras.txt", "sparse/0/cameras.bin", "sparse/0/cameras.txt")

# Number and parameters of COLMAP's lens models; f is fx and fy, k1 alone is a radial coefficient.
MODELS: dict[str, tuple[int, str]] = {
    "SIMPLE_PINHOLE": (0, "f cx cy"),
    "PINHOLE": (1, "fx fy cx cy"),
    "SIMPLE_RADIAL": (2, "f cx cy k1"),
    "RADIAL": (3, "f cx cy k1 k2"),
    "OPENCV": (4, "fx fy cx cy k1 k2 p1 p2"),
    "OPENCV_FISHEYE": (5, "fx fy cx cy k1 k2 k3 k4"),
    "FULL_OPENCV": (6, "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6"),
}
_BY_NUMBER = {number: name for name, (number, _) in MODELS.items()}
_HALF = 0.5  # px, from a pixel's corner to its centre

Lens = tuple[str, int, int, list[float]]  # model, width, height, parameters
Pose = tuple[int, list[float], str]  # camera, qw qx qy qz tx ty tz, name of the image


def recognises(text: str) -> bool:
    lines = [line.split() for line in text.splitlines()[:20] if line.strip() and not line.startswith("#")]
    return bool(lines) and len(lines[0]) >= 7 and lines[0][1] in MODELS


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    if path.is_dir():
        path = next((path / name for name in FILES if (path / name).is_file()), path / FILES[0])
    poses_path = partner(path, "cameras", "images")
    binary = path.suffix == ".bin"
    with foreign_errors(path, "COLMAP's cameras", ConfigError):
        lenses = _lenses_of_bytes(_bytes(path)) if binary else _lenses_of_text(path)
    with foreign_errors(poses_path, "COLMAP's images", ConfigError):
        reading(poses_path)
        poses = list(_poses_of_bytes(_bytes(poses_path)) if binary else _poses_of_text(poses_path))
        names = _names(poses)
        cameras: dict[str, Camera] = {}
        for name, (camera, numbers, image) in zip(names, poses, strict=True):
            if camera not in lenses:
                raise ConfigError(
                    f"{poses_path}: image {shown(image)} is of camera {camera}, which {path.name} does not have"
                )
            one = _camera(path, name, lenses[camera], numbers)
            known = cameras.setdefault(name, one)
            if not (np.allclose(known.R, one.R, atol=1e-4) and np.allclose(known.t, one.t, rtol=1e-4, atol=1e-4)):
                raise ConfigError(
                    f"{poses_path}: camera {shown(name)} moves between its images; a rig's cameras stand still"
                )
    converted, told = in_metres(list(cameras.values()), unit_m)
    return make_rig(path, converted), [told]


def _names(poses: list[Pose]) -> list[str]:
    """Images' folders where they tell cameras, else their names without suffix."""
    folders = [Path(name.replace("\\", "/")).parent.name for _, _, name in poses]
    if all(folders) and len(set(folders)) > 1:
        return folders
    return [Path(name.replace("\\", "/")).stem for _, _, name in poses]


def _camera(path: Path, name: str, lens: Lens, numbers: list[float]) -> Camera:
    model, width, height, values = lens
    wanted = MODELS[model][1].split()
    if len(values) != len(wanted):
        raise ConfigError(f"{path}: {model} has {len(wanted)} parameters, not {len(values)}")
    found = dict(zip(wanted, values, strict=True))
    fx, fy = found.get("fx", found.get("f")), found.get("fy", found.get("f"))
    K = [[fx, 0, found["cx"] - _HALF], [0, fy, found["cy"] - _HALF], [0, 0, 1]]
    fisheye = model == "OPENCV_FISHEYE"
    order = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    dist = [found.get(key, 0.0) for key in order]
    dist = dist if fisheye or any(dist[4:]) else dist[:4]
    return make_camera(
        path, name, (width, height), K, dist, rotation_from_quaternion(numbers[:4]), numbers[4:], fisheye
    )


def _lenses_of_text(path: Path) -> dict[int, Lens]:
    found: dict[int, Lens] = {}
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        parts = line.split()
        if not parts or line.startswith("#"):
            continue
        if parts[1] not in MODELS:
            raise ConfigError(f"{path}: the lens model {shown(parts[1])} is unknown; known are {', '.join(MODELS)}")
        found[int(parts[0])] = parts[1], int(parts[2]), int(parts[3]), [float(text) for text in parts[4:]]
    if not found:
        raise ConfigError(f"{path}: it holds no camera")
    return found


def _poses_of_text(path: Path) -> Iterator[Pose]:
    """Every image has two lines, the second of which lists its points and may be empty."""
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if not line.startswith("#")]
    while lines and not lines[0].strip():
        lines.pop(0)
    for line in lines[::2]:
        parts = line.split(maxsplit=9)
        if parts:
            yield int(parts[8]), [float(text) for text in parts[1:8]], parts[9].strip()


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > LARGEST_FILE:
        raise ConfigError(f"{path}: larger than {LARGEST_FILE >> 20} MB")
    return path.read_bytes()


def _lenses_of_bytes(content: bytes) -> dict[int, Lens]:
    (count,), at, found = struct.unpack_from("<Q", content), 8, {}
    for _ in range(count):
        camera, number, width, height = struct.unpack_from("<IiQQ", content, at)
        model = _BY_NUMBER.get(number)
        if model is None:
            raise ValueError(f"lens model number {number} is unknown")
        parameters = len(MODELS[model][1].split())
        values = list(struct.unpack_from(f"<{parameters}d", content, at + 24))
        found[camera] = model, width, height, values
        at += 24 + 8 * parameters
    return found


def _poses_of_bytes(content: bytes) -> Iterator[Pose]:
    (count,), at = struct.unpack_from("<Q", content), 8
    for _ in range(count):
        numbers = list(struct.unpack_from("<7d", content, at + 4))
        (camera,) = struct.unpack_from("<I", content, at + 60)
        end = content.index(b"\0", at + 64)
        (points,) = struct.unpack_from("<Q", content, end + 1)
        yield camera, numbers, content[at + 64 : end].decode("utf-8")
        at = end + 9 + 24 * points


def write(rig: Rig, path: Path) -> list[str]:
    poses_path, points_path = partner(path, "cameras", "images"), partner(path, "cameras", "points3D")
    lenses = [_lens(camera) for camera in rig.cameras]
    poses = [[*quaternion_from_rotation(camera.R), *camera.t.tolist()] for camera in rig.cameras]
    files = _binary(rig, lenses, poses) if path.suffix == ".bin" else _text(rig, lenses, poses)
    for target, content in zip((path, poses_path, points_path), files, strict=True):
        with replacing(target) as file:
            file.write_bytes(content)
    remarks = [f"poses are in {poses_path}; each camera is an image of its name, {rig.names[0]}.png"]
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return remarks + ([f"COLMAP has no time offsets; those of {', '.join(lost)} are lost"] if lost else [])


def _lens(camera: Camera) -> Lens:
    K, dist = camera.K, camera.dist
    inner = [float(K[0, 0]), float(K[1, 1]), float(K[0, 2]) + _HALF, float(K[1, 2]) + _HALF]
    if K[0, 1] or dist[8:].any():
        raise ConfigError(
            f"camera {camera.name!r}: COLMAP has no skew and at most 8 coefficients; choose another format"
        )
    if camera.model == "fisheye":
        return "OPENCV_FISHEYE", *camera.size, [*inner, *dist.tolist()]
    if dist[4:].any():
        return "FULL_OPENCV", *camera.size, [*inner, *np.pad(dist, (0, 8))[:8].tolist()]
    return "OPENCV", *camera.size, [*inner, *dist[:4].tolist()]


def _text(rig: Rig, lenses: list[Lens], poses: list[list[float]]) -> tuple[bytes, bytes, bytes]:
    cameras = ["# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]"]
    images = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME", "# POINTS2D[]"]
    for n, (name, (model, width, height, values), numbers) in enumerate(zip(rig.names, lenses, poses, strict=True), 1):
        cameras.append(f"{n} {model} {width} {height} {' '.join(map(repr, values))}")
        images += [f"{n} {' '.join(map(repr, numbers))} {n} {name}.png", ""]
    return "\n".join([*cameras, ""]).encode(), "\n".join([*images, ""]).encode(), b"# no points\n"


def _binary(rig: Rig, lenses: list[Lens], poses: list[list[float]]) -> tuple[bytes, bytes, bytes]:
    count = struct.pack("<Q", len(rig))
    cameras, images = [count], [count]
    for n, (name, (model, width, height, values), numbers) in enumerate(zip(rig.names, lenses, poses, strict=True), 1):
        cameras.append(struct.pack(f"<IiQQ{len(values)}d", n, MODELS[model][0], width, height, *values))
        images.append(struct.pack("<I7dI", n, *numbers, n) + f"{name}.png".encode() + b"\0" + struct.pack("<Q", 0))
    return b"".join(cameras), b"".join(images), struct.pack("<Q", 0)
