"""The demo, small, through its real processes: it ends by itself and leaves what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2

from multiview.recordings.pose_table import read_poses


def test_demo_leaves_a_take_with_poses_pictures_and_honest_figures(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--seconds", "2", "--cameras", "3", "--people", "1", "--no-viewer"]
    command = [sys.executable, "-m", "multiview", "demo", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stdout + result.stderr
    (take,) = tmp_path.iterdir()
    assert str(take / "skeletons.mp4") in result.stdout
    figures = json.loads((take / "summary.json").read_text())
    assert figures["frames"] == 60
    assert figures["ticks"] >= 55
    assert figures["identity_switches"] == 0
    assert figures["mean_error_mm"] < 60  # 4 px at three cameras: about 25
    poses = read_poses(take)
    assert len(poses) >= 50
    video = cv2.VideoCapture(str(take / "skeletons.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 60
    top = cv2.imread(str(take / "top_view.png"))
    assert top is not None
    assert top.std() > 5
