"""anipose's and FreeMoCap's calibration.toml: tables cam_0, cam_1, ... with name, size, matrix, distortions, rotation,
translation.

rotation (a rotation vector) and translation are cam_from_world, OpenCV's camera axes. The unit is the board's, which
FreeMoCap takes in millimetres: so do we, and say so under [metadata].
"""

from __future__ import annotations

from pathlib import Path

from calib.formats._anipose_like import cameras_of, has_camera_tables, text_of
from calib.formats._cameras import make_rig
from multiview.cameras.camera import Rig
from multiview.common.atomic_file import replacing
from multiview.common.toml import read_toml

SUFFIX = ".toml"


def recognises(text: str) -> bool:
    return has_camera_tables(text)


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    cameras, remarks = cameras_of(path, read_toml(path), unit_m)
    return make_rig(path, cameras), remarks


def write(rig: Rig, path: Path) -> list[str]:
    sections = [f"cam_{i}" for i in range(len(rig))]
    with replacing(path) as file:
        file.write_text(text_of(rig, per_metre=1000.0, unit="mm", sections=sections), encoding="utf-8")
    remarks = ["lengths are in millimetres, as FreeMoCap has them"]
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return remarks + ([f"anipose has no time offsets; those of {', '.join(lost)} are lost"] if lost else [])
