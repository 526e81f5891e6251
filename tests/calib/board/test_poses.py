"""Poses of a board in one camera's views."""

import numpy as np

from calib.board.board import Board
from calib.board.poses import CameraViews, planar_poses
from multiview.geometry.bundle import Lens


def test_poses_of_views_that_tell_none_are_unused():
    """Three corners each: no plane is found in any view, which leaves nothing to refine."""
    board = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")
    seen = np.zeros((4, len(board.points)), dtype=bool)
    seen[:, :3] = True
    views = CameraViews(board.points, np.zeros((*seen.shape, 2)), seen)
    lens = Lens(np.array([1000.0, 1000.0, 960.0, 540.0]), np.zeros(5))
    used, R, t, errors = planar_poses(views, lens, 2.0, 0.3)
    assert not used.used.any()
    assert np.isnan(errors).all()
    assert np.isfinite(R).all()
    assert np.isfinite(t).all()
