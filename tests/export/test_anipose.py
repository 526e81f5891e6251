"""anipose's CSV, read by rows and columns alone."""

import csv
from pathlib import Path

import numpy as np

from multiview.export import load_exporter
from tests.export.takes import recorded


def test_anipose_has_every_joint_in_millimetres_with_views_and_score(tmp_path: Path) -> None:
    poses = recorded()
    paths = [path for path in load_exporter("anipose").write(poses, tmp_path / "take") if path.suffix == ".csv"]
    assert len(paths) == len(poses.people)
    for number, path in zip(poses.people, paths, strict=True):
        own = poses.select(poses.person == number)
        with path.open(newline="") as file:
            rows = {int(row["fnum"]): row for row in csv.DictReader(file)}
        assert list(rows) == list(range(int(own.frame[0]), int(own.frame[-1]) + 1))
        for row in range(0, len(own), 7):
            line = rows[int(own.frame[row])]
            for joint, xyz, score, views in zip(own.joints, own.xyz[row], own.score[row], own.views[row], strict=True):
                found = [float(line[f"{joint}_{axis}"] or "nan") for axis in "xyz"]
                np.testing.assert_allclose(found, 1000 * xyz, atol=1e-6)
                assert line[f"{joint}_error"] == ""
                assert int(line[f"{joint}_ncams"]) == views
                np.testing.assert_allclose(float(line[f"{joint}_score"]), score, atol=1e-6)
            assert [float(line[f"M_{i}{j}"]) for i in range(3) for j in range(3)] == np.eye(3).ravel().tolist()
        away = set(rows) - set(own.frame.tolist())
        assert all(rows[frame][f"{own.joints[0]}_x"] == "" for frame in away)
