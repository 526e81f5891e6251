"""A board with two sides links cameras that face each other, and the errors are those of its noise."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.report.outcome import judge
from calib.solve.solve import solve
from multiview.synthetic.board import measure, placed_at_random, ring

FRONT = Board((7, 5), 0.1, 0.075, "DICT_4X4_100", False, False)
THICKNESS = 0.012


def both_sides(rig, back, poses, rng):
    """What cameras measure of a plate: the print in front, and one behind, turned about the vertical."""
    R, t = poses
    turned = np.diag([-1.0, 1.0, -1.0])
    behind = R @ turned, t + R @ [0.7, 0.0, THICKNESS]
    sides = [measure(rig, FRONT.points, [pose] * len(rig), rng) for pose in (poses, behind)]
    row, column = np.divmod(sides[1].corner, 6)
    corner = 24 + (6 * row + 5 - column if back == "mirrored" else sides[1].corner)
    camera, frame, xy = (np.concatenate([getattr(m, name) for m in sides]) for name in ("camera", "frame", "xy"))
    return Corners(
        rig.names, tuple(c.size for c in rig.cameras), camera, frame, frame / 30, np.append(sides[0].corner, corner), xy
    )


@pytest.mark.slow
@pytest.mark.parametrize("back", ["mirrored", "following"])
@pytest.mark.parametrize("cameras", [2, 4])
def test_two_sided_boards_link_cameras_that_face_each_other(cameras, back):
    rng = np.random.default_rng(4)
    rig = ring(cameras, rng=rng)
    corners = both_sides(rig, back, placed_at_random(60, rng), rng)
    board = replace(FRONT, back=back, thickness=THICKNESS)
    outcome = judge(solve(corners, board, "pinhole5"), corners)
    assert outcome.left_out == {}
    truth, found = (pdist(np.stack([c.centre for c in one.cameras])) for one in (rig, outcome.rig))
    # Without the thickness, cameras that face each other would be off by up to 12 mm.
    assert np.abs(found - truth).max() < 0.005


def test_corners_of_the_back_lie_behind_their_places():
    points = replace(FRONT, back="following", thickness=THICKNESS).points
    np.testing.assert_allclose(points[24:30], points[5::-1] + np.array([0, 0, THICKNESS]), atol=1e-12)
    points = replace(FRONT, back="mirrored", thickness=THICKNESS).points
    np.testing.assert_allclose(points[24:], points[:24] + np.array([0, 0, THICKNESS]), atol=1e-12)
