"""What is said of a rig from people: once for all cameras that have the same fault."""

from dataclasses import replace

import numpy as np

from calib.people.camera_fit import CameraFit
from calib.people.epipolar_fit import PairState
from calib.people.pairs import PairPose
from calib.people.scale import Scale
from calib.people.solved_rig import PeopleCalibration
from calib.report.people_outcome import judge_people, noise_words
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic import StudioOptions, make_rig


def calibration(turn_sigma_deg):
    rig = make_rig(StudioOptions(cameras=len(turn_sigma_deg)))
    fits = tuple(
        CameraFit(name, 9000, 10, 3.0, 3.0, 0.9, turn, 5.0, 0.0, 0.001, 0.0, 0.0, 0.0, "known")
        for name, turn in zip(rig.names, turn_sigma_deg, strict=True)
    )
    count = len(fits)
    here, ways = np.zeros((4, 3)), np.tile([0.0, 0.0, 1.0], (9, 1))
    return PeopleCalibration(
        rig, fits, (), Scale(1.0, 0.01, "by a stature"), None, 1.0, here, np.full(4, 0.002), ways, 1, 30.0,
        np.full((count, count), 20.0), np.zeros((count, 6, count, 6)),
    )  # fmt: skip


def test_uncertain_cameras_are_named_in_one_sentence():
    outcome = judge_people(calibration([0.2, 0.05, 0.3]))
    (reason,) = [text for text in outcome.reasons if "turned" in text]
    assert reason == "cam01, cam03 may be turned by up to 0.30 degrees"
    assert sum("near and far" in text for text in outcome.advice) == 1


def test_rig_with_guessed_lenses_is_usable_at_best():
    found = calibration([0.01, 0.01, 0.01])
    guessed = replace(found, cameras=tuple(replace(fit, focal_sigma_px=5.0) for fit in found.cameras))
    assert any("were guessed" in text for text in judge_people(guessed).reasons)
    assert judge_people(guessed).verdict != "good"
    assert not any("were guessed" in text for text in judge_people(found).reasons)


def related(rig, a, b, rival, turned=0.0):
    """Two cameras that were related as the rig has them, or turned by so many rad; and how good the next best was."""
    first, second = rig.cameras[a], rig.cameras[b]
    R = rotation_from_vector(np.array([turned, 0.0, 0.0])) @ second.R @ first.R.T
    return PairPose(a, b, PairState(R, np.array([1.0, 0.0, 0.0]), 0.0), 100.0, 200.0, rival=rival)


def test_pairs_that_close_a_ring_confirm_each_other():
    found = calibration([0.01, 0.01, 0.01])
    ring = [(0, 1, 0.99), (0, 2, 0.86), (1, 2, 0.83)]
    closed = replace(found, pairs=tuple(related(found.rig, *pair) for pair in ring))
    assert not any("could stand elsewhere" in text for text in judge_people(closed).reasons)
    wrong = related(found.rig, 1, 2, 0.83, turned=0.3)
    broken = replace(closed, pairs=(*closed.pairs[:2], wrong))
    assert sum("could stand elsewhere" in text for text in judge_people(broken).reasons) == 3


def test_bias_that_was_taken_off_is_said():
    found = calibration([0.01, 0.01, 0.01])
    assert noise_words(found) == "keypoints err independently from frame to frame"
    assert noise_words(replace(found, bias_m=0.0183)).startswith("after 18 mm by which the detector usually misses")


def test_pairs_of_a_short_recording_are_not_blamed_one_by_one():
    found = calibration([0.01, 0.01, 0.01])
    thin = np.full((3, 3), 20.0)
    thin[2, :2] = thin[:2, 2] = 1.0
    reasons = judge_people(replace(found, shared_s=thin)).reasons
    assert any("cam01 and cam03 for only 1 s, cam02 and cam03 for only 1 s" in text for text in reasons)
    short = judge_people(replace(found, shared_s=thin, seconds=3.0)).reasons
    assert any("for only 3 s" in text for text in short)
    assert not any("are shared by" in text for text in short)
