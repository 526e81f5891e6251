"""The world of a rig: a board on the floor, gravity, and a length measured with a tape."""

from dataclasses import replace

import numpy as np
import pytest

from calib.board.board import Board
from calib.commands.solve import _floor
from calib.corners.corners import Corners
from calib.report.outcome import rig_of
from calib.solve.lengths import check_length, parse_length
from calib.solve.solve import solve
from calib.solve.world import world_from_camera
from multiview.errors import CalibrationError, ConfigError
from multiview.synthetic.board import measure, placed_at_random, ring

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")


@pytest.fixture(scope="module")
def solved():
    """Three neighbouring cameras; in frame 0 the board lies on the floor, its corner at (0.2, -0.1, 0)."""
    rng = np.random.default_rng(0)
    rig = ring(8, radius=2.5, rng=rng)
    rig = replace(rig, cameras=rig.cameras[:3])
    R, t = placed_at_random(30, rng, reach=0.5, headings=(0.2, 1.4))
    R[0], t[0] = np.diag([1.0, -1.0, -1.0]), [0.2, -0.1, 0.0]
    m = measure(rig, BOARD.points, [(R, t)] * 3, rng, sigma_px=0.05)
    corners = Corners(rig.names, tuple(c.size for c in rig.cameras), m.camera, m.frame, m.frame / 30, m.corner, m.xy)
    calibration = solve(corners, BOARD, "pinhole5")
    return rig, calibration, rig_of(calibration, corners.names, corners.sizes)


def test_a_board_on_the_floor_is_the_origin(solved):
    truth, calibration, rig = solved
    world = world_from_camera(calibration, rig, BOARD, floor=0, gravity=None).applied(rig)
    assert world.world == "floor"
    for camera, true in zip(world.cameras, truth.cameras, strict=True):
        np.testing.assert_allclose(camera.centre, true.centre - [0.2, -0.1, 0.0], atol=0.02)
        np.testing.assert_allclose(camera.R, true.R, atol=0.01)
    with pytest.raises(CalibrationError, match="no board was found in frame 500"):
        world_from_camera(calibration, rig, BOARD, floor=500, gravity=None)


def test_gravity_levels_the_world(solved):
    truth, calibration, rig = solved
    down = truth.cameras[1].R @ [0.0, 0.0, -9.81]
    text = "cam02=" + ",".join(f"{x:.9f}" for x in down)
    world = world_from_camera(calibration, rig, BOARD, None, text).applied(rig)
    heights = np.array([camera.centre[2] for camera in truth.cameras])
    np.testing.assert_allclose([camera.centre[2] for camera in world.cameras], heights - heights[0], atol=0.02)
    np.testing.assert_allclose(world.cameras[0].centre, 0, atol=1e-9)
    assert world.cameras[0].R[2, 0] == pytest.approx(0, abs=1e-9)  # the first camera looks along y
    assert world.cameras[0].R[2, 1] > 0


@pytest.mark.parametrize("text", ["cam02", "cam02=1,2", "cam02=a,b,c", "cam02=0,0,0", "cam99=0,1,0"])
def test_gravity_that_makes_no_sense(solved, text):
    with pytest.raises(ConfigError, match=r"--gravity|no camera 'cam99'"):
        world_from_camera(solved[1], solved[2], BOARD, None, text)
    with pytest.raises(ConfigError, match="not both"):
        world_from_camera(solved[1], solved[2], BOARD, 0, text)


def test_a_tape_measure_finds_a_wrong_square_size(solved):
    truth, _, rig = solved
    metres = float(np.linalg.norm(truth.cameras[0].centre - truth.cameras[2].centre))
    assert check_length(parse_length(f"cam01,cam03={metres}"), rig, BOARD)[0]
    assert check_length(parse_length("0,5=0.5"), rig, BOARD)[0]
    fits, words = check_length(parse_length(f"cam01,cam03={metres * 1.1}"), rig, BOARD)
    assert not fits
    assert "(110 mm) would fit" in words


@pytest.mark.parametrize("text", ["cam01,cam03", "cam01=3", "cam01,cam03=x", "cam01,cam03=-1", "cam01,cam03=nan"])
def test_lengths_that_make_no_sense(text):
    with pytest.raises(ConfigError, match="--length"):
        parse_length(text)


def test_unknown_ends_are_named(solved):
    with pytest.raises(ConfigError, match=r"cam01, cam02, cam03.*corners of the board \(0 to 23\)"):
        check_length(parse_length("cam01,24=1"), solved[2], BOARD)


def test_floor_is_the_frame_of_the_camera_that_is_named(solved):
    truth, calibration, rig = solved
    world = world_from_camera(calibration, rig, BOARD, 0, None, "cam02").applied(rig)
    np.testing.assert_allclose(world.cameras[1].centre, truth.cameras[1].centre - [0.2, -0.1, 0.0], atol=0.02)
    elsewhere = replace(
        calibration.bundle, weight=calibration.bundle.weight * (calibration.bundle.camera != 1)[:, None]
    )
    with pytest.raises(CalibrationError, match="no board was found"):  # though other cameras saw it
        world_from_camera(replace(calibration, bundle=elsewhere), rig, BOARD, 0, None, "cam02")


def test_floor_is_looked_for_next_to_the_frame_that_is_named(solved):
    corners = solved[1].corners
    first = int(corners.frame[corners.camera == 1].min())
    assert _floor([], corners) == (None, None)
    assert _floor(["7"], corners) == (None, 7)
    assert _floor([f"cam02={first - 5}"], corners) == ("cam02", first)
    assert _floor(["cam01=5000", f"cam02={first - 5}"], corners) == ("cam02", first)
    for text, complaint in (
        ("cam02=5000", "choose another frame"),
        ("cam09=1", "no such camera"),
        ("x", "whole number"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            _floor([text], corners)
