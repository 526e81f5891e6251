"""JSON: a list of frames, each with its people; what is unknown is null. `xyz` m, `sigma` m, per joint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.data import NS_PER_S
from multiview.files import replacing
from multiview.poses import Poses

__all__ = ["Exporter"]


class Exporter:
    def write(self, poses: Poses, stem: Path) -> list[Path]:
        encoder = msgspec.json.Encoder()
        head = {
            "format": "multiview poses",
            "skeleton": poses.skeleton,
            "joints": poses.joints,
            "units": {"xyz": "m", "sigma": "m", "time": "s"},
        }
        path = stem.with_name(stem.name + ".json")
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(encoder.encode(head)[:-1] + b',\n"frames":[')
            separator = b"\n"
            for rows in np.split(np.arange(len(poses)), np.flatnonzero(np.diff(poses.frame)) + 1):
                if len(rows):
                    file.write(separator + encoder.encode(_frame(poses, rows)))
                    separator = b",\n"
            file.write(b"\n]}\n")
        return [path]


def _frame(poses: Poses, rows: np.ndarray) -> dict[str, Any]:
    first = rows[0]
    xyz, sigma = np.round(poses.xyz[rows], 5), np.round(np.sqrt(np.trace(poses.cov[rows], axis1=2, axis2=3) / 3), 5)
    people = [
        {
            "person": int(poses.person[row]),
            "xyz": _nullable(xyz[i]),
            "sigma": _nullable(sigma[i]),
            "score": np.round(poses.score[row], 3).tolist(),
            "views": poses.views[row].tolist(),
            "filled": poses.filled[row].tolist(),
        }
        for i, row in enumerate(rows)
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
