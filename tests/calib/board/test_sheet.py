"""The printed sheet measures what the board file says, and shows the board that OpenCV looks for."""

import re
import zlib

import cv2
import numpy as np
import pytest

from calib.board.board import Board
from calib.board.finder import Finder
from calib.board.sheet import plan, write_sheet
from calib.board.target import load_target
from multiview.__main__ import main
from multiview.errors import ConfigError

MM_PER_POINT = 25.4 / 72
NUMBER = r"(-?[\d.]+)"
CORNERS = rf"{NUMBER} {NUMBER} m\s+" + rf"{NUMBER} {NUMBER} l\s+" * 3 + r"h\s+f\b"
OPERATORS = re.compile(rf"(?P<save>\bq\b)|(?P<restore>\bQ\b)|(?P<grey>[\d.]+) g\b|(?P<filled>{CORNERS})")


def read_sheet(path):
    """The page (width, height) and its filled rectangles as grey, x, y, width, height; mm from the top left."""
    data = path.read_bytes()
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
    page = np.array([float(number) for number in box.groups()]) * MM_PER_POINT
    content = zlib.decompress(re.search(rb"stream\n(.*?)\nendstream", data, re.DOTALL).group(1)).decode("latin-1")
    greys, rectangles = [0.0], []
    for found in OPERATORS.finditer(content):
        if found["save"]:
            greys.append(greys[-1])
        elif found["restore"]:
            greys.pop()
        elif found["grey"]:
            greys[-1] = float(found["grey"])
        else:
            corners = np.array(found.groups()[-8:], dtype=np.float64).reshape(4, 2) * MM_PER_POINT
            (left, low), (right, high) = corners.min(axis=0), corners.max(axis=0)
            rectangles.append((greys[-1], left, page[1] - high, right - left, high - low))
    return page, np.array(rectangles)[1:]  # without the page's own white


@pytest.fixture(params=[("7x5", False, False), ("5x7", True, True)], ids=["plain", "inverted"])
def sheet(request, tmp_path):
    squares, legacy, inverted = request.param
    board, page = plan("a4", None, squares, 32.0, None, "DICT_4X4_100", legacy, inverted)
    pdf, _, toml = write_sheet(board, page, tmp_path)
    assert load_target(toml) == board
    return board, page, *read_sheet(pdf)


def test_sheet_measures_what_the_board_says(sheet):
    board, page, size, rectangles = sheet
    np.testing.assert_allclose(size, page, atol=1e-6)
    _, _, _, w, h = rectangles.T
    squares = np.isclose(w, 32.0, atol=1e-5) & np.isclose(h, 32.01, atol=1e-5)
    columns, rows = board.squares
    assert squares.sum() == columns * rows - board.markers
    ruler = rectangles[np.isclose(h, 0.2, atol=1e-5)]
    np.testing.assert_allclose(ruler[:, 3], [100.0], atol=1e-5)


def test_sheet_shows_the_board(sheet):
    board, page, _, rectangles = sheet
    columns, rows = board.squares
    picture = np.full((rows * 160, columns * 160), 255, dtype=np.uint8)  # 5 px per mm
    corner = (np.array(page) - [0, 14] - [columns * 32.0, rows * 32.0]) / 2
    for grey, x, y, w, h in rectangles:
        left, top = np.round(5 * (np.array([x, y]) - corner)).astype(int)
        right, bottom = np.round(5 * (np.array([x + w, y + h]) - corner)).astype(int)
        picture[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 255 * grey
    np.testing.assert_array_equal(picture, board.picture(160))


def test_sheet_that_does_not_fit_says_what_would():
    with pytest.raises(
        ConfigError, match=r"7x5 squares of 60 mm do not fit 297x210 mm: use squares of at most 35.2 mm"
    ):
        plan("a4", None, "7x5", 60.0, None, "DICT_4X4_100", False, False)


@pytest.mark.slow
@pytest.mark.parametrize("back", ["following", "mirrored"])
def test_two_sided_sheets_print_the_back_that_the_finder_expects(tmp_path, back):
    board, page = plan("a4", None, "7x5", 32.0, None, "DICT_4X4_100", False, False, back, 5.0)
    files = write_sheet(board, page, tmp_path)
    assert [file.name for file in files] == ["board.pdf", "board.png", "board_back.png", "board.toml"]
    assert load_target(tmp_path / "board.toml") == board
    assert board.thickness == 0.005
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "board.pdf").read_bytes())) == 2
    finder = Finder(board)
    for name, first in (("board.png", 0), ("board_back.png", 24)):
        found = finder.find(cv2.resize(cv2.imread(str(tmp_path / name), 0), None, fx=0.3, fy=0.3))
        assert sorted(found.corner.tolist()) == list(range(first, first + 24))


def test_board_whose_square_somebody_measured_is_not_replaced(tmp_path, capsys):
    command = ["calibrate", "board", "--square", "30", "--out", str(tmp_path)]
    assert main(command) == 0
    assert main(command) == 0  # the same once more
    board = tmp_path / "board.toml"
    board.write_text(board.read_text().replace("square_length = 0.03 ", "square_length = 0.0297 "))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    for other in (command, [*command, "--own", "--squares", "7x5", "--marker", "22"]):
        assert main(other) == 2
        assert "with a length that was measured" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert load_target(board).square_length == 0.0297


@pytest.mark.slow
def test_own_boards_are_described_by_a_picture(tmp_path, capsys):
    """Of one square measured with a ruler and a picture, everything else follows."""
    shown = Board((4, 5), 0.054, 0.0378, "DICT_4X4_250", False, True)
    picture = np.pad(shown.picture(90), 60, constant_values=0)
    cv2.imwrite(str(tmp_path / "photo.png"), picture)
    words = ["calibrate", "board", "--own", str(tmp_path / "photo.png"), "--square", "54", "--out", str(tmp_path)]
    assert main(words) == 0
    found = load_target(tmp_path / "board.toml")
    assert (found.squares, found.inverted, found.square_length) == ((4, 5), True, 0.054)
    assert found.marker_length == pytest.approx(0.0378, rel=0.02)
    assert "Your board: 4x5 squares of 54 mm" in capsys.readouterr().out


def test_own_boards_without_a_picture_leave_to_detect_what_is_unknown(tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    assert main(["calibrate", "board", "--own", "--squares", "4x5", "--square", "54", "--marker", "40.5", *out]) == 0
    assert load_target(tmp_path / "board.toml") == Board((4, 5), 0.054, 0.0405, "DICT_4X4_100")
    assert main(["calibrate", "board", "--own", "--square", "54", *out]) == 2
    assert "count the squares" in capsys.readouterr().err
    assert main(["calibrate", "board", "--own", "--squares", "4x5", *out]) == 2
    assert "measure a square" in capsys.readouterr().err
