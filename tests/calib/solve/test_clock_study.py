"""The study of faults of frames and clocks, in short: one recording, against what no method can beat."""

import pytest

from benchmarks.calibration_time import FAULTS, Tally, tried
from benchmarks.clock_faults import recorded


@pytest.mark.slow
def test_a_capture_that_lost_frames_gives_a_rig_near_the_bound(capsys):
    recording = recorded(FAULTS["capture, 3 % lost"], seed=1)
    tally = Tally("capture")
    tried(recording, tally, "capture", verbose=True)
    tally.print_row(tally)
    assert (tally.failed, tally.left_out) == (0, 0)
    assert tally.offset[0] < 0.002
    assert tally.error[0] < 3 * tally.bound[0]  # which is the mean over many recordings
    assert capsys.readouterr().out.splitlines()[-1].split()[:2] == ["capture", "1"]


@pytest.mark.slow
def test_a_camera_that_saw_little_starts_when_two_others_say_alike():
    """Each pair alone tells too little of its clock: the third camera saw the board for 1.7 s."""
    tally = Tally("starts")
    tried(recorded(FAULTS["starts 1.6 and 2.7 s apart"], seed=8), tally, "starts")
    assert (tally.failed, tally.left_out) == (0, 0)
    assert tally.offset[0] < 0.002
    assert tally.error[0] < 3 * tally.bound[0]
