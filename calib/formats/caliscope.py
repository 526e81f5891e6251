"""caliscope's camera_array.toml: tables cameras.0, cameras.1, ... with matrix, distortions, rotation, translation.

rotation (3x3) and translation (metres) are cam_from_world, OpenCV's camera axes. Cameras are numbers, not names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from calib.formats._cameras import in_metres, make_camera, make_rig
from multiview.cameras.camera import Rig
from multiview.common.atomic_file import replacing
from multiview.common.foreign_errors import foreign_errors
from multiview.common.toml import read_toml
from multiview.errors import ConfigError

SUFFIX = ".toml"


def recognises(text: str) -> bool:
    return re.search(r"^\[cameras\.", text, re.MULTILINE) is not None and "distortions" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "caliscope's camera array", ConfigError):
        return _read(path, unit_m)


def _read(path: Path, unit_m: float | None) -> tuple[Rig, list[str]]:
    entries = read_toml(path).get("cameras")
    if not isinstance(entries, dict):
        raise ConfigError(f"{path}: no table [cameras.0]")
    cameras, remarks = [], []
    for number, entry in entries.items():
        if not isinstance(entry, dict):
            raise ConfigError(f"{path}: cameras.{number} is not a table")
        name = f"cam_{entry.get('cam_id', entry.get('port', number))}"
        if any(not isinstance(entry.get(key), list) for key in ("matrix", "distortions", "rotation", "translation")):
            remarks.append(f"{name} is not calibrated in the file and is left out")
            continue
        if entry.get("rotation_count"):
            remarks.append(f"{name} is shown rotated in caliscope; its calibration is of the unrotated image")
        numbers = (entry["matrix"], entry["distortions"], entry["rotation"], entry["translation"])
        cameras.append(make_camera(path, name, entry.get("size"), *numbers, bool(entry.get("fisheye", False))))
    cameras, told = in_metres(cameras, unit_m, always="m")
    return make_rig(path, cameras), [*remarks, told]


def write(rig: Rig, path: Path) -> list[str]:
    import tomli_w

    numbers = _numbers(rig)
    table: dict[str, Any] = {"cameras": {}}
    for number, camera in zip(numbers, rig.cameras, strict=True):
        table["cameras"][str(number)] = {
            "cam_id": number,
            "rotation_count": 0,
            "ignore": False,
            "size": list(camera.size),
            "matrix": camera.K.tolist(),
            "distortions": camera.dist.tolist(),
            "translation": camera.t.tolist(),
            "rotation": camera.R.tolist(),
            "fisheye": camera.model == "fisheye",
        }
    with replacing(path) as file:
        file.write_text(tomli_w.dumps(table), encoding="utf-8")
    remarks = [
        f"{camera.name} becomes camera {number}"
        for number, camera in zip(numbers, rig.cameras, strict=True)
        if camera.name != f"cam_{number}"
    ]
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return remarks + ([f"caliscope has no time offsets; those of {', '.join(lost)} are lost"] if lost else [])


def _numbers(rig: Rig) -> list[int]:
    """The numbers at the ends of the names, or, if those are not all different, 0, 1, 2, ..."""
    found = [re.search(r"(\d+)$", name) for name in rig.names]
    numbers = [int(match.group(1)) for match in found if match]
    return numbers if len(set(numbers)) == len(rig) else list(range(len(rig)))
