"""The demo, small, through its real processes: it ends by itself and leaves what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from multiview.common.palette import person_colour
from multiview.recordings.pose_table import read_poses
from multiview.studio.config import SyntheticSource
from multiview.studio.derived import synthetic_options
from multiview.studio.studio_file import load_studio
from multiview.synthetic import make_studio
from multiview.synthetic.cramer_rao import truth_with_bound
from services.dashboard import studio
from services.demo.demo import PAGES
from tests.figures import pixels_of

pytestmark = pytest.mark.slow


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
    settings = load_studio(take / "studio.toml", check=False)
    assert isinstance(settings.source, SyntheticSource)
    bound = truth_with_bound(make_studio(synthetic_options(settings.source))).bound
    assert figures["mean_error_mm"] < 1e3 * np.nanmean(bound)  # less than any estimator without memory
    poses = read_poses(take)
    assert len(poses) >= 50
    video = cv2.VideoCapture(str(take / "skeletons.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 60
    video.set(cv2.CAP_PROP_POS_FRAMES, 30)
    colour = person_colour(int(poses.person[0]))
    frame, top = video.read()[1], cv2.imread(str(take / "top_view.png"))
    for view in np.split(frame, 2, axis=1):
        assert pixels_of(view, colour, tolerance=40) > 30  # a video's colours are coarse
    assert top is not None
    assert pixels_of(top, colour) > 10


def test_demo_names_the_address_at_which_the_pages_are() -> None:
    assert f"http://127.0.0.1:{studio.PORT}" == PAGES
