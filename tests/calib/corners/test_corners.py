"""The corner table: round trips, every mistake named, and frames chosen for coverage."""

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calib.board.board import Board
from calib.board.board_file import write_board
from calib.board.target import load_target
from calib.corners.corners import BoardViews, Corners, read_corners, write_corners
from calib.corners.selection import select_instants
from multiview.__main__ import main
from multiview.errors import ConfigError, SourceError


def make_corners(rows=200, frames=40, seed=0):
    rng = np.random.default_rng(seed)
    camera, frame, corner = rng.integers(0, 2, rows), rng.integers(0, frames, rows), rng.integers(0, 24, rows)
    _, first = np.unique(np.stack([camera, frame, corner]), axis=1, return_index=True)
    xy = rng.uniform(0, [640, 480], (rows, 2))
    sizes = ((640, 480), (640, 480))
    return Corners(("a <b>", "ü"), sizes, camera[first], frame[first], frame[first] / 30, corner[first], xy[first])


def test_a_table_reads_back_as_it_was(tmp_path):
    corners, path = make_corners(), tmp_path / "deep" / "corners.parquet"
    write_corners(corners, path)
    back = read_corners(path)
    assert (back.names, back.sizes) == (corners.names, corners.sizes)
    for name in ("camera", "frame", "time", "corner", "xy"):
        np.testing.assert_array_equal(getattr(back, name), getattr(corners, name))
    assert [p.name for p in path.parent.iterdir()] == ["corners.parquet"]
    views = BoardViews.of(back, 24)
    seen = views.row >= 0
    assert seen.sum() == len(corners)
    np.testing.assert_array_equal(views.xy[seen], corners.xy[views.row[seen]])
    with pytest.raises(ConfigError, match=r"give the board\.toml of the recording"):
        BoardViews.of(back, 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": np.array([1.7e18, 1.7e18 + 3e7])}, "time must be from"),  # nanoseconds
        ({"xy": np.array([[1.0, np.nan], [2.0, 3.0]])}, "y must be from"),
        ({"names": ("lab/A",)}, "camera: a name is"),
    ],
)
def test_what_would_not_be_read_is_not_written(tmp_path, change, message):
    two = np.arange(2)
    corners = replace(Corners(("a",), ((640, 480),), 0 * two, two, two / 30, two, np.ones((2, 2))), **change)
    with pytest.raises(SourceError, match=message):
        write_corners(corners, tmp_path / "corners.parquet")
    assert not list(tmp_path.iterdir())


def test_detect_refuses_a_name_before_the_work(tmp_path, capsys):
    write_board(Board((5, 4), 0.04, 0.03, "DICT_4X4_50"), tmp_path / "board.toml")
    (tmp_path / "a").mkdir()
    options = ["--board", str(tmp_path / "board.toml"), "--images", str(tmp_path / "a"), "--cameras", "lab/A"]
    assert main(["calibrate", "detect", *options, "--out", str(tmp_path / "c.parquet")]) == 2
    assert "--cameras: a name is" in capsys.readouterr().err


def rewritten(path, change):
    pq.write_table(change(pq.read_table(path)), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["corner"]), "no column corner"),
        (lambda table: table.slice(0, 0), "it holds no corner"),
        (lambda table: table.set_column(7, "y", pa.array(["x"] * len(table))), "wrong type"),
        (lambda table: table.set_column(1, "width", pa.array(np.arange(len(table)) % 2 + 640)), "at one resolution"),
        (
            lambda table: table.set_column(5, "corner", pa.array([-1] * len(table))),
            "corner must be from 0 to",
        ),
    ],
)
def test_mistakes_in_a_table_are_named(tmp_path, change, message):
    path = tmp_path / "corners.parquet"
    write_corners(make_corners(), path)
    rewritten(path, change)
    with pytest.raises(SourceError, match=message):
        read_corners(path)


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(SourceError, match="no such corner table"):
        read_corners(tmp_path / "none.parquet")
    write_corners(make_corners(), tmp_path / "cut.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:700])
    with pytest.raises(SourceError, match="not a readable Parquet file"):
        read_corners(tmp_path / "cut.parquet")
    pq.write_table(pa.table({"strange": [1]}), tmp_path / "text.parquet")
    content = (tmp_path / "text.parquet").read_bytes()
    (tmp_path / "text.parquet").write_bytes(content.replace(b"strange", b"\xb8trange"))
    with pytest.raises(SourceError, match="not a readable Parquet file"):
        read_corners(tmp_path / "text.parquet")


def test_instants_are_chosen_for_coverage():
    """A board that stays in one place for most of a recording, and elsewhere for a moment: the moment is taken."""
    frames = np.arange(1200)
    xy = np.tile([100.0, 100.0], (1200, 1))
    xy[600:612] = [600, 400]
    zero = np.zeros(1200, dtype=int)
    corners = Corners(("a",), ((640, 480),), zero, frames, frames / 30, zero, xy)
    row = frames[:, None]
    chosen = select_instants(corners, row, frames, most=120)
    assert chosen.sum() == 120
    assert chosen[600:612].all()
    assert select_instants(corners, row, frames, most=5000).all()


MISTAKES = {
    "squares = [7, 2]": "squares[1]: must be from 3 to 200 squares, not 2",
    "squares = [7.5, 5]": "squares[0]: Expected `int`, got `float`",
    "square_length = 9.0": "in metres: 9 m looks like 9 cm = 0.09 m",
    "square_length = 35": "in metres: 35 m looks like 35 mm = 0.035 m",
    "marker_length = 0.04": "must be smaller than square_length",
    'dictionary = "DICT_4X4_10"': 'did you mean "DICT_4X4_100"',
    "legcy = true": 'unknown key "legcy"; did you mean "legacy"',
    "inverted = 1": "inverted: Expected `bool | null`, got `int`",
    "squares = [40, 40]": "need 800 markers; DICT_4X4_100 has 100",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_in_a_board_file_are_named(tmp_path, line):
    keys = {
        "squares": "squares = [7, 5]",
        "square_length": "square_length = 0.035",
        "marker_length": "marker_length = 0.026",
        "dictionary": 'dictionary = "DICT_4X4_100"',
    }
    keys[line.split(" = ")[0]] = line
    path = tmp_path / "board.toml"
    path.write_text("\n".join(keys.values()))
    with pytest.raises(ConfigError, match=re.escape(MISTAKES[line])) as caught:
        load_target(path)
    assert "board.toml" in str(caught.value)


def test_a_board_file_with_all_in_order(tmp_path):
    path = tmp_path / "board.toml"
    path.write_text('squares = [7, 5]\nsquare_length = 0.1\nmarker_length = 0.075\ndictionary = "DICT_4X4_100"\n')
    board = load_target(path)
    assert (board.legacy, board.inverted) == (None, None)
    np.testing.assert_allclose(board.points[7], [0.2, 0.2, 0])
    np.testing.assert_allclose(board.points, board.opencv().getChessboardCorners(), atol=1e-6)
