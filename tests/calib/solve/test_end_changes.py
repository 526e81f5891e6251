"""A camera that changed when hardly a picture was left to tell is named, with the time; one wrong picture is not."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.camera_fault_recordings import BOARD, NOISE_PX, Scene, recording
from calib.report.outcome import judge
from calib.solve.faults import find_faults
from calib.solve.intrinsics import Intrinsics
from calib.solve.solve import solve
from multiview.geometry.bundle import Lens

WHO = 3


def solved(rig, corners):
    lens = {c: Lens(np.array([k.K[0, 0], k.K[1, 1], k.K[0, 2], k.K[1, 2]]), k.dist) for c, k in enumerate(rig.cameras)}
    known = {c: Intrinsics(one, NOISE_PX, "pinhole5") for c, one in lens.items()}
    return solve(corners, BOARD, offsets=False, known=known)


def shared_times(corners, who):
    """When a camera and another one see the board."""
    own = np.unique(corners.time[corners.camera == who])
    return own[np.isin(own, corners.time[corners.camera != who])]


def shifted(corners, who, times, px=40.0):
    """Pictures that are wrong: all corners of some of them lie elsewhere."""
    wrong = (corners.camera == who) & np.isin(corners.time, times)
    return replace(corners, xy=corners.xy + px * wrong[:, None])


@pytest.mark.slow
@pytest.mark.parametrize(("place", "after"), [(-1, False), (-2, False), (1, True), (2, True)])
def test_bump_that_one_or_two_pictures_tell_of_is_named_with_the_time(place, after):
    """The camera's last pictures beside another camera, or its first ones."""
    clean = shared_times(recording(Scene(3))[1], WHO)
    start = float(clean[place])
    rig, corners = recording(Scene(3, (("bumped", WHO, start),)))
    calibration = solved(rig, corners)
    (fault,) = find_faults(calibration).faults
    assert fault.camera == WHO
    times = shared_times(corners, WHO)
    before = times[times < start - 1e-6].max(), times[times >= start - 1e-6].min()
    np.testing.assert_allclose(fault.start_between_s, before, atol=1e-6)
    one = min((times < start - 1e-6).sum(), (times >= start - 1e-6).sum()) == 1
    assert fault.sure != one
    outcome = judge(calibration, corners)
    assert outcome.verdict == ("usable" if one else "record again")
    assert outcome.verdicts[0].camera == "cam04"
    assert ("one wrong picture" in outcome.reasons[0]) == one
    assert ("recorded after" if after else "recorded before") in outcome.advice[0]


@pytest.mark.slow
def test_wrong_picture_between_others_is_no_change_of_a_camera():
    rig, corners = recording(Scene(3))
    times = shared_times(corners, WHO)
    calibration = solved(rig, shifted(corners, WHO, times[[len(times) // 2]]))
    assert find_faults(calibration).faults == ()
    assert judge(calibration, calibration.corners).verdict == "good"


@pytest.mark.slow
def test_wrong_last_picture_is_no_change_where_others_are_wrong_as_well():
    """One of them alone is held against the camera: it may have moved."""
    rig, corners = recording(Scene(3))
    times = shared_times(corners, WHO)
    (fault,) = find_faults(solved(rig, shifted(corners, WHO, times[[-1]]))).faults
    assert (fault.camera, fault.sure) == (WHO, False)
    assert find_faults(solved(rig, shifted(corners, WHO, times[[4, 12, -1]]))).faults == ()
