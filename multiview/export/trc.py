"""TRC, the marker file of OpenSim: one file per person, y up, metres.

Frames count from 1 and have no gaps: where a person or a joint is unknown the cells are empty.
https://opensimconfluence.atlassian.net/wiki/spaces/OpenSim/pages/53089592 (Marker .trc files)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from multiview.data import NS_PER_S
from multiview.files import replacing
from multiview.poses import Poses

__all__ = ["Exporter"]

_OPENSIM_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y up instead of z up


class Exporter:
    def write(self, poses: Poses, stem: Path) -> list[Path]:
        rate = poses.frames_per_second
        paths = []
        for person in poses.people:
            path = stem.with_name(f"{stem.name}_person{person}.trc")
            text = _trc(poses.take(poses.person == person), path.name, rate)
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            paths.append(path)
        return paths


def _trc(poses: Poses, name: str, rate: float) -> str:
    frames = int(poses.frame[-1] - poses.frame[0]) + 1
    xyz = np.full((frames, len(poses.joints), 3), np.nan)
    xyz[poses.frame - poses.frame[0]] = poses.xyz @ _OPENSIM_FROM_WORLD.T
    start = poses.time_ns[0] / NS_PER_S
    axes = [f"{axis}{i + 1}" for i in range(len(poses.joints)) for axis in "XYZ"]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate:g}\t{rate:g}\t{frames}\t{len(poses.joints)}\tm\t{rate:g}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(poses.joints) + "\t\t",
        "\t\t" + "\t".join(axes),
        "",
        *(_line(i, start + i / rate, row) for i, row in enumerate(xyz)),
    ]
    return "\n".join(lines) + "\n"


def _line(index: int, time: float, xyz: Float64[np.ndarray, "J 3"]) -> str:
    cells = ("" if np.isnan(value) else f"{value:.6f}" for value in xyz.ravel())
    return f"{index + 1}\t{time:.6f}\t" + "\t".join(cells)
