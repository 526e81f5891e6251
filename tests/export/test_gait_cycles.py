"""Curves over the gait cycle, of a walker whose angles are known."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiview.biomechanics.contacts import find_contacts
from multiview.biomechanics.gait import analyse_gait
from multiview.biomechanics.measured_angles import measured_angles
from multiview.export._gait_cycles import write_gait_cycles
from tests.biomechanics.walking import off_deg, true_angles, walk, walker

WALKER = walker(2)


@pytest.mark.slow
def test_gait_cycles_are_the_walkers(tmp_path: Path) -> None:
    """A table, a stride for OpenSim, and a picture."""
    person = walk(WALKER, "halpe26", 3.0, 60.0)
    table, motion, picture = write_gait_cycles(person, measured_angles(person), tmp_path / "ann")
    assert [path.name for path in (table, motion, picture)] == [
        "ann_gait_cycles.csv", "ann_gait_cycle.mot", "ann_gait_cycles.png",
    ]  # fmt: skip
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["percent"] for row in rows] == [str(percent) for percent in range(101)]
    cycles = analyse_gait(person, find_contacts(person)).cycles
    for side in ("left", "right"):
        name = f"{side}_knee_flexion_deg"
        own = [cycle for cycle in cycles if cycle.side == side]
        assert {row[f"{side}_knee_flexion_cycles"] for row in rows} == {str(len(own))}
        curves = [true_angles(WALKER, np.linspace(one.start_s, one.end_s, 101))[name] for one in own]
        found = np.array([float(row[name]) for row in rows])
        assert np.abs(off_deg(found, np.mean(curves, axis=0))).max() < 2.0
    lines = motion.read_text().splitlines()
    head = lines.index("endheader") + 1
    values = np.loadtxt(motion, skiprows=head + 1)
    stride_s = float(np.mean([one.end_s - one.start_s for one in cycles]))
    assert values[-1, 0] == pytest.approx(stride_s, abs=1e-5)
    knee = lines[head].split("\t").index("right_knee_flexion_deg")
    np.testing.assert_allclose(values[:, knee], [float(row["right_knee_flexion_deg"]) for row in rows], atol=2e-3)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_nobody_walks_no_files(tmp_path: Path) -> None:
    person = walk(WALKER, "halpe26", 0.3, 30.0)
    assert write_gait_cycles(person, measured_angles(person), tmp_path / "ann") == []
    away = replace(person, xyz=np.full_like(person.xyz, np.nan))
    assert write_gait_cycles(away, measured_angles(away), tmp_path / "ann") == []
