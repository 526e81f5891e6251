"""The rig file, `rig.toml`: written whole or not at all, and read with every mistake named."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import tomli_w

from multiview.cameras.camera import Camera, Rig, too_many_cameras
from multiview.common.atomic_file import replacing
from multiview.common.names import name_fault
from multiview.common.ranges import between
from multiview.common.toml import convert, decode_toml
from multiview.geometry.lens import COEFFICIENTS, LensModel
from multiview.geometry.rigid import nearest_rotation

__all__ = ["CameraTable", "RigTable", "dumps", "load_rig", "save_rig"]

_MAX_EXTENT_M = 200.0  # no studio is larger; one written in millimetres looks larger
_MIN_SPACING_M = 0.002  # no two cameras are closer; a studio written in kilometres looks so
_ROTATION_TOLERANCE = 1e-3  # files round to four digits; a wrong matrix is off by far more

_Row = tuple[float, float, float]
_Matrix = tuple[_Row, _Row, _Row]


class CameraTable(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One of [[cameras]], with the fields of `Camera`."""

    name: str
    """Unique; also the name of the camera's folder of keypoints, its videos and its key."""
    size: Annotated[list[Annotated[int, between(1, 65536, "px")]], msgspec.Meta(min_length=2, max_length=2)]
    """px. Width and height of the pictures that the camera was calibrated with."""
    model: LensModel = "pinhole"
    """OpenCV's Brown model, or its fisheye model."""
    K: _Matrix
    """px. Intrinsic matrix `[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]`, row by row."""
    dist: list[float]
    """Distortion coefficients in OpenCV's order: 4, 5, 8, 12 or 14 for `pinhole`, 4 for `fisheye`."""
    R: _Matrix
    """Rotation cam_from_world, row by row; rounded numbers are made orthonormal."""
    t: _Row
    """m. Translation cam_from_world; the camera stands at -Rᵀ t."""
    time_offset_s: Annotated[float, between(-1e6, 1e6, "s")] = 0.0
    """s. Added to this camera's stamps to bring it in step with the others."""

    def __post_init__(self) -> None:
        self.name = unicodedata.normalize("NFC", self.name)
        if fault := name_fault(self.name):
            raise ValueError(f"name: {fault}")
        for key in ("K", "dist", "R", "t", "time_offset_s"):
            if not np.isfinite(getattr(self, key)).all():
                raise ValueError(f"{key} must be finite, not {getattr(self, key)}")
        if len(self.dist) not in COEFFICIENTS[self.model]:
            allowed = " or ".join(map(str, COEFFICIENTS[self.model]))
            raise ValueError(f"dist has {len(self.dist)} coefficients; the {self.model} model takes {allowed}")
        (fx, _, cx), (below, fy, cy), last = self.K
        if below != 0 or last != (0, 0, 1):
            raise ValueError("K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; is it transposed?")
        if fx <= 0 or fy <= 0:
            raise ValueError(f"K: focal lengths must be positive, not {fx:g} and {fy:g} px")
        width, height = self.size
        if not (-width <= cx <= 2 * width and -height <= cy <= 2 * height):
            raise ValueError(f"K: the principal point ({cx:g}, {cy:g}) is far outside the {width}x{height} picture")
        off = _off_rotation(self.R)
        if off > _ROTATION_TOLERANCE:
            raise ValueError(f"R is not a rotation: its rows are not orthonormal (R @ R.T is off by {off:.2g})")
        if np.linalg.det(self.R) < 0:
            raise ValueError("R is left-handed (its determinant is -1): an axis is flipped")


class RigTable(msgspec.Struct, forbid_unknown_fields=True):
    """The file."""

    version: Literal[1]
    """Of this format."""
    cameras: Annotated[list[CameraTable], msgspec.Meta(min_length=1)]
    """One `[[cameras]]` table each."""
    world: str = ""
    """`"camera"`: the world is the first camera's frame and up is unknown; `"unplaced"`: only names and sizes are
    known, as of a studio that calibrates itself from people; else z is up."""

    def __post_init__(self) -> None:
        if fault := too_many_cameras(len(self.cameras)):
            raise ValueError(fault)
        names = [camera.name for camera in self.cameras]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two cameras are named {twice[0]!r}; a name must be used once")
        centres = np.stack([-np.transpose(camera.R) @ camera.t for camera in self.cameras])
        apart = np.linalg.norm(centres[:, None] - centres, axis=-1)
        a, b = np.unravel_index(apart.argmax(), apart.shape)
        if apart[a, b] > _MAX_EXTENT_M:
            raise ValueError(
                f"t puts camera {names[b]!r} {apart[a, b]:.4g} m from camera {names[a]!r}; "
                "t must be in metres (divide millimetres by 1000)"
            )
        if len(names) > 1 and apart[a, b] < _MIN_SPACING_M:
            raise ValueError(f"t puts all cameras within {1000 * apart[a, b]:.2g} mm; t must be in metres")


def load_rig(path: str | Path) -> Rig:
    """Read a rig file.

    Args:
        path: `rig.toml`, in the format of docs/formats.md.

    Returns:
        The cameras, in the file's order.

    Raises:
        ConfigError: The file is missing or wrong; the message names the camera, the key and what was expected.
    """
    table = decode_toml(path, RigTable, "`multiview calibrate solve` writes one")
    return Rig(tuple(map(_camera, table.cameras)), table.world)


def save_rig(rig: Rig, path: str | Path) -> None:
    """Write a rig file, whole or not at all.

    Args:
        rig: The cameras.
        path: Where; an older file is replaced.

    Raises:
        ConfigError: `load_rig` would refuse the file: two cameras of one name, a focal length that is not positive ...
    """
    with replacing(Path(path)) as file:
        file.write_text(dumps(rig), encoding="utf-8", newline="\n")


def dumps(rig: Rig) -> str:
    """The text of a rig file; every number reads back as the same bits.

    Args:
        rig: The cameras.

    Returns:
        TOML.

    Raises:
        ConfigError: `load_rig` would refuse the text.
    """
    table = _table(rig)
    cameras = [{key: getattr(camera, key) for key in CameraTable.__struct_fields__} for camera in table.cameras]
    return "\n[[cameras]]\n".join(map(_lines, ({"version": 1, "world": table.world}, *cameras)))


def _table(rig: Rig) -> RigTable:
    """What the file will hold, checked as it is when it is read."""
    cameras = [
        {
            key: value.tolist() if isinstance(value := getattr(camera, key), np.ndarray) else value
            for key in CameraTable.__struct_fields__
        }
        for camera in rig.cameras
    ]
    return convert({"version": 1, "world": rig.world, "cameras": cameras}, RigTable, "the rig cannot be written")


def _lines(table: dict[str, Any]) -> str:
    """What is not empty, with lists on one line each: tomli_w would give every number its own."""
    given = {key: value for key, value in table.items() if not (isinstance(value, str | float) and not value)}
    return "".join(
        tomli_w.dumps({key: value}) if isinstance(value, str | float | int) else f"{key} = {np.array(value).tolist()}\n"
        for key, value in given.items()
    )


def _camera(table: CameraTable) -> Camera:
    R = np.array(table.R)
    return Camera(
        name=table.name,
        size=(table.size[0], table.size[1]),
        K=np.array(table.K),
        dist=np.array(table.dist),
        R=nearest_rotation(R) if _off_rotation(R) > 1e-12 else R,  # a file with full digits keeps its bits
        t=np.array(table.t),
        model=table.model,
        time_offset_s=table.time_offset_s,
    )


def _off_rotation(R: Any) -> float:
    return float(np.abs(np.matmul(R, np.transpose(R)) - np.eye(3)).max())
