"""A camera whose frames come at another rate than was taken is named with its rate; cameras in step never are."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.commands.time_offsets_run import CONFIRMED, IN_STEP, TimeOffsetResult
from multiview.data import FrameNumber, TimeNs
from multiview.recordings.recorded_keypoints import Recording, recorded_views
from multiview.selfcalib.clock_rate import clock_rates
from multiview.selfcalib.time_offset import TimeOffset
from multiview.selfcalib.time_offset_scan import scan_time_offsets
from multiview.synthetic import Studio, StudioOptions, make_studio

SECONDS, FPS = 16.0, 25.0


@pytest.fixture(scope="module")
def studio() -> Studio:
    return make_studio(StudioOptions(cameras=3, people=2, seconds=SECONDS + 2, fps=50.0))


def rates(studio: Studio, true_fps: float, late_s: float = 0.2) -> np.ndarray:
    """Of cameras whose frames are taken to come at 25 Hz; the second one has another rate, and starts late."""
    recordings = []
    for c, name in enumerate(studio.rig.names):
        fps, start_s = (true_fps, 0.5 + late_s) if c == 1 else (FPS, 0.5)
        numbers = [FrameNumber(number) for number in range(int(SECONDS * fps))]
        stamps = [TimeNs(round(number * 1e9 / FPS)) for number in numbers]
        seen = studio.keypoints_at(c, start_s + np.array(numbers) / fps)
        recordings.append(Recording(name, FPS, numbers, stamps, seen))
    views = list(recorded_views(studio.rig, recordings, by_time=True))
    return clock_rates(studio.rig, views, 1 / FPS, 1.0)


@pytest.mark.parametrize("true_fps", [24.0, 26.0])
def test_clock_rates_name_the_camera_of_another_rate(studio: Studio, true_fps: float) -> None:
    found = rates(studio, true_fps)
    assert FPS / (1 + found[1]) == pytest.approx(true_fps, abs=0.15)  # a step of the scan in each of four parts
    assert found[[0, 2]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("late_s", [0.0, 0.3])
def test_clock_rates_are_none_of_cameras_of_one_rate(studio: Studio, late_s: float) -> None:
    assert rates(studio, FPS, late_s).tolist() == [0.0, 0.0, 0.0]


def test_drift_is_said_of_a_camera_whose_halves_differ_beyond_doubt(studio: Studio) -> None:
    views = [studio.views(frame) for frame in range(40)]
    scan = scan_time_offsets(studio.rig, views, 0.02, 0.1)
    halves = [(0.1306, 0.1430), (0.1366, 0.1370), (0.0, 0.02)]
    offsets = [TimeOffset(sum(both) / 2, 0.0015, both) for both in halves]
    nothing = np.zeros(3)
    found = [CONFIRMED, IN_STEP, "not found"]
    result = TimeOffsetResult(studio.rig, offsets, found, scan, nothing, nothing, nothing, nothing, seconds=25.0)
    (line,) = result.drifts()
    assert line.startswith("cam01's clock is slow by 992 millionths")
