"""The calibration files of the bioCV data set, one for each camera: 00.mp4.calib, 01.mp4.calib ...; name the folder.

Text: width, height, three rows of the camera matrix, an empty line, four rows of cam_from_world (mm, OpenCV's camera
axes), an empty line, OpenCV's k1 k2 p1 p2 k3. A camera has the file's name without its endings. Read only.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from multiview.cameras.camera import Camera, Rig
from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.errors import ConfigError

SUFFIX = ".calib"
FILES = ("*.calib",)
_VIDEOS = (".mp4", ".avi", ".mov")
_COUNTS = (1, 1, 3, 3, 3, 4, 4, 4, 4)  # numbers in each line that is not empty; the last line has the distortion


def recognises(text: str) -> bool:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    return (
        len(rows) == len(_COUNTS) + 1
        and [len(row) for row in rows[:-1]] == list(_COUNTS)
        and len(rows[-1]) in (4, 5)
        and all(_are_numbers(row) for row in rows)
    )


def _are_numbers(words: list[str]) -> bool:
    try:
        return bool(np.isfinite([float(word) for word in words]).all())
    except ValueError:
        return False


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    files = sorted(path.glob(FILES[0])) if path.is_dir() else [path]
    cameras, told = in_metres([_camera(reading(file)) for file in files], unit_m, always="mm")
    return make_rig(path, cameras), [told]


def _camera(path: Path) -> Camera:
    with foreign_errors(path, "a camera of bioCV", ConfigError):
        text = path.read_text(encoding="utf-8-sig")
        if not recognises(text):
            raise ConfigError(f"{path}: not a camera of bioCV: ten rows of numbers, the first two its picture's size")
        rows = [[float(word) for word in line.split()] for line in text.splitlines() if line.strip()]
        pose = np.array(rows[5:8])
        name = path.name.removesuffix(".calib")
        for video in _VIDEOS:
            name = name.removesuffix(video)
        return make_camera(path, name, (rows[0][0], rows[1][0]), rows[2:5], rows[9], pose[:, :3], pose[:, 3])
