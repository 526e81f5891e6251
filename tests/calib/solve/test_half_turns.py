"""Boards that half a turn leaves as they are: cameras that count their corners from different ends agree in the end."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from calib.board.chessboard import Chessboard
from calib.corners.corners import Corners
from calib.solve.solve import solve
from multiview.cameras.camera import Rig
from multiview.synthetic.board import measure, placed_at_random, ring, waved

BOARD = Chessboard((8, 6), 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("moving", [True, False], ids=["waved", "photographs"])
def test_views_counted_from_either_end_give_the_same_rig(moving):
    rng = np.random.default_rng(3)
    rig = Rig(ring(6, rng=rng).cameras[:3])
    frames = 50
    poses = waved(np.arange(frames) / 10, rng) if moving else placed_at_random(frames, rng, headings=(0.2, 1.9))
    m = measure(rig, BOARD.points, [poses] * 3, rng)
    view = frames * m.camera + m.frame
    # A detector that counts from whichever end: one camera always from the other, and every fourth view at random.
    other = (m.camera == 1) ^ (rng.uniform(size=3 * frames) < 0.25)[view]
    corner = np.where(other, len(BOARD.points) - 1 - m.corner, m.corner)
    sizes = tuple(camera.size for camera in rig.cameras)
    corners = Corners(rig.names, sizes, m.camera, m.frame, m.frame / 10, corner, m.xy)
    found, exact = (solve(one, BOARD, "pinhole5") for one in (corners, replace(corners, corner=m.corner)))
    assert found.cameras == (0, 1, 2)
    assert found.rms_px == pytest.approx(0.3 * np.sqrt(2), rel=0.1)
    apart, truth = (pdist(-np.einsum("cji,cj->ci", one.state.R, one.state.t)) for one in (found, exact))
    assert apart == pytest.approx(truth, rel=1e-3)
