"""Two boards of different kinds at once, from pictures to a report by the command line."""

import json

import cv2
import numpy as np
import pytest

from calib.board.board import Board
from calib.board.board_file import write_board
from calib.board.chessboard import Chessboard
from calib.corners.corners import read_corners
from multiview.__main__ import main
from multiview.cameras.camera import Rig
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import render, ring

ONE, TWO = Board((6, 4), 0.1, 0.075, "DICT_4X4_50", False, False), Chessboard((6, 5), 0.09)


@pytest.mark.slow
def test_two_kinds_of_board_give_a_rig_by_the_command_line(tmp_path, capsys):
    rng = np.random.default_rng(4)
    rig = Rig(ring(8, radius=1.3, size=(400, 300), focal=280.0, rng=rng).cameras[:2])
    tilts = rotation_from_vector(rng.normal(0, 0.25, (2, 8, 3)))
    middles = rng.uniform([-0.2, -0.2, 0.8], [0.2, 0.2, 1.2], (2, 8, 3))
    for camera in rig.cameras:
        (tmp_path / camera.name).mkdir()
        for frame in range(8):  # the boards in turn: pictures of this size have room for one
            for i, board in enumerate((ONE, TWO)):
                R = rig.cameras[frame % 2].R.T @ tilts[i, frame]  # facing either camera, but for a tilt
                t = middles[i, frame] - R @ np.array([*board.size, 0.0]) / 2
                grey = render(camera, board.picture(60), board.size[0], R, t, rng, sharper=2)
                cv2.imwrite(str(tmp_path / camera.name / f"{2 * frame + i:03d}.png"), grey)
    boards = [str(write_board(board, tmp_path / f"{i}.toml")) for i, board in enumerate((ONE, TWO))]
    corners, out = str(tmp_path / "corners.parquet"), str(tmp_path / "rig")
    folders = [str(tmp_path / camera.name) for camera in rig.cameras]
    assert main(["calibrate", "detect", "--board", *boards, "--images", *folders, "--out", corners]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "DICT_4X4_50 and a chessboard of 6x5 squares of 90 mm" in said
    main(["calibrate", "solve", "--corners", corners, "--board", *boards, "--out", out, "--model", "pinhole5"])
    report = json.loads((tmp_path / "rig" / "report.json").read_text())
    assert report["rms_px"] < 0.3
    assert set(report["cameras"]) == set(rig.names)
    assert report["links"][0]["boards"] >= 4
    number = read_corners(corners).corner
    assert (number < len(ONE.points)).any()
    assert (number >= len(ONE.points)).any()
    assert main(["calibrate", "solve", "--corners", corners, "--board", boards[1], "--out", out]) == 2
    assert "the corners are of" in capsys.readouterr().err
