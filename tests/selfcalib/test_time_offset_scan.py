"""The offsets of cameras that were started apart are found by scanning, without a first guess and without 3D."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.data import NS_PER_S, Views
from multiview.selfcalib.time_offset_scan import scan_time_offsets
from multiview.synthetic import StudioOptions, make_studio

FPS = 25.0


def views_of(cameras: int, started: list[int], people: int = 2) -> tuple[object, list[Views]]:
    """Twelve seconds; camera c's clock began `started[c]` frames after the true time."""
    studio = make_studio(StudioOptions(cameras=cameras, people=people, seconds=16, fps=FPS, seed=5, only_walking=True))
    times = 2.0 + np.arange(int(12 * FPS)) / FPS
    seen = [studio.keypoints_at(camera, times + late / FPS) for camera, late in enumerate(started)]
    views = [Views(i, round(i * NS_PER_S / FPS), k) for i, k in enumerate(zip(*seen, strict=True))]
    return studio.rig, views


@pytest.mark.slow
@pytest.mark.parametrize("started", [[0, 0, 0, 12], [3, -9, 3, 8], [0, 0, 0, 0]])
def test_scan_finds_cameras_that_were_started_apart(started: list[int]) -> None:
    rig, views = views_of(4, started)
    scan = scan_time_offsets(rig, views, 1 / FPS, 0.9)
    expected = np.array(started) - sorted(started)[1]
    assert np.abs(scan.offsets() - expected).max() <= 1
    assert scan.lags_s()[scan.reach] == 0.0
    curve = scan.curve(3, scan.offsets())
    assert abs(int(np.nanargmin(curve)) - scan.reach - expected[3]) <= 1


def test_scan_works_for_two_cameras() -> None:
    rig, views = views_of(2, [0, 10], people=1)
    assert abs(int(np.diff(scan_time_offsets(rig, views, 1 / FPS, 0.8).offsets())[0]) - 10) <= 1


def test_scan_leaves_a_camera_that_saw_nobody() -> None:
    rig, views = views_of(3, [0, 0, 0])
    blind = [Views(v.tick, v.time_ns, (*v.keypoints[:2], None)) for v in views]
    scan = scan_time_offsets(rig, blind, 1 / FPS, 0.5)
    assert scan.offsets()[2] == 0
    assert np.isnan(scan.curve(2, scan.offsets())).all()
