"""A real board before four real webcams that are out of step, from video to rig.

No one knows the truth of these cameras, but their steps can be measured in another way, without a rig, a board or a
bundle: two cameras see still points at one instant only if their corners satisfy some essential matrix.
"""

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from calib.board.board import Board
from calib.board.poses import ideal_coordinates
from calib.corners.detect import detect
from calib.corners.pictures import video
from calib.solve.faults import find_faults
from calib.solve.solve import solve

CAMERAS = ("cam_0", "cam_1", "cam_2", "cam_3")


@pytest.fixture(scope="module")
def recorded(shared_data):
    folder = shared_data / "caliscope_charuco"
    # Not told that the board is printed white on black.
    return detect([video(folder / f"{name}.mp4") for name in CAMERAS], Board((4, 5), 0.054, 0.0405, "DICT_4X4_1000"))


@pytest.mark.slow
def test_an_inverted_board_is_found_without_being_told(recorded):
    assert recorded.identified.board.inverted
    assert "the board is printed inverted (white on black)" in recorded.identified.remarks
    corners = recorded.corners
    boards = [len(np.unique(corners.frame[corners.camera == c])) for c in range(4)]
    assert all(seen >= least for seen, least in zip(boards, (46, 33, 44, 45), strict=True))


@pytest.mark.slow
def test_the_steps_between_cameras_are_those_that_epipolar_geometry_finds(recorded):
    corners = recorded.corners
    found = solve(corners, recorded.identified.board)
    assert found.inlier.mean() >= 0.97
    assert found.rms_px <= 0.85
    assert not find_faults(found).faults  # no camera moved, though the clocks of three wander
    frame_s = np.median(np.diff(np.unique(corners.time)))
    rays = {}
    for c, lens in zip(found.cameras, found.state.lenses, strict=True):
        rows = np.flatnonzero((corners.camera == c) & found.inlier)
        where = zip(corners.frame[rows].tolist(), corners.corner[rows].tolist(), strict=True)
        rays[c] = dict(zip(where, ideal_coordinates(lens, corners.xy[None, rows])[0], strict=True))
    for a, b in combinations(found.cameras, 2):
        offset = found.time_offset[a] - found.time_offset[b]
        assert offset / frame_s == pytest.approx(-_frames_ahead(rays[a], rays[b]), abs=0.15), (a, b)


def _frames_ahead(a, b) -> float:
    """By how many frames camera a's corners must move, at their own speed in the picture, to meet camera b's."""
    both = [(f, n) for f, n in a if (f, n) in b and (f - 1, n) in a and (f + 1, n) in a]
    at = np.array([a[key] for key in both])
    speed = np.array([a[f + 1, n] - a[f - 1, n] for f, n in both]) / 2
    other = np.array([b[key] for key in both])

    def misfit(shift: float) -> float:
        """The smallest singular value of the eight-point equations (Hartley and Zisserman, section 11.2)."""
        x, y = (np.column_stack([(p - p.mean(axis=0)) / p.std(), np.ones(len(p))]) for p in (at + shift * speed, other))
        equations = (y[:, :, None] * x[:, None, :]).reshape(len(x), 9)
        return float(np.linalg.svd(equations, compute_uv=False)[-1])

    return float(minimize_scalar(misfit, bounds=(-1.5, 1.5), method="bounded").x)
