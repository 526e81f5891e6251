"""Our own rig file: R, t are cam_from_world in metres, OpenCV's camera axes, world z up where it is known."""

from __future__ import annotations

from pathlib import Path

from calib.formats._cameras import in_metres
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig, save_rig

SUFFIX = ".toml"


def recognises(text: str) -> bool:
    return "[[cameras]]" in text and "version" in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    rig = load_rig(path)
    if unit_m is None:
        return rig, []
    cameras, told = in_metres(list(rig.cameras), unit_m)
    return Rig(tuple(cameras), rig.world), [told]


def write(rig: Rig, path: Path) -> list[str]:
    save_rig(rig, path)
    return []
