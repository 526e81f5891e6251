"""Our own rig file: R, t are cam_from_world in metres, OpenCV's camera axes, world z up where it is known."""

from __future__ import annotations

from pathlib import Path

from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig, save_rig

SUFFIX = ".toml"


def recognises(text: str) -> bool:
    return "[[cameras]]" in text and "version" in text


def read(path: Path) -> tuple[Rig, list[str]]:
    return load_rig(path), []


def write(rig: Rig, path: Path) -> list[str]:
    save_rig(rig, path)
    return []
