"""Time offsets are as well known as is said of them, and a camera whose clock is not known well is named."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.clock_faults import ClockFaults, recorded
from calib.report.camera_verdict import of_brief_sight, of_doubtful_clock
from calib.report.outcome import judge
from calib.report.report import write_reports
from calib.solve.intrinsics import Intrinsics
from calib.solve.solve import solve
from calib.solve.uncertainty import clock_deviation, seconds_together
from calib.solve.unsteady_clocks import UnsteadyClock
from multiview.geometry.bundle import Lens
from multiview.timing.clock_noise import ClockNoise

LEAST_SAID_S = 0.001


@pytest.fixture(scope="module")
def recording():
    """One camera of 30 Hz whose rate varies among three of 15 Hz: few views beside each pose of the board."""
    faults = ClockFaults(fps=(15.0, 15.0, 30.0, 15.0), variable=(False, False, True, False))
    return recorded(faults, seed=2, seconds=6.0)


@pytest.fixture(scope="module")
def calibration(recording):
    """With the true lenses, which saves most of the time."""
    lenses = {
        c: Intrinsics(Lens(np.array([one.K[0, 0], one.K[1, 1], *one.K[:2, 2]]), one.dist), 0.3, "pinhole5")
        for c, one in enumerate(recording.rig.cameras)
    }
    return solve(recording.corners, recording.board, known=lenses)


@pytest.mark.slow
def test_time_offsets_do_not_follow_noise_between_the_boards_poses(recording, calibration):
    """A board that may be accelerated as no hand does it puts offsets 6 ms and five deviations away."""
    wrong = np.abs(calibration.time_offset - recording.clock_offset)
    assert wrong.max() < 0.002
    assert (wrong <= 3 * calibration.offset_sigma).all()


@pytest.mark.slow
def test_motion_is_expected_to_be_as_smooth_as_it_is(recording, calibration):
    time = recording.time[2]
    place = recording.motion.at(time)[1]
    velocity, middle = np.diff(place, axis=0) / np.diff(time)[:, None], (time[1:] + time[:-1]) / 2
    true = np.sqrt(((np.diff(velocity, axis=0) / np.diff(middle)[:, None]) ** 2).mean())
    assert true < calibration.bundle.acceleration[1] < 4 * true


def with_clock_variance(calibration, variance_s2):
    """As if the time offsets of all cameras but the first had this covariance."""
    places = [places[-1] for places in calibration.bundle.layout()][1:]
    covariance = calibration.covariance.copy()
    covariance[np.ix_(places, places)] = variance_s2
    return replace(calibration, covariance=covariance)


@pytest.mark.slow
def test_deviation_of_a_clock_is_that_beside_half_of_the_others(calibration):
    third = with_clock_variance(calibration, 1e-8 * np.diag([1.0, 3600.0, 1.0]))
    np.testing.assert_allclose(clock_deviation(third), 1e-4 * np.array([1.0, 2**0.5, 3601**0.5, 2**0.5]), rtol=0.4)
    first = with_clock_variance(calibration, 1e-8 * (3600.0 + np.eye(3)))  # all others are sure of each other
    np.testing.assert_allclose(clock_deviation(first), 1e-4 * np.array([60.0, 1.4, 1.4, 1.4]), rtol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "deviation_s", "verdict"), [(2, 0.004, "usable"), (0, 0.02, "record again")])
def test_camera_with_an_uncertain_clock_is_named_everywhere(
    recording, calibration, tmp_path, bad, deviation_s, verdict
):
    own = np.zeros((3, 3)) + deviation_s**2 if bad == 0 else np.diag(np.arange(1, 4) == bad) * deviation_s**2
    uncertain = with_clock_variance(calibration, own + LEAST_SAID_S**2 / 100 * np.eye(3))
    outcome = judge(uncertain, recording.corners)
    name = recording.rig.names[bad]
    said = f"{name}'s time offset is uncertain by {1000 * deviation_s:.1f} ms"
    assert outcome.verdict == verdict
    assert next(reason for reason in outcome.reasons if "time offset" in reason).startswith(said)
    assert any(f"where {name} and another camera see it at once" in advice for advice in outcome.advice)
    write_reports(tmp_path, outcome, uncertain, recording.corners, recording.board, (), 1.0)
    problems = json.loads((tmp_path / "report.json").read_text())["cameras"][name]["problems"]
    assert any(problem.startswith(said) for problem in problems)
    assert said.replace("'", "&#x27;") in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_camera_with_a_certain_clock_is_not_named(recording, calibration):
    certain = with_clock_variance(calibration, LEAST_SAID_S**2 / 4 * np.eye(3))
    assert not any("time offset is uncertain" in reason for reason in judge(certain, recording.corners).reasons)


def test_camera_whose_stamps_the_fit_contradicts_is_named():
    """Nothing but its stamps says when its pictures were taken: a fit that moves them, or lets them wander, is none."""
    assert of_doubtful_clock("cam03", moved_s=0.02, wander_s=0.0) is None
    for moved_s, wander_s in ((-0.5, 0.0), (0.0, 0.12)):
        verdict = of_doubtful_clock("cam03", moved_s, wander_s)
        assert verdict.unusable
        assert verdict.problem.startswith("cam03's clock is not known")


@pytest.mark.slow
@pytest.mark.parametrize(("sure", "wanders", "named"), [(False, 1, True), (False, 0, False), (True, 1, False)])
def test_stamps_that_nothing_confirms_are_not_believed_where_a_camera_beside_wanders(
    recording, calibration, sure, wanders, named
):
    """A camera whose clock is half a second off is fitted as well if those that saw the board with it wander."""
    assert set(calibration.graph.neighbors(2)) == {1, 3}
    views = np.flatnonzero(calibration.bundle.camera == wanders)
    clock = UnsteadyClock(wanders, ClockNoise(0.1, 0.0), views, np.linspace(-0.2, 0.2, len(views)))
    found = replace(calibration, sure_clock=np.arange(4) != (-1 if sure else 2), unsteady_clocks=(clock,))
    outcome = judge(found, recording.corners)
    assert any(reason.startswith("cam03's clock is not known") for reason in outcome.reasons) == named
    assert outcome.verdict == ("record again" if named else "usable")


@pytest.mark.slow
def test_seconds_together_are_those_of_moments_that_two_cameras_saw(recording, calibration):
    seen = [
        own[np.unique(recording.corners.frame[recording.corners.camera == c])] for c, own in enumerate(recording.time)
    ]
    expected = []
    for c, own in enumerate(seen):
        others = np.concatenate([one for other, one in enumerate(seen) if other != c])
        near = np.abs(own[:, None] - others).min(axis=1) < 0.5 / 15  # the slower camera's frames
        expected.append(near.sum() * np.median(np.diff(own)))
    np.testing.assert_allclose(seconds_together(calibration), expected, atol=0.15, rtol=0.1)
    assert np.isinf(seconds_together(replace(calibration, bundle=replace(calibration.bundle, knots=None)))).all()


@pytest.mark.slow
@pytest.mark.parametrize(("views", "verdict"), [(7, "record again"), (12, "usable")])
def test_camera_that_saw_the_board_with_others_too_briefly_is_named(recording, calibration, views, verdict):
    """Its deviations follow from linear equations, which a single wave of the board does not fill."""
    bundle = calibration.bundle
    own = np.flatnonzero((bundle.camera == 2) & (bundle.weight > 0).any(axis=1))
    weight = bundle.weight.copy()
    weight[own[views:]] = 0.0  # of 30 Hz
    outcome = judge(replace(calibration, bundle=replace(bundle, weight=weight)), recording.corners)
    said = {entry.camera: entry.problem for entry in outcome.verdicts}
    assert said["cam03"].startswith("cam03 saw the board move together with other cameras for only 0.")
    assert outcome.verdict == verdict


@pytest.mark.slow
def test_a_clock_that_is_uncertain_does_not_hide_that_the_board_was_seen_for_a_moment(recording, calibration):
    uncertain = with_clock_variance(calibration, np.diag([0.0, 0.004**2, 0.0]) + 1e-8 * np.eye(3))
    bundle = uncertain.bundle
    own = np.flatnonzero((bundle.camera == 2) & (bundle.weight > 0).any(axis=1))
    weight = bundle.weight.copy()
    weight[own[7:]] = 0.0
    outcome = judge(replace(uncertain, bundle=replace(bundle, weight=weight)), recording.corners)
    assert outcome.verdict == "record again"
    assert any(reason.startswith("cam03 saw the board move together") for reason in outcome.reasons)
    assert of_brief_sight("cam03", 1.1) is None
