"""Pose2Sim's Calib.toml: one table per camera with matrix, distortions, rotation, translation, fisheye.

rotation (a rotation vector) and translation (metres) are cam_from_world, OpenCV's camera axes.
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
    return has_camera_tables(text) and "fisheye" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    cameras, remarks = cameras_of(path, read_toml(path), unit_m)
    return make_rig(path, cameras), remarks


def write(rig: Rig, path: Path) -> list[str]:
    with replacing(path) as file:
        file.write_text(text_of(rig, per_metre=1.0, unit="m", sections=list(rig.names)), encoding="utf-8")
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return [f"Pose2Sim has no time offsets; those of {', '.join(lost)} are lost"] if lost else []
