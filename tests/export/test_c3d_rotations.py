"""Poses of segments in C3D, read by ezc3d."""

from __future__ import annotations

from pathlib import Path

import ezc3d
import numpy as np

from multiview.biomechanics.segments import segments
from multiview.export import load_exporter
from tests.export.takes import recorded


def test_c3d_has_poses_of_segments_that_ezc3d_reads(tmp_path: Path) -> None:
    poses = recorded(skeleton="halpe26", seconds=2.0)
    (path,) = load_exporter("c3d_segments").write(poses, tmp_path / "take")
    file = ezc3d.c3d(str(path))
    labels = file["parameters"]["ROTATION"]["LABELS"]["value"]
    found = file["data"]["rotations"]  # 4, 4, segments, frames
    body = segments(poses.joints, poses.xyz)
    checked = 0
    assert found.shape[2:] == (len(labels), len(np.unique(poses.frame)))
    for name in ("pelvis", "thorax", "head", "left_thigh", "right_shank", "left_foot", "right_humerus"):
        for person in (4, 5):
            rows = poses.person == person
            k, own = labels.index(f"{person}:{name}_4X4"), poses.frame[rows] - poses.frame[0]
            matrices = found[:, :, k, :].transpose(2, 0, 1)[own]
            known = np.isfinite(body.frame[name][rows]).all(axis=(1, 2))
            checked += known.any()
            np.testing.assert_allclose(matrices[known, :3, :3], body.frame[name][rows][known], atol=1e-6)
            np.testing.assert_allclose(matrices[known, :3, 3], 1e3 * body.origin[name][rows][known], atol=1e-2)
            assert not np.isfinite(matrices[~known]).any(), "what is not known is NaN"
    assert checked >= 10, "legs that stand are straight"
    points = file["data"]["points"][:3].transpose(2, 1, 0)
    assert points.shape[1] == 2 * len(poses.joints), "as without them"
