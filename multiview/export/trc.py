"""TRC, the marker file of OpenSim: one file per person, y up, metres unless asked otherwise.

Frames count from 1 and have no gaps: where a person or a joint is unknown the cells are NaN, as OpenSim refuses a row
that ends with empty ones. The format has no mark for what was filled: the file beside it lists that.
https://opensimconfluence.atlassian.net/wiki/spaces/OpenSim/pages/53089592 (Marker .trc files)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.common.atomic_file import replacing
from multiview.export import PER_METRE, Progress, part, silent
from multiview.export._dense import Dense, dense, write_intervals
from multiview.export._rows import Block, write_rows
from multiview.recordings.pose_table import Poses

__all__ = ["UNITS", "Exporter"]

UNITS = ("m", "cm", "mm")

_OPENSIM_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y up instead of z up


class Exporter:
    def __init__(self, unit: str = "m") -> None:
        self._unit = unit

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        paths = []
        for i, number in enumerate(poses.people):
            person = dense(poses, int(number))
            path = stem.with_name(f"{stem.name}_{poses.label(int(number))}.trc")
            time_s = person.start_s + np.arange(len(person.xyz)) / person.rate
            xyz = (person.xyz @ _OPENSIM_FROM_WORLD.T).reshape(len(time_s), -1) * PER_METRE[self._unit]
            count = np.arange(1.0, len(time_s) + 1)
            blocks = [Block(count[:, None], 0), Block(time_s[:, None], 6), Block(xyz, 6)]
            with replacing(path) as temporary, temporary.open("wb") as file:
                file.write(_head(person, path.name, self._unit).encode())
                write_rows(file, blocks, "\t", part(progress, i, len(poses.people)), unknown=b"NaN")
            paths += [path, write_intervals(person, path)]
        return paths


def _head(person: Dense, name: str, unit: str) -> str:
    axes = [f"{axis}{i + 1}" for i in range(len(person.joints)) for axis in "XYZ"]
    rate, frames, joints = person.rate, len(person.xyz), len(person.joints)
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate:g}\t{rate:g}\t{frames}\t{joints}\t{unit}\t{rate:g}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(person.joints) + "\t\t",
        "\t\t" + "\t".join(axes),
        "",
    ]
    return "\n".join(lines) + "\n"
