"""Pairs of cameras are judged by the places of the board that both saw, not by the pictures of them."""

import numpy as np
import pytest

from benchmarks.camera_fault_recordings import BOARD, NOISE_PX
from calib.corners.corners import Corners
from calib.report.links import ENOUGH_BOARDS, links_of
from calib.report.outcome import judge
from calib.solve.intrinsics import Intrinsics
from calib.solve.solve import solve
from multiview.cameras.camera import Rig
from multiview.geometry.bundle import Lens
from multiview.synthetic.board import measure, placed_at_random, ring


def held(places, pictures):
    """Two cameras side by side, and a board that is held for so many pictures at each place."""
    rng = np.random.default_rng(8)
    rig = Rig(ring(8, rng=rng).cameras[:2])
    R, t = placed_at_random(40, rng)
    both = [i for i in range(40) if len(np.unique(measure(rig, BOARD.points, [(R[[i]], t[[i]])] * 2, rng).camera)) == 2]
    chosen = np.repeat(both[:places], pictures)
    m = measure(rig, BOARD.points, [(R[chosen], t[chosen])] * 2, rng, NOISE_PX)
    sizes = tuple(camera.size for camera in rig.cameras)
    corners = Corners(rig.names, sizes, m.camera, m.frame, m.frame / 10, m.corner, m.xy, BOARD)
    lens = {c: Lens(np.array([k.K[0, 0], k.K[1, 1], k.K[0, 2], k.K[1, 2]]), k.dist) for c, k in enumerate(rig.cameras)}
    known = {c: Intrinsics(one, NOISE_PX, "pinhole5") for c, one in lens.items()}
    return solve(corners, BOARD, offsets=False, known=known)


@pytest.mark.parametrize("pictures", [1, 10])
def test_board_that_is_held_still_is_one_board(pictures):
    calibration = held(4, pictures)
    (link,) = links_of(calibration, calibration.corners.names)
    assert (link.boards, link.weak) == (4, True)
    assert "cam01 and cam02 share only 4 boards" in judge(calibration, calibration.corners).reasons


def test_link_of_enough_boards_is_not_weak():
    calibration = held(ENOUGH_BOARDS, 1)
    (link,) = links_of(calibration, calibration.corners.names)
    assert (link.boards, link.weak) == (ENOUGH_BOARDS, False)
