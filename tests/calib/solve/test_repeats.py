"""Pictures that are shown again: the camera is named, with the time; a board at rest is no such thing."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.camera_fault_recordings import BOARD, NOISE_PX, Scene, recording
from calib.report.outcome import judge
from calib.solve.camera_fault import Cause
from calib.solve.faults import find_faults
from calib.solve.intrinsics import Intrinsics
from calib.solve.solve import solve
from multiview.geometry.bundle import Lens

WAVED = Scene(101, fps=10.0, seconds=8.0, moving=True)


def judged(scene):
    rig, corners = recording(scene)
    lens = {c: Lens(np.array([k.K[0, 0], k.K[1, 1], k.K[0, 2], k.K[1, 2]]), k.dist) for c, k in enumerate(rig.cameras)}
    known = {c: Intrinsics(one, NOISE_PX, "pinhole5") for c, one in lens.items()}
    calibration = solve(corners, BOARD, offsets=False, known=known)
    return find_faults(calibration).faults, judge(calibration, corners), corners


@pytest.mark.slow
def test_camera_that_hangs_is_named_with_the_time():
    faults, outcome, corners = judged(replace(WAVED, faults=(("frozen", 1, 4.0),)))
    assert [(one.camera, one.cause) for one in faults] == [(1, Cause.HANGS)]
    time = np.unique(corners.time[corners.camera == 1])
    before, after = faults[0].start_between_s
    assert before == pytest.approx(time[time >= 4.0].min())
    assert after == pytest.approx(before + 0.1)
    assert outcome.verdict == "record again"
    assert "its picture stands still while the board moves" in outcome.reasons[0]
    assert {entry.camera for entry in outcome.verdicts} == {"cam02"}


@pytest.mark.slow
def test_camera_that_shows_pictures_twice_is_named():
    faults, outcome, _ = judged(replace(WAVED, faults=(("every second frame repeated", 3, 0.0),)))
    assert [(one.camera, one.cause, one.start_s) for one in faults] == [(3, Cause.REPEATS, None)]
    assert outcome.verdict != "good"
    assert "cam04 shows" in outcome.reasons[0]


@pytest.mark.slow
def test_recording_that_was_given_twice_is_named():
    faults, outcome, _ = judged(replace(WAVED, copied=(2, 0)))
    assert [(one.camera, one.alternative, one.cause) for one in faults] == [(2, 0, Cause.COPY)]
    assert outcome.reasons[0] == "cam03 shows the same pictures as cam01"
    assert outcome.verdict == "record again"


@pytest.mark.slow
def test_board_at_rest_is_no_picture_that_is_shown_again():
    """Half the time it lies still, and noise is as small as with a sharp picture of it."""
    rig, corners = recording(WAVED)
    rng = np.random.default_rng(0)
    parts = []
    for c in range(4):
        own = np.flatnonzero(corners.camera == c)
        last = corners.frame[own][corners.frame[own] < 40].max()
        moving, resting = own[corners.frame[own] <= last], own[corners.frame[own] == last]
        parts += [(np.full(len(moving), c), corners.frame[moving], corners.corner[moving], corners.xy[moving])]
        for frame in range(40, 80):
            again = corners.xy[resting] + rng.normal(0, 0.02, (len(resting), 2))
            parts += [(np.full(len(resting), c), np.full(len(resting), frame), corners.corner[resting], again)]
    camera, frame, corner, xy = (np.concatenate(part) for part in zip(*parts, strict=True))
    still = replace(corners, camera=camera, frame=frame, time=frame / 10.0, corner=corner, xy=xy)
    known = {
        c: Intrinsics(Lens(np.array([k.K[0, 0], k.K[1, 1], k.K[0, 2], k.K[1, 2]]), k.dist), NOISE_PX, "pinhole5")
        for c, k in enumerate(rig.cameras)
    }
    causes = {fault.cause for fault in find_faults(solve(still, BOARD, offsets=False, known=known)).faults}
    assert not causes & {Cause.HANGS, Cause.REPEATS, Cause.COPY}
