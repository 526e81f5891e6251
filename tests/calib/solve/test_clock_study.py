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
