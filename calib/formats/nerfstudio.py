"""nerfstudio's transforms.json: frames with a file and a pose, lenses for all of them or for each.

transform_matrix is world_from_camera with OpenGL's camera axes: x right, y up, z backward. fl_x, fl_y, cx, cy, k1, k2,
p1, p2 are OpenCV's, but the centre of the top-left pixel is (0.5, 0.5), so that a principal point is half a pixel
larger than here. A camera is named as its picture, or as the picture's folder. The unit is whatever the scene has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from calib.formats._cameras import in_metres, make_camera, make_rig
from multiview.cameras.camera import Camera, Rig
from multiview.common.foreign_errors import foreign_errors
from multiview.common.json_file import write_json
from multiview.common.ranges import shown
from multiview.errors import ConfigError

SUFFIX = ".transforms.json"

_FLIP = np.diag([1.0, -1.0, -1.0])
_HALF = 0.5  # px, from a pixel's corner to its centre
_MODELS = {"OPENCV": False, "PINHOLE": False, "SIMPLE_PINHOLE": False, "OPENCV_FISHEYE": True}
_PINHOLE, _FISHEYE = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"), ("k1", "k2", "k3", "k4")


def recognises(text: str) -> bool:
    return text.lstrip().startswith("{") and '"transform_matrix"' in text


def read(path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]:
    with foreign_errors(path, "nerfstudio's transforms.json", ConfigError):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        frames = content.get("frames") if isinstance(content, dict) else None
        if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
            raise ConfigError(f"{path}: it has no list of frames")
        names = _names(frames)
        cameras: dict[str, Camera] = {}
        for name, frame in zip(names, frames, strict=True):
            one = _camera(path, name, {**content, **frame})
            known = cameras.setdefault(name, one)
            if not (np.allclose(known.R, one.R, atol=1e-4) and np.allclose(known.t, one.t, rtol=1e-4, atol=1e-4)):
                raise ConfigError(
                    f"{path}: camera {shown(name)} moves between its pictures; a rig's cameras stand still"
                )
    converted, told = in_metres(list(cameras.values()), unit_m)
    return make_rig(path, converted), [told]


def _names(frames: list[dict[str, Any]]) -> list[str]:
    files = [Path(str(frame.get("file_path", f"cam{n + 1:02d}")).replace("\\", "/")) for n, frame in enumerate(frames)]
    folders = [file.parent.name for file in files]
    return folders if all(folders) and len(set(folders)) > 1 else [file.stem for file in files]


def _camera(path: Path, name: str, values: dict[str, Any]) -> Camera:
    def number(key: str, default: float | None = None) -> float:
        try:
            return float(values.get(key, default))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ConfigError(f"{path}: camera {shown(name)}: {key} is missing or not a number") from None

    model = values.get("camera_model", "OPENCV")
    if model not in _MODELS:
        raise ConfigError(
            f"{path}: camera {shown(name)} has the lens model {shown(model)}; known are {', '.join(_MODELS)}"
        )
    fisheye = _MODELS[model]
    world = np.array(values.get("transform_matrix"), dtype=np.float64)
    if world.shape not in ((4, 4), (3, 4)):
        raise ConfigError(f"{path}: camera {shown(name)} has no transform_matrix of four columns")
    R = _FLIP @ world[:3, :3].T
    K = [
        [number("fl_x"), 0, number("cx") - _HALF],
        [0, number("fl_y", values.get("fl_x")), number("cy") - _HALF],
        [0, 0, 1],
    ]
    dist = [number(key, 0.0) for key in (_FISHEYE if fisheye else _PINHOLE)]
    dist = dist if fisheye or any(dist[4:]) else dist[:4]
    return make_camera(path, name, (number("w"), number("h")), K, dist, R, -R @ world[:3, 3], fisheye)


def write(rig: Rig, path: Path) -> list[str]:
    frames = []
    for camera in rig.cameras:
        if camera.K[0, 1] or camera.dist[8:].any():
            raise ConfigError(
                f"camera {camera.name!r}: nerfstudio has no skew and at most 8 coefficients; choose another format"
            )
        fisheye = camera.model == "fisheye"
        world = np.eye(4)
        world[:3, :3], world[:3, 3] = (_FLIP @ camera.R).T, camera.centre
        keys = _FISHEYE if fisheye else _PINHOLE
        frames.append(
            {
                "file_path": f"images/{camera.name}.png",
                "camera_model": "OPENCV_FISHEYE" if fisheye else "OPENCV",
                "w": camera.size[0],
                "h": camera.size[1],
                "fl_x": float(camera.K[0, 0]),
                "fl_y": float(camera.K[1, 1]),
                "cx": float(camera.K[0, 2]) + _HALF,
                "cy": float(camera.K[1, 2]) + _HALF,
                **dict(zip(keys, camera.dist.tolist(), strict=False)),
                "transform_matrix": world.tolist(),
            }
        )
    write_json(path, {"frames": frames})
    remarks = ["pictures are called images/CAMERA.png: put one of each camera there"]
    lost = [camera.name for camera in rig.cameras if camera.time_offset_s]
    return remarks + ([f"nerfstudio has no time offsets; those of {', '.join(lost)} are lost"] if lost else [])
