"""Pictures of a board that somebody shows to simulated cameras are where the rig says."""

from __future__ import annotations

import numpy as np
import pytest

from calib.board.board import Board
from calib.board.finder import Finder
from multiview.synthetic import StudioOptions, make_rig
from multiview.synthetic.board_show import FLOOR_S, REST_S, BoardShow

BOARD = Board((5, 4), 0.25, 0.1875, "DICT_4X4_100")
RIG = make_rig(StudioOptions(cameras=4, people=2, size=(1280, 720), person_px=227.0))


@pytest.fixture(scope="module")
def show() -> BoardShow:
    return BoardShow(RIG, BOARD.picture(80), 5 * 0.25)


def test_board_is_seen_where_the_rig_says(show: BoardShow) -> None:
    found = 0
    for time_s in (1.0, *(FLOOR_S + (place + 0.5) * REST_S for place in range(6))):
        R, t = show.place(time_s)
        for camera in RIG.cameras:
            seen = Finder(BOARD).find(show.picture(camera, time_s)[..., 0])
            true = camera.project(BOARD.points[seen.corner] @ R.T + t)
            if len(seen.corner) >= 6:
                found += 1
                assert np.median(np.linalg.norm(seen.xy - true, axis=1)) < 0.15
    assert found >= 9  # of 13: on the floor twice, before two neighbours five times, close to one camera


def test_board_lies_on_the_floor_again_and_again(show: BoardShow) -> None:
    corners = BOARD.points @ show.place(1.0)[0].T + show.place(1.0)[1]
    np.testing.assert_allclose(corners[:, 2], 0.0, atol=1e-12)
    assert show.on_floor(1.0)
    assert not show.on_floor(show.period_s - 1.0)
    for time_s in (1.0, 9.1, show.period_s - 1e-6):
        for before, after in zip(show.place(time_s), show.place(time_s + show.period_s), strict=True):
            np.testing.assert_array_equal(before, after)


def test_without_a_board_there_is_nothing_to_see() -> None:
    show = BoardShow(RIG, None, 1.0)
    first, later = (show.picture(RIG.cameras[0], time_s) for time_s in (1.0, 9.0))
    np.testing.assert_array_equal(first, later)
    assert not show.on_floor(1.0)
