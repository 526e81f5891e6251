"""The corner table: round trips, every mistake named, and frames chosen for coverage."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calib.board.target import load_target
from calib.corners.corners import BoardViews, Corners, read_corners, write_corners
from calib.corners.selection import select_instants
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
