"""Two boards at once: each links the cameras that see it, though no camera of one half ever sees the other's board."""

import numpy as np
import pytest

from calib.board.board import Board
from calib.board.board_file import write_board
from calib.board.found import Identified
from calib.board.several import Several, identified_together
from calib.board.target import bodies_of, finder_of, load_targets, middles_of, target_from_json, target_to_json
from calib.corners.corners import Corners
from calib.report.outcome import judge
from calib.solve.solve import solve
from multiview.cameras.camera import Camera, Rig
from multiview.errors import ConfigError
from multiview.synthetic.board import measure, render, ring, waved
from tests.calib.solve.pose_errors import normalised_squares

ONE = Board((7, 5), 0.1, 0.075, "DICT_4X4_100", False, False)
TWO = Board((6, 5), 0.08, 0.06, "DICT_4X4_100", False, False, first_marker=17)
BOTH = Several((ONE, TWO))


@pytest.mark.slow
@pytest.mark.parametrize("offset_s", [0.0, 0.013])
def test_two_boards_at_once_give_one_rig(offset_s):
    rng = np.random.default_rng(5)
    rig = Rig(ring(8, rng=rng).cameras[:3])
    time = np.arange(70) / 10
    shown = ((ONE, (0, 1), 11), (TWO, (1, 2), 12))  # the outer cameras share no board: only together is it a rig
    columns = []
    for number, (board, cameras, seed) in enumerate(shown):
        clocks = (0.0, 0.0, offset_s)
        poses = [waved(time + clocks[c], np.random.default_rng(seed)) for c in range(3)]
        m = measure(rig, board.points, poses, rng)
        kept = np.isin(m.camera, cameras)
        columns.append((m.camera[kept], m.frame[kept], m.corner[kept] + number * len(ONE.points), m.xy[kept]))
    camera, frame, corner, xy = (np.concatenate(column) for column in zip(*columns, strict=True))
    sizes = tuple(one.size for one in rig.cameras)
    corners = Corners(rig.names, sizes, camera, frame, frame / 10, corner, xy)
    found = solve(corners, BOTH, "pinhole5")
    assert found.cameras == (0, 1, 2)
    assert found.rms_px == pytest.approx(0.3 * np.sqrt(2), rel=0.1)
    assert np.abs(found.time_offset - [0, 0, offset_s]).max() < 4 * found.offset_sigma.max()
    outcome = judge(found, corners)
    assert not outcome.verdicts
    assert (
        np.mean(list(normalised_squares(rig, found))) < 1 + 4 * 0.41
    )  # the mean of twelve normalised squares is 1 +- 0.41


def test_points_of_several_boards_are_numbered_on_and_centred_each():
    assert bodies_of(BOTH).tolist() == [0] * 24 + [1] * 20
    centred = BOTH.points - middles_of(BOTH)
    np.testing.assert_allclose([centred[:24].mean(axis=0), centred[24:].mean(axis=0)], 0, atol=1e-12)
    assert target_from_json(target_to_json(BOTH)) == BOTH


def test_several_boards_are_found_in_one_picture():
    rng = np.random.default_rng(0)
    camera = Camera(
        "a", (400, 300), np.array([[400.0, 0, 200], [0, 400, 150], [0, 0, 1]]), np.zeros(5), np.eye(3), np.zeros(3)
    )
    halves = [
        render(camera, board.picture(60), board.size[0], np.eye(3), np.array([*(-np.array(board.size) / 2), 1.2]), rng)
        for board in BOTH.boards
    ]
    found = finder_of(BOTH).find(np.ascontiguousarray(np.concatenate(halves, axis=1)))
    assert found.corner.tolist() == list(range(44))
    assert (found.xy[:24, 0] < 400).all()
    assert (found.xy[24:, 0] > 400).all()
    assert not found.copies


def test_boards_that_nobody_could_tell_apart_are_refused(tmp_path):
    paths = []
    for i, board in enumerate((ONE, Board((6, 5), 0.08, 0.06, "DICT_4X4_100", False, False, first_marker=5), TWO)):
        paths.append(write_board(board, tmp_path / f"{i}.toml"))
    with pytest.raises(
        ConfigError, match="boards 1 and 2 bear the same markers: print the second with --first-marker 17"
    ):
        load_targets(paths[:2])
    assert load_targets([paths[0], paths[2]]) == BOTH
    assert load_targets(paths[:1]) == ONE


def test_boards_that_are_in_no_picture_are_said():
    found = [Identified(ONE, frozenset(), (), True), Identified(TWO, frozenset(), (), False)]
    together = identified_together(BOTH, found)
    assert together.seen
    assert "board 2 (6x5 squares of 80 mm" in together.remarks[0]
