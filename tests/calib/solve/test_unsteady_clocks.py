"""A camera whose stamps wander, before a board: the rig, the error of every stamp, and what is said of it."""

import json

import numpy as np
import pytest

from benchmarks.clock_faults import ClockFaults, recorded
from calib.report.outcome import judge
from calib.report.report import write_reports
from calib.solve.solve import solve
from multiview.timing.clock_noise import STEADY, ClockNoise

HZ, NOISE = 6.0, ClockNoise(0.02, 0.005)


@pytest.fixture(scope="module")
def wandering():
    recording = recorded(ClockFaults(fps=(HZ,), noise=(STEADY, NOISE, STEADY, STEADY)), seed=0, seconds=20.0)
    return recording, solve(recording.corners, recording.board, "pinhole5")


@pytest.mark.slow
def test_unsteady_clock_is_found_and_the_rig_is_near_the_bound(wandering):
    recording, found = wandering
    (clock,) = found.unsteady_clocks
    assert found.names[clock.camera] == "cam02"
    # 120 stamps, half of them of boards that another camera sees: three deviations of the estimate
    assert clock.noise.walk == pytest.approx(NOISE.walk, rel=0.4)
    assert found.rms_px < 1.05 * np.sqrt(2) * recording.sigma_px  # the stamps' own times explain everything
    assert recording.error_mm(found.state, found.cameras) < 3 * recording.bound_mm(1 / HZ)  # a mean over recordings
    late = recording.late[1][found.frame[clock.views]]
    seen = (found.bundle.weight[clock.views] > 0).any(axis=1)
    wrong = (late - clock.wander)[seen]  # of views that no other camera shares, only the walk is known
    assert np.median(np.abs(wrong - np.median(wrong))) < 0.25 * np.std(late[seen])


@pytest.mark.slow
def test_unsteady_clock_is_said_in_words_and_figures(wandering, tmp_path):
    recording, found = wandering
    outcome = judge(found, recording.corners)
    (verdict,) = [entry for entry in outcome.verdicts if "wander" in entry.problem]
    ms = 1000 * found.unsteady_clocks[0].rms_s
    assert verdict.problem.startswith(f"cam02's stamps wander by {ms:.0f} ms: expect")
    assert f"{1.4 * ms:.0f} mm off at walking speed" in verdict.problem
    assert "hardware time stamps or a trigger" in verdict.remedy
    assert outcome.verdict != "good"
    write_reports(tmp_path, outcome, found, recording.corners, recording.board, (), 1.0)
    figures = json.loads((tmp_path / "report.json").read_text())["cameras"]
    assert figures["cam02"]["time_walk_s_per_root_s"] == found.unsteady_clocks[0].noise.walk
    assert figures["cam01"]["time_wander_s"] == 0
    assert "wanders by" in (tmp_path / "report.html").read_text()
