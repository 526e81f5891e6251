"""Chessboards and grids of circles: points where the truth has them, counted from the right end, errors in words."""

import numpy as np
import pytest

from calib.board.board import Board
from calib.board.board_file import write_board
from calib.board.chessboard import Chessboard
from calib.board.circles import Circles
from calib.board.sheet import plan_plain, write_sheet
from calib.board.target import finder_of, identify_target, load_target, target_from_json, target_to_json
from multiview.__main__ import main
from multiview.cameras.camera import Camera
from multiview.errors import ConfigError
from multiview.geometry.rigid import rotation_from_vector
from multiview.synthetic.board import render

CHESS, DOTS, GRID = Chessboard((8, 5), 0.1), Circles((4, 7), 0.09), Circles((7, 5), 0.1, staggered=False)
BOARDS = {"chessboard": CHESS, "circles": DOTS, "straight circles": GRID}


def picture(board, turn=(0.3, -0.35, 0.2), blur=0.7, inverted=False):
    """One camera, 1.3 m in front of a board, and where its points are."""
    K = np.array([[700.0, 0, 320], [0, 700, 240], [0, 0, 1]])
    camera = Camera("a", (640, 480), K, np.array([-0.1, 0.02, 0, 0, 0]), np.eye(3), np.zeros(3))
    R = rotation_from_vector(np.array(turn, dtype=float))
    t = np.array([0, 0, 1.3]) - R @ board.points.mean(axis=0)
    edge = np.full(3, board.spacing) * [1, 1, 0] if isinstance(board, Circles) else np.zeros(3)
    texture = board.picture(60)
    texture = 255 - texture if inverted else texture
    grey = render(camera, texture, board.size[0], R, t - R @ edge, np.random.default_rng(0), blur)
    return grey, camera.project(board.points @ R.T + t)


@pytest.mark.parametrize("name", BOARDS)
def test_plain_boards_are_found_to_a_tenth_of_a_pixel(name):
    board = BOARDS[name]
    grey, truth = picture(board)
    found = finder_of(board).find(grey)
    assert found.corner.tolist() == list(range(len(board.points)))
    assert np.abs((found.xy - truth).mean(axis=0)).max() < 0.05
    assert np.sqrt(np.mean((found.xy - truth) ** 2)) < 0.1


@pytest.mark.parametrize("name", ["chessboard", "circles"])
def test_plain_boards_that_tell_their_ends_are_counted_from_the_same_one(name):
    """Held upside down, and on its side; of a board that half a turn leaves as it is no picture could tell."""
    board = BOARDS[name]
    assert not board.symmetric
    for roll in (np.pi - 0.2, np.pi / 2 + 0.1):
        grey, truth = picture(board, (0.0, 0.0, roll))
        found = finder_of(board).find(grey)
        assert len(found.corner) == len(board.points)
        assert np.abs(found.xy - truth).max() < 1


def test_circles_are_seen_where_their_middles_are():
    """Of large circles the middle of an ellipse is 0.4 px from the picture of the circle's middle."""
    board = Circles((4, 7), 0.11)
    grey, truth = picture(board, (0.0, 0.5, 0.0))
    found = finder_of(board).find(grey)
    assert np.abs((found.xy - truth).mean(axis=0)).max() < 0.05


def test_plain_boards_are_refused_when_blurred_or_cut_off():
    for board in BOARDS.values():
        assert len(finder_of(board).find(picture(board, blur=30.0)[0]).corner) == 0
        cut = picture(board)[0].copy()
        cut[:, :260] = 118
        assert len(finder_of(board).find(cut).corner) == 0


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (Chessboard((7, 4), 0.1), "says 7x4, the images show 8x5 (it counts the inner corners)"),
        (Chessboard((6, 5), 0.1), "says 6x5, the images show 8x5"),
    ],
    ids=["inner corners", "wrong count"],
)
def test_wrong_counts_of_a_chessboard_are_found_out(stated, words):
    found = identify_target({"cam01": [picture(CHESS)[0]]}, stated)
    assert found.board == CHESS
    assert words in found.remarks[0]


def test_a_part_of_a_chessboard_is_not_taken_for_a_smaller_one():
    cut = np.ascontiguousarray(picture(CHESS)[0][:, 250:])
    found = identify_target({"cam01": [cut]}, CHESS)
    assert (found.seen, found.board) == (False, CHESS)


def test_what_is_wrong_with_circles_is_found_out():
    found = identify_target({"cam01": [picture(DOTS, inverted=True)[0]]}, DOTS)
    assert (found.seen, found.board.inverted) == (True, True)
    assert "white circles on black" in found.remarks[0]
    found = identify_target({"cam01": [picture(DOTS)[0]]}, Circles((7, 4), 0.09))
    assert found.board.circles == (4, 7)
    assert "says 7x4 circles, the images show 4x7" in found.remarks[0]
    found = identify_target({"cam01": [picture(DOTS)[0]]}, Circles((5, 9), 0.09))
    assert not found.seen
    assert "count its circles" in found.hint


def test_a_chessboard_with_markers_is_said_to_be_one():
    grey, _ = picture(Board((7, 5), 0.1, 0.075, "DICT_4X4_100", False, False))
    found = identify_target({"cam01": [grey]}, CHESS)
    assert not found.seen
    assert "a board with markers: leave kind out" in found.hint


def test_plain_boards_are_written_and_read_as_they_are(tmp_path):
    for i, board in enumerate([*BOARDS.values(), Board((7, 5), 0.1, 0.075, "DICT_4X4_100")]):
        assert load_target(write_board(board, tmp_path / f"{i}.toml")) == board
        assert target_from_json(target_to_json(board)) == board


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "chess"', "kind 'chess' is not known; there are charuco, chessboard, circles"),
        ("kind = ['chessboard']", "is not known; there are charuco, chessboard, circles"),
        ('kind = "chessboard"\nsquares = [7, 7]\nsquare_length = 0.03', "looks alike from four sides"),
        ('kind = "chessboard"\nsquares = [8, 7]\nsquare_length = 30', "looks like 30 mm = 0.03 m"),
        ('kind = "circles"\ncircles = [6, 6]\nspacing = 0.03\nstaggered = false', "looks alike from four sides"),
        ('kind = "circles"\ncircles = [2, 3]\nspacing = 0.03', "2x3 circles are too few"),
    ],
)
def test_board_files_that_cannot_be_are_refused(tmp_path, text, words):
    path = tmp_path / "board.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        load_target(path)


def test_plain_boards_are_printed_as_they_are_looked_for(tmp_path):
    """The PNG, seen straight on, is the board of its file: its margin is half a square or half a spacing."""
    for kind, counts in (("chessboard", "6x5"), ("circles", "4x5")):
        board, page = plan_plain(kind, "a4", None, counts, 12.0)
        assert page == (297.0, 210.0)
        pdf, png, toml = write_sheet(board, page, tmp_path / kind)
        assert pdf.read_bytes().startswith(b"%PDF")
        import cv2

        grey = cv2.GaussianBlur(
            np.pad(cv2.imread(str(png), cv2.IMREAD_GRAYSCALE), 60, constant_values=255), (0, 0), 1.0
        )
        found = finder_of(load_target(toml)).find(grey)
        apart = np.linalg.norm(found.xy[1] - found.xy[0]) / np.linalg.norm(board.points[1] - board.points[0])
        assert apart == pytest.approx(300 / 0.0254, rel=0.01)  # 300 px to an inch


def test_boards_too_large_for_the_page_are_refused():
    with pytest.raises(ConfigError, match=r"10x7 squares of 60 mm do not fit 297x210 mm: use at most 25.\d mm"):
        plan_plain("chessboard", "a4", None, "10x7", 60.0)


def test_own_plain_boards_get_their_file(tmp_path, capsys):
    out = str(tmp_path)
    assert (
        main(
            ["calibrate", "board", "--kind", "chessboard", "--squares", "9x6", "--square", "54", "--own", "--out", out]
        )
        == 0
    )
    assert load_target(tmp_path / "board.toml") == Chessboard((9, 6), 0.054)
    assert main(["calibrate", "board", "--kind", "circles", "--marker", "3", "--out", out]) == 2
    assert "--marker goes with --kind charuco" in capsys.readouterr().err
