"""A wand in pictures: its balls and their order, whichever way it is held; what is refused in its file."""

import cv2
import numpy as np
import pytest

from calib.board.target import finder_of, load_target
from calib.board.wand import Wand
from multiview.__main__ import main
from multiview.cameras.camera import Camera
from multiview.errors import ConfigError
from multiview.synthetic.balls import paint_balls

THREE, TWO = Wand((0.0, 0.2, 0.5), (0.05, 0.05, 0.05)), Wand((0.0, 0.4), (0.08, 0.05))
K = np.array([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
STRAIGHT = Camera("a", (640, 480), K, np.zeros(5), np.eye(3), np.zeros(3))


def picture(balls, diameters, bright=()):
    grey = np.full((480, 640), 60, np.float32)
    for x, y, radius in bright:
        cv2.circle(grey, (x, y), radius, 220, -1, cv2.LINE_AA)
    paint_balls(grey, STRAIGHT, balls, np.array(diameters))
    return np.clip(np.rint(cv2.GaussianBlur(grey, (0, 0), 0.7)), 0, 255).astype(np.uint8)


def middle_of_ellipse(ball, diameter):
    """Of a ball in pinhole coordinates, by the angles of its outline: the cone's edges towards and away from the
    picture's middle are at theta -+ alpha, and the middle of an ellipse is half way between the ends of its axis."""
    across = np.hypot(ball[0], ball[1])
    theta = np.arctan2(across, ball[2])
    alpha = np.arcsin(diameter / 2 / np.linalg.norm(ball))
    middle = (np.tan(theta + alpha) + np.tan(theta - alpha)) / 2
    return K[:2, 2] + 500 * middle * ball[:2] / max(across, 1e-12)


@pytest.mark.parametrize("wand", [THREE, TWO])
def test_wand_finder_tells_balls_by_their_order_and_middles_of_outlines(wand):
    # Towards the camera, away from it, upside down; beside lamps, one of them on the wand's own line.
    for direction, middle in (([0.9, 0.3, 0.3], [0.1, 0.1, 1.6]), ([-0.7, 0.5, -0.5], [-0.3, 0, 2.0])):
        direction = np.array(direction) / np.linalg.norm(direction)
        balls = np.array(middle) + (wand.points[:, :1] - wand.points[:, 0].mean()) * direction
        found = finder_of(wand).find(picture(balls, wand.diameters, bright=[(60, 60, 30), (600, 440, 3)]))
        assert found.corner.tolist() == list(range(len(wand.balls)))
        expected = [middle_of_ellipse(ball, size) for ball, size in zip(balls, wand.diameters, strict=True)]
        # Eight bits leave 1/12 of a grey level's square; 48 rays across an edge of 80 levels in 2 px leave far less.
        np.testing.assert_allclose(found.xy, expected, atol=0.05)


def test_wand_finder_leaves_out_what_is_hidden_or_could_be_two_wands():
    balls = np.array([[-0.25, 0, 1.5], [-0.05, 0, 1.5], [0.25, 0, 1.5]])
    assert len(finder_of(THREE).find(picture(balls[:2], (0.05, 0.05))).corner) == 0
    both = (balls + np.array([[[0, 0.2, 0]], [[0, -0.2, 0]]])).reshape(-1, 3)
    found = finder_of(THREE).find(picture(both, 6 * (0.05,)))
    assert len(found.corner) == 0
    assert found.rejected == 3


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("balls = [0, 200, 500]\ndiameters = [50, 50, 50]", "looks like 500 mm = 0.5 m"),
        ("balls = [0, 0.25, 0.5]\ndiameters = [0.05, 0.05, 0.05]", "nearer to one end"),
        ("balls = [0, 0.5]\ndiameters = [0.05, 0.05]", "1.25 times as large"),
        ("balls = [0, 0.5, 0.2]\ndiameters = [0.05, 0.05, 0.05]", "they must rise"),
        ("balls = [0, 0.2, 0.5]\ndiameters = [0.05, 0.05]", "give one for each"),
        ("balls = [0, nan]\ndiameters = [0.05, 0.08]", "balls"),
    ],
)
def test_wand_file_that_cannot_be_right_is_refused(tmp_path, keys, words):
    (tmp_path / "board.toml").write_text(f'kind = "wand"\n{keys}\n')
    with pytest.raises(ConfigError, match=words):
        load_target(tmp_path / "board.toml")


def test_calibrate_board_says_how_to_build_a_wand_and_writes_its_file(tmp_path, capsys):
    command = ["calibrate", "board", "--out", str(tmp_path)]
    assert main([*command, "--kind", "wand", "--balls", "0,400,1000", "--diameter", "80"]) == 0
    said = capsys.readouterr().out
    assert "their middles at 0, 400, 1000 mm" in said
    assert "--lenses" in said
    assert load_target(tmp_path / "board.toml") == Wand((0.0, 0.4, 1.0), (0.08, 0.08, 0.08))
    assert main([*command, "--kind", "wand", "--balls", "0,a"]) == 2
    assert "as in 0,200,500" in capsys.readouterr().err
    assert main([*command, "--diameter", "80"]) == 2
    assert "goes with --kind wand" in capsys.readouterr().err
