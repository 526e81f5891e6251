"""JSON: a list of frames, each with its people; what is unknown is null. `xyz` and `sigma` per joint, in `units`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float64, Int64

from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S
from multiview.export import PER_METRE, Progress, silent
from multiview.recordings.pose_table import Poses

__all__ = ["UNITS", "Exporter"]

UNITS = ("m", "cm", "mm")


class Exporter:
    def __init__(self, unit: str = "m") -> None:
        self._unit = unit

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        encoder = msgspec.json.Encoder()
        head = {
            "format": "multiview poses",
            "skeleton": poses.skeleton,
            "joints": poses.joints,
            "names": {str(person): name for person, name in poses.names.items()},
            "units": {"xyz": self._unit, "sigma": self._unit, "time": "s"},
        }
        path = stem.with_name(stem.name + ".json")
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(encoder.encode(head)[:-1] + b',\n"frames":[')
            separator = b"\n"
            scale = PER_METRE[self._unit]
            xyz, sigma = np.round(scale * poses.xyz, 5), np.round(scale * poses.sigma, 5)
            score = np.round(poses.score, 3)
            frames = np.split(np.arange(len(poses)), np.flatnonzero(np.diff(poses.frame)) + 1)
            for i, rows in enumerate(frames):
                if len(rows):
                    file.write(separator + encoder.encode(_frame(poses, rows, xyz, sigma, score)))
                    separator = b",\n"
                if i % 500 == 0:
                    progress(i / len(frames))
            file.write(b"\n]}\n")
        return [path]


def _frame(
    poses: Poses,
    rows: Int64[np.ndarray, " R"],
    xyz: Float64[np.ndarray, "N J 3"],
    sigma: Float64[np.ndarray, "N J"],
    score: Float64[np.ndarray, "N J"],
) -> dict[str, Any]:
    first = rows[0]
    people = [
        {
            "person": int(poses.person[row]),
            "xyz": _nullable(xyz[row]),
            "sigma": _nullable(sigma[row]),
            "score": score[row].tolist(),
            "views": poses.views[row].tolist(),
            "filled": poses.filled[row].tolist(),
            "contact": poses.contact[row].tolist(),
        }
        for row in rows
    ]
    time_ns, utc_ns = int(poses.time_ns[first]), int(poses.utc_ns[first])
    return {"frame": int(poses.frame[first]), "time": time_ns / NS_PER_S, "utc_ns": utc_ns, "people": people}


def _nullable(values: Float64[np.ndarray, "*shape"]) -> Any:
    """Lists, with None for NaN, which JSON does not have."""
    if np.isfinite(values).all():
        return values.tolist()
    nullable = values.astype(object)
    nullable[~np.isfinite(values)] = None
    return nullable.tolist()
