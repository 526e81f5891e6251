"""C3D read by ezc3d, on which OpenSim's C3DFileAdapter is built: what the adapter asks of a file, and what it finds.

The adapter takes the group POINT's parameters RATE, UNITS, LABELS, USED and FRAMES, the force platforms by ezc3d's
module, and each frame's points, of which ezc3d makes NaN where the residual is negative. ezc3d 1.7 exchanges the
residual's byte and that of the cameras; only the sign is asked for here, the rest is python-c3d's test.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import ezc3d
import numpy as np
import pytest

from multiview.export import load_exporter
from multiview.recordings.pose_table import Poses
from tests.export.takes import FPS, recorded

_PER_METRE = {"m": 1.0, "mm": 1000.0}


class Adapter:
    """A file as OpenSim's adapter reads it; `markers` (T, points, 3) has NaN for what is unknown."""

    def __init__(self, path: Path) -> None:
        file = ezc3d.c3d(str(path), extract_forceplat_data=True)
        point: dict[str, Any] = {
            name: entry["value"] for name, entry in file["parameters"]["POINT"].items() if name[0] != "_"
        }
        more = sorted((name for name in point if name[:6] == "LABELS"), key=lambda name: int(name[6:] or 1))
        self.labels = [label for name in more for label in point[name]]
        self.rate, self.unit = float(point["RATE"][0]), point["UNITS"][0]
        self.used, self.frames = int(point["USED"][0]), int(point["FRAMES"][0])
        self.markers = file["data"]["points"][:3].transpose(2, 1, 0)
        self.time = np.arange(len(self.markers)) / self.rate
        self.analog, self.forces = file["data"]["analogs"], file["data"]["platform"]
        self.numbers = file["header"]["points"]["first_frame"], file["header"]["points"]["last_frame"]
        self.parameters = file["parameters"]


def markers_of(poses: Poses) -> np.ndarray:
    """(T, P * J, 3) m, NaN where somebody is away or a joint unknown: what was exported, counted by hand."""
    people = sorted(set(poses.person.tolist()))
    xyz = np.full((poses.frame[-1] - poses.frame[0] + 1, len(people), len(poses.joints), 3), np.nan)
    for frame, person, joints in zip(poses.frame, poses.person, poses.xyz, strict=True):
        xyz[frame - poses.frame[0], people.index(person)] = joints
    return xyz.reshape(len(xyz), -1, 3)


@pytest.mark.parametrize("unit", ["m", "mm"])
@pytest.mark.parametrize("live", [False, True], ids=["offline", "live"])
def test_c3d_has_what_the_adapter_of_opensim_reads(live: bool, unit: str, tmp_path: Path) -> None:
    poses = recorded(live)
    expected = markers_of(poses)
    (path,) = load_exporter("c3d", unit).write(poses, tmp_path / "take")
    read = Adapter(path)
    assert (read.rate, read.unit) == (FPS, unit)
    assert (read.frames, read.used) == expected.shape[:2] == read.markers.shape[:2]
    assert read.labels == [f"{person}:{joint}" for person in (4, 5) for joint in poses.joints]
    assert np.isnan(expected[:33, len(poses.joints) :]).all(), "person 5 comes later"
    np.testing.assert_allclose(read.markers / _PER_METRE[unit], expected, atol=1e-5)  # filled ones are there, too
    np.testing.assert_allclose(read.time, (np.unique(poses.frame) - poses.frame[0]) / FPS, atol=1e-6)
    assert read.numbers == ((0, 112) if live else (7, 119))  # ezc3d counts from 0
    assert read.analog.size == 0
    assert read.forces == []
    assert [int(read.parameters[group]["USED"]["value"][0]) for group in ("ANALOG", "FORCE_PLATFORM")] == [0, 0]


def test_c3d_of_more_markers_than_a_parameter_has_labels_is_whole(tmp_path: Path) -> None:
    one = recorded(seconds=0.5, skeleton="coco133")
    one = one.select(one.frame == one.frame[0])
    many = replace(one.select(np.zeros(3, dtype=np.int64)), person=np.array([1, 2, 3]))
    (path,) = load_exporter("c3d").write(many, tmp_path / "take")
    read = Adapter(path)
    assert read.used == len(read.labels) == 3 * 133
    assert read.labels[255] == f"2:{many.joints[255 - 133]}"
    np.testing.assert_allclose(read.markers / 1000, markers_of(many), atol=1e-5)
