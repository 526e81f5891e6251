"""Fields of view against tables of lenses."""

import math

import numpy as np
import pytest

from calib.people.field_of_view import field_of_view_deg
from multiview.__main__ import main
from multiview.data import Keypoints2D
from multiview.errors import CalibrationError, ConfigError
from multiview.recordings.keypoint_folder import write_keypoints


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("70", 70.0),
        ("27mm", 65.3),  # 4:3: 34.6 mm of film, at 27 mm
        ("logitech_c920", 70.42),  # across, as the maker's table has it beside 78 across the diagonal
        ("iPhone_main", 67.3),
    ],
)
def test_field_of_view_is_read_as_people_know_it(text, degrees):
    assert field_of_view_deg(text) == pytest.approx(degrees, abs=0.05)


@pytest.mark.parametrize("text", ["wide", "0", "0mm", "nan", "-26mm", "179", "mm", ""])
def test_field_of_view_that_is_none_is_refused_with_what_can_be_given(text):
    with pytest.raises(ConfigError, match=r"as in 26mm, or one of iphone_main.*logitech_c920"):
        field_of_view_deg(text)


def test_command_begins_with_the_field_of_view_that_was_given(tmp_path, monkeypatch):
    """Across 640 pixels a field of view of 90 degrees is a focal length of 320, surer than a guess."""
    begun = []

    def stopped(cameras, recordings, skeleton, options, *about):
        begun.append((cameras, options))
        raise CalibrationError("as far as this test goes")

    monkeypatch.setattr("calib.people.calibrate.calibrate", stopped)
    nobody = Keypoints2D(np.zeros((0, 17, 2)), np.zeros((0, 17)))
    for name in ("cam01", "cam02"):
        (tmp_path / "keypoints" / name).mkdir(parents=True)
        write_keypoints(nobody, tmp_path / "keypoints" / name / f"{name}_000000_keypoints.json")
    command = ["calibrate", "people", "--keypoints", str(tmp_path / "keypoints"), "--skeleton", "coco17"]
    command += ["--size", "640x360", "--out", str(tmp_path / "rig")]
    for given in ([], ["--fov", "90"], ["--fov", "logitech_c920"]):
        main([*command, *given])
    guessed, given, named = begun
    assert [camera.K[0, 0] for camera in given[0]] == pytest.approx([320.0, 320.0])
    # 70.42 degrees across the picture, as its maker says.
    assert named[0][0].K[0, 0] == pytest.approx(320 / math.tan(math.radians(70.42 / 2)), rel=1e-3)
    assert guessed[0][0].K[0, 0] > 320
    assert given[1].lens_priors["cam01"].focal < guessed[1].lens_priors["cam01"].focal
