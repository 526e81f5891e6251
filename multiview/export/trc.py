"""TRC, the marker file of OpenSim: one file per person, y up, metres unless asked otherwise.

Frames count from 1 and have no gaps: where a person or a joint is unknown the cells are NaN, as OpenSim refuses a row
that ends with empty ones. The format has no mark for what was filled: the file beside it lists that. Markers are named
as the skeleton's joints (`multiview`), as Pose2Sim's marker sets (`pose2sim`: RKnee, Hip, Head) or as OpenSim's models
name joints (`opensim`: knee_r, acromial_r, radius_hand_r).
https://opensimconfluence.atlassian.net/wiki/spaces/OpenSim/pages/53089592 (Marker .trc files)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError
from multiview.export import PER_METRE, Progress, part, silent
from multiview.export._dense import Dense, dense, write_intervals
from multiview.export._marker_names import CONVENTIONS, marker_names
from multiview.export._naming import person_path
from multiview.export._rows import Block, write_rows
from multiview.recordings.pose_table import Poses

__all__ = ["OPTIONS", "UNITS", "Exporter"]

UNITS = ("m", "cm", "mm")
OPTIONS = ("names",)

_OPENSIM_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y up instead of z up


class Exporter:
    def __init__(self, unit: str = "m", names: str = "multiview") -> None:
        if names not in CONVENTIONS:
            raise ConfigError(f"--names {names}: there are {', '.join(CONVENTIONS)}")
        self._unit, self._names = unit, names

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        paths = []
        markers = marker_names(poses.joints, self._names)
        for i, number in enumerate(poses.people):
            person = dense(poses, int(number))
            path = person_path(stem, poses, int(number), ".trc")
            time_s = person.start_s + np.arange(len(person.xyz)) / person.rate
            xyz = (person.xyz @ _OPENSIM_FROM_WORLD.T).reshape(len(time_s), -1) * PER_METRE[self._unit]
            count = np.arange(1.0, len(time_s) + 1)
            blocks = [Block(count[:, None], 0), Block(time_s[:, None], 6), Block(xyz, 6)]
            with replacing(path) as temporary, temporary.open("wb") as file:
                file.write(_head(person, markers, path.name, self._unit).encode())
                write_rows(file, blocks, "\t", part(progress, i, len(poses.people)), unknown=b"NaN")
            paths += [path, write_intervals(person, path)]
        return paths


def _head(person: Dense, markers: tuple[str, ...], name: str, unit: str) -> str:
    axes = [f"{axis}{i + 1}" for i in range(len(person.joints)) for axis in "XYZ"]
    rate, frames, joints = person.rate, len(person.xyz), len(person.joints)
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate:g}\t{rate:g}\t{frames}\t{joints}\t{unit}\t{rate:g}\t1\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(markers) + "\t\t",
        "\t\t" + "\t".join(axes),
        "",
    ]
    return "\n".join(lines) + "\n"
