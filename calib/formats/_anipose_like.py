"""The tables that anipose, FreeMoCap and Pose2Sim share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calib.formats._cameras import in_metres, make_camera
from multiview.cameras.camera import Camera, Rig
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ranges import shown
from multiview.errors import ConfigError
from multiview.geometry.rigid import vector_from_rotation

__all__ = ["cameras_of", "has_camera_tables", "text_of"]

_KEYS = ("matrix", "distortions", "rotation", "translation")


def has_camera_tables(text: str) -> bool:
    return all(f"{key} =" in text or f"{key}=" in text for key in _KEYS) and "[cameras" not in text


def cameras_of(path: Path, table: dict[str, Any], unit_m: float | None) -> tuple[list[Camera], list[str]]:
    """Every table with a camera's keys; raises ConfigError for one that lacks some."""
    with foreign_errors(path, "a table of cameras", ConfigError):
        return _cameras_of(path, table, unit_m)


def _cameras_of(path: Path, table: dict[str, Any], unit_m: float | None) -> tuple[list[Camera], list[str]]:
    entries = {name: entry for name, entry in table.items() if isinstance(entry, dict) and "matrix" in entry}
    for name, entry in entries.items():
        missing = [key for key in (*_KEYS, "size") if key not in entry]
        if missing:
            raise ConfigError(f"{path}: camera {shown(name)} has no {', '.join(missing)}")
    cameras = []
    for section, entry in entries.items():
        cameras.append(make_camera(
            path, str(entry.get("name", section)), entry["size"], entry["matrix"], entry["distortions"],
            entry["rotation"], entry["translation"], bool(entry.get("fisheye", False)),
        ))  # fmt: skip
    metadata = table.get("metadata")
    cameras, told = in_metres(cameras, unit_m, metadata.get("units") if isinstance(metadata, dict) else None)
    return cameras, [told]


def text_of(rig: Rig, per_metre: float, unit: str, sections: list[str]) -> str:
    """The file's text; every number with all its digits."""
    import tomli_w

    table: dict[str, Any] = {
        section: {
            "name": camera.name,
            "size": [float(n) for n in camera.size],
            "matrix": camera.K.tolist(),
            "distortions": camera.dist.tolist(),
            "rotation": vector_from_rotation(camera.R).tolist(),
            "translation": (camera.t * per_metre).tolist(),
            "fisheye": camera.model == "fisheye",
        }
        for section, camera in zip(sections, rig.cameras, strict=True)
    }
    table["metadata"] = {"adjusted": False, "error": 0.0, "units": unit}
    return tomli_w.dumps(table)
