"""A rig is right, or the displaced camera is named with how far it moved."""

from dataclasses import replace

import numpy as np
import pytest

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.solve.check import check_rig
from multiview.cameras.camera import Rig
from multiview.errors import ConfigError
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import measure, placed_at_random, ring

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")


@pytest.fixture(scope="module")
def recording():
    rng = np.random.default_rng(0)
    rig = ring(4, rng=rng)
    m = measure(rig, BOARD.points, [placed_at_random(40, rng)] * 4, rng, outliers=0.02)
    return rig, Corners(rig.names, tuple(c.size for c in rig.cameras), m.camera, m.frame, m.frame / 30, m.corner, m.xy)


def changed(rig, index, **changes):
    return Rig(tuple(replace(c, **changes) if i == index else c for i, c in enumerate(rig.cameras)))


def test_a_rig_that_is_right(recording):
    rig, corners = recording
    outcome = check_rig(rig, corners, BOARD)
    assert outcome.right
    assert outcome.unmoved == rig.names
    assert outcome.problems == ()


@pytest.mark.slow
@pytest.mark.parametrize(("turn_deg", "shift_mm"), [(0.5, 0.0), (0.0, 40.0), (10.0, 300.0)])
def test_check_names_the_displaced_camera(recording, turn_deg, shift_mm):
    rig, corners = recording
    camera = rig.cameras[2]
    R = rotation_from_vector(np.deg2rad(turn_deg) * np.array([0.0, 1.0, 0.0])) @ camera.R
    centre = camera.centre + camera.R[0] * shift_mm / 1000
    outcome = check_rig(changed(rig, 2, R=R, t=-R @ centre), corners, BOARD)
    assert not outcome.right
    assert outcome.unmoved == ("cam01", "cam02", "cam04")
    assert [moved.name for moved in outcome.moved] == ["cam03"]
    assert outcome.moved[0].angle_deg == pytest.approx(turn_deg, abs=0.25)
    assert outcome.moved[0].distance_mm == pytest.approx(shift_mm, abs=15)
    assert "cam03 moved by" in outcome.problems[0]


def test_another_lens_and_another_resolution_are_named(recording):
    rig, corners = recording
    zoomed = rig.cameras[1].K.copy()
    zoomed[:2, :2] *= 1.05
    assert "cam02" not in check_rig(changed(rig, 1, K=zoomed), corners, BOARD).unmoved
    smaller = changed(rig, 0, size=(1280, 720))
    outcome = check_rig(smaller, corners, BOARD)
    assert "cam01 records 1920x1080, but was calibrated at 1280x720" in outcome.problems


def test_names_must_meet(recording):
    rig, corners = recording
    with pytest.raises(ConfigError, match="at least two must be in both"):
        check_rig(rig, replace(corners, names=("a", "b", "c", "d")), BOARD)


@pytest.mark.slow
def test_check_names_two_cameras_that_are_exchanged_and_none_as_moved(recording):
    rig, corners = recording
    named = replace(corners, names=("cam01", "cam04", "cam03", "cam02"))
    outcome = check_rig(rig, named, BOARD)
    assert not outcome.right
    assert outcome.moved == ()
    (problem,) = outcome.problems
    assert problem.startswith("cam02 and cam04 are exchanged")
