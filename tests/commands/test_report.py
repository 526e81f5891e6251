from __future__ import annotations

import html
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from multiview.__main__ import main
from multiview.biomechanics.cycles import POINTS, cycle_curve
from multiview.biomechanics.gait import Cycle
from multiview.recordings.pose_table import ROW_ARRAYS, Poses, write_poses
from tests.biomechanics.walking import walk, walker

NAME = 'Zoë "王" <b>'


def recorded(seconds: float, skeleton: str) -> Poses:
    """One walker, of whom the joints are measured but for the left wrist."""
    moving = walk(walker(2), skeleton, seconds, 30.0)
    n, joints = moving.xyz.shape[:2]
    filled = np.zeros((n, joints), dtype=bool)
    filled[:, moving.joints.index("left_wrist")] = True
    frame = np.arange(n)
    time_ns = np.round(frame / 30.0 * 1e9).astype(np.int64)
    ones = np.ones((n, joints))
    return Poses(
        frame, time_ns, 0 * frame, 0 * frame + 3, moving.xyz, np.array(moving.cov), ones, 4 * ones.astype(int), filled,
        moving.joints, skeleton, names={3: NAME},
    )  # fmt: skip


@pytest.mark.slow
def test_report_says_steps_with_uncertainty_and_what_was_filled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    poses = recorded(4.0, "halpe26")
    gliding = replace(poses, person=poses.person + 1, xyz=poses.xyz + 9e-9 * poses.time_ns[:, None, None])
    both = {name: np.concatenate([getattr(poses, name), getattr(gliding, name)]) for name in ROW_ARRAYS}
    rows = np.lexsort([both["person"], both["frame"]])
    write_poses(replace(poses, **{name: values[rows] for name, values in both.items()}), tmp_path / "poses.parquet")
    assert main(["report", str(tmp_path)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == tmp_path / "report.html"
    page = path.read_text()
    assert page.count("<img") == 4, "of the one who walks"
    assert "2 people, 30 frames per second" in page
    assert "<td>step length<td>0.6" in page
    assert "<td>left wrist<td>0<td>100<td>0" in page
    assert "<td>right wrist<td>100<td>0<td>0<td>5" in page
    assert "elbow pronation" in page, "left out, and said"
    assert html.escape(NAME) in page
    assert "<b>" not in page
    assert "person4: no foot is ever still" in page


def test_report_of_nobody_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    poses = recorded(0.5, "coco17")
    write_poses(poses.select(slice(0, 0)), tmp_path / "poses.parquet")
    assert main(["report", str(tmp_path)]) == 2
    assert "nothing to report" in capsys.readouterr().err


def test_cycle_curve_is_the_mean_over_whole_cycles_of_one_foot() -> None:
    time_s = np.arange(0.0, 4.0, 0.01)
    values = np.sin(2 * np.pi * time_s) + np.floor(time_s)
    values[(time_s > 2.2) & (time_s < 2.8)] = np.nan
    cycles = tuple(Cycle(side, k, k + 0.6, k + 0.999, 1.0, 0.0) for k in range(3) for side in ("left", "right"))
    curve = cycle_curve(time_s, values, cycles, "left")
    assert curve.n == 2, "of the third too much is unknown"
    expected = np.sin(2 * np.pi * np.linspace(0, 0.999, POINTS)) + 0.5
    np.testing.assert_allclose(curve.mean[1:-1], expected[1:-1], atol=1e-3)
    np.testing.assert_allclose(curve.spread[1:-1], np.sqrt(0.5), atol=1e-3)
    assert cycle_curve(time_s, values, (), "left").n == 0
