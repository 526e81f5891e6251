"""The rig file, `rig.toml`: written whole or not at all, and read with every mistake named."""

from __future__ import annotations

import difflib
import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera, Rig
from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError
from multiview.geometry.lens import COEFFICIENTS
from multiview.geometry.rigid import nearest_rotation

__all__ = ["dumps", "load_rig", "save_rig"]

VERSION = 1
_KEYS = ("version", "world", "cameras")
_CAMERA_KEYS = ("name", "size", "model", "K", "dist", "R", "t", "time_offset_s")
_REQUIRED = ("name", "size", "K", "dist", "R", "t")
_FARTHEST_M = 200.0  # no studio is larger; one written in millimetres looks larger
_NEAREST_M = 0.002  # no two cameras are closer; a studio written in kilometres looks so
_ROTATION_TOLERANCE = 1e-3  # files round to four digits; a wrong matrix is off by far more


def load_rig(path: str | Path) -> Rig:
    """Read a rig TOML file; raises ConfigError that names the file, the camera, the key and what was expected."""
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such rig file; `multiview calibrate solve` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a rig file: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    try:
        return _rig(table)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def save_rig(rig: Rig, path: str | Path) -> None:
    """Write a rig TOML file, whole or not at all."""
    with replacing(Path(path)) as file:
        file.write_text(dumps(rig), encoding="utf-8", newline="\n")


def dumps(rig: Rig) -> str:
    """The text of a rig file; every number reads back as the same bits."""
    lines = [f"version = {VERSION}"]
    if rig.world:
        lines.append(f"world = {_string(rig.world)}")
    for camera in rig.cameras:
        lines += [
            "",
            "[[cameras]]",
            f"name = {_string(camera.name)}",
            f"size = [{camera.size[0]}, {camera.size[1]}]",
            f'model = "{camera.model}"',
            f"K = {camera.K.tolist()}",
            f"dist = {camera.dist.tolist()}",
            f"R = {camera.R.tolist()}",
            f"t = {camera.t.tolist()}",
        ]
        if camera.time_offset_s:
            lines.append(f"time_offset_s = {float(camera.time_offset_s)!r}")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c >= " " and c != "\x7f" else f"\\u{ord(c):04x}" for c in escaped) + '"'


def _rig(table: dict[str, Any]) -> Rig:
    _refuse_unknown(table, _KEYS, "")
    if table.get("version") != VERSION:
        raise ConfigError(f"version must be {VERSION}, not {table.get('version', 'missing')!r}")
    world = table.get("world", "")
    if not isinstance(world, str):
        raise ConfigError(f"world must be text, not {world!r}")
    entries = table.get("cameras")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError("no cameras: expected one or more [[cameras]] tables")
    cameras = tuple(_camera(entry, i) for i, entry in enumerate(entries))
    seen: set[str] = set()
    for camera in cameras:
        if camera.name in seen:
            raise ConfigError(f"two cameras are named {camera.name!r}; a name must be used once")
        seen.add(camera.name)
    _check_metres(cameras)
    return Rig(cameras, world)


def _camera(entry: dict[str, Any], i: int) -> Camera:
    name = entry.get("name")
    where = f"camera {name!r}: " if isinstance(name, str) else f"camera number {i + 1}: "
    _refuse_unknown(entry, _CAMERA_KEYS, where)
    for key in _REQUIRED:
        if key not in entry:
            raise ConfigError(f"{where}{key} is missing")
    if not isinstance(name, str) or not name.strip() or name in (".", "..") or any(c in "/\\\0\n\r" for c in name):
        raise ConfigError(f"{where}name must be text that can name a folder, not {name!r}")
    size = entry["size"]
    if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
        raise ConfigError(f"{where}size must be [width, height] in whole pixels, not {size!r}")
    model = entry.get("model", "pinhole")
    if model not in COEFFICIENTS:
        raise ConfigError(f"{where}model must be one of {', '.join(COEFFICIENTS)}, not {model!r}")
    offset = entry.get("time_offset_s", 0.0)
    if not _is_number(offset):
        raise ConfigError(f"{where}time_offset_s must be a number of seconds, not {offset!r}")
    dist = _array(entry["dist"], where + "dist", None)
    if len(dist) not in COEFFICIENTS[model]:
        allowed = " or ".join(map(str, COEFFICIENTS[model]))
        raise ConfigError(f"{where}dist has {len(dist)} coefficients; the {model} model takes {allowed}")
    return Camera(
        name=name,
        size=(size[0], size[1]),
        K=_intrinsic_matrix(entry["K"], where, size),
        dist=dist,
        R=_rotation(entry["R"], where),
        t=_array(entry["t"], where + "t", (3,)),
        model=model,
        time_offset_s=float(offset),
    )


def _intrinsic_matrix(value: Any, where: str, size: list[int]) -> Float64[np.ndarray, "3 3"]:
    K = _array(value, where + "K", (3, 3))
    if K[2].tolist() != [0, 0, 1] or K[1, 0] != 0:
        raise ConfigError(f"{where}K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; is it transposed?")
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ConfigError(f"{where}K: focal lengths must be positive, not {K[0, 0]:g} and {K[1, 1]:g} px")
    if not all(-n <= c <= 2 * n for c, n in zip(K[:2, 2], size, strict=True)):
        raise ConfigError(
            f"{where}K: the principal point ({K[0, 2]:g}, {K[1, 2]:g}) is far outside the {size[0]}x{size[1]} picture"
        )
    return K


def _rotation(value: Any, where: str) -> Float64[np.ndarray, "3 3"]:
    R = _array(value, where + "R", (3, 3))
    off = float(np.abs(R @ R.T - np.eye(3)).max())
    if off > _ROTATION_TOLERANCE:
        raise ConfigError(f"{where}R is not a rotation: its rows are not orthonormal (R @ R.T is off by {off:.2g})")
    if np.linalg.det(R) < 0:
        raise ConfigError(f"{where}R is left-handed (its determinant is -1): an axis is flipped")
    # A file that rounded its numbers is mended; one with full digits keeps its bits.
    return nearest_rotation(R) if off > 1e-12 else R


def _check_metres(cameras: tuple[Camera, ...]) -> None:
    centres = np.stack([camera.centre for camera in cameras])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
    if apart.max() > _FARTHEST_M:
        a, b = np.unravel_index(apart.argmax(), apart.shape)
        raise ConfigError(
            f"camera {cameras[b].name!r}: t puts it {apart.max():.4g} m from camera {cameras[a].name!r}; "
            "t must be in metres (divide millimetres by 1000)"
        )
    if len(cameras) > 1 and apart.max() < _NEAREST_M:
        raise ConfigError(
            f"camera {cameras[1].name!r}: t puts all cameras within {1000 * apart.max():.2g} mm; t must be in metres"
        )


def _refuse_unknown(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key.lower(), [k.lower() for k in known], n=1, cutoff=0.0)
            nearest = next(k for k in known if k.lower() == near[0])
            raise ConfigError(f"{where}unknown key {key!r}; did you mean {nearest!r}?")


def _array(value: Any, where: str, shape: tuple[int, ...] | None) -> Float64[np.ndarray, "*shape"]:
    """Numbers in nested lists of this shape; of any length, where shape is None."""
    expected = "a list of numbers" if shape is None else " x ".join(map(str, shape)) + " numbers"
    numbers, found = _flatten(value)
    if found is None or not all(_is_number(n) for n in numbers):
        raise ConfigError(f"{where} must be {expected}, all finite; it is {_shortened(value)}")
    if len(found) != 1 if shape is None else found != shape:
        raise ConfigError(f"{where} must be {expected}; it is {' x '.join(map(str, found)) or 'a single number'}")
    return np.array(numbers, dtype=np.float64).reshape(found)


def _flatten(value: Any) -> tuple[list[Any], tuple[int, ...] | None]:
    """The leaves of nested lists and their shape, None where ragged."""
    if not isinstance(value, list):
        return [value], ()
    parts = [_flatten(item) for item in value]
    shapes = {shape for _, shape in parts}
    leaves = [leaf for leaves, _ in parts for leaf in leaves]
    if len(shapes) > 1 or None in shapes:
        return leaves, None
    inner = shapes.pop() if shapes else ()
    return leaves, None if inner is None else (len(value), *inner)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
