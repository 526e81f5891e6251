"""What `detect` finds out about the board travels in the corner table, and `solve` and `check` use it."""

from dataclasses import replace

import numpy as np
import pytest

from calib.board.board import Board
from calib.corners.corners import Corners, read_corners, write_corners
from calib.corners.found_board import board_of
from multiview.__main__ import main
from multiview.cameras.rig_file import save_rig
from multiview.errors import ConfigError
from multiview.synthetic.board import measure, placed_at_random, ring

SHOWN = Board((5, 7), 0.1, 0.075, "DICT_4X4_100", False, True)
WRONG = 'squares = [7, 5]\nsquare_length = {}\nmarker_length = 0.075\ndictionary = "DICT_4X4_100"\ninverted = false\n'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Corners of a board of 5x7, as `detect` writes them."""
    folder, rng = tmp_path_factory.mktemp("recorded"), np.random.default_rng(0)
    rig = ring(3, rng=rng)
    m = measure(rig, SHOWN.points, [placed_at_random(40, rng)] * 3, rng)
    sizes = tuple(camera.size for camera in rig.cameras)
    corners = Corners(rig.names, sizes, m.camera, m.frame, m.frame / 30, m.corner, m.xy, SHOWN)
    write_corners(corners, folder / "corners.parquet")
    save_rig(rig, folder / "true.toml")
    return folder


def test_corners_know_their_board(recorded):
    assert read_corners(recorded / "corners.parquet").board == SHOWN


@pytest.mark.slow
def test_solve_uses_the_board_that_the_pictures_show(recorded, tmp_path, capsys):
    (tmp_path / "board.toml").write_text(WRONG.format(0.1))
    words = ["--corners", str(recorded / "corners.parquet"), "--board", str(tmp_path / "board.toml")]
    assert main(["calibrate", "solve", *words, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "the pictures show squares = 5x7, the board file says 7x5" in said
    assert "inverted = true, the board file says false" in said
    assert main(["calibrate", "check", "--rig", str(recorded / "true.toml"), *words]) == 0
    assert main(["calibrate", "check", "--rig", str(recorded / "true.toml"), *words[:2]]) == 0


def test_lengths_are_those_of_the_board_file(recorded):
    """No picture shows a length: a square measured after the detection counts."""
    corners = read_corners(recorded / "corners.parquet")
    measured, notes = board_of(corners, replace(SHOWN, square_length=0.099))
    assert measured.square_length == 0.099
    assert len(notes) == 1
    assert "square_length is 99 mm in the board file, and was 100 mm" in notes[0]
    assert board_of(corners, None) == (SHOWN, ())
    with pytest.raises(ConfigError, match=r"give --board board\.toml"):
        board_of(replace(corners, board=None), None)
