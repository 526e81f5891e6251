"""From corners to a rig against exact truth; bounds come from the noise of the corners."""

from dataclasses import replace

import numpy as np
import pytest

from calib.board.board import Board
from calib.corners.corners import Corners
from calib.report.outcome import judge, rig_of
from calib.solve.solve import solve
from multiview.errors import CalibrationError
from multiview.geometry.rigid import alignment
from multiview.synthetic.board import measure, placed_at_random, ring, waved
from tests.calib.solve.pose_errors import normalised_squares

BOARD = Board((7, 5), 0.1, 0.075, "DICT_4X4_100")


def recorded(seed=0, cameras=4, frames=60, outliers=0.0, offsets=None, model="pinhole", sigma=0.3):
    rng = np.random.default_rng(seed)
    dist = (0.03, -0.01, 0.002, -0.001) if model == "fisheye" else (-0.12, 0.05, 8e-4, -6e-4, -0.01)
    focal = 600 if model == "fisheye" else 1100  # px; a narrow fisheye is as well described by a pinhole
    rig = ring(cameras, focal=focal, dist=dist, rng=rng, model=model)
    if offsets is None:
        poses = [placed_at_random(frames, rng)] * cameras
    else:
        poses = [waved(np.arange(frames) / 30 + offset, np.random.default_rng(seed)) for offset in offsets]
    m = measure(rig, BOARD.points, poses, rng, sigma, outliers)
    sizes = tuple(camera.size for camera in rig.cameras)
    return rig, m, Corners(rig.names, sizes, m.camera, m.frame, m.frame / 30.0, m.corner, m.xy)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["pinhole", "fisheye"])
@pytest.mark.parametrize("outliers", [0.2])
def test_a_ring_is_found_within_its_own_uncertainty(model, outliers):
    rig, m, corners = recorded(1, outliers=outliers, model=model)
    found = solve(corners, BOARD)
    assert found.cameras == (0, 1, 2, 3)
    assert not (found.inlier & m.outlier).any()
    assert found.inlier.mean() == pytest.approx((~m.outlier).mean(), abs=0.005)
    assert found.sigma == pytest.approx([0.3] * 4, rel=0.15)
    # Three relative poses of six numbers: the mean of 18 normalised squares is 1 +- 0.33.
    assert np.mean(list(normalised_squares(rig, found))) < 1 + 4 * 0.33


def test_exact_corners_give_the_exact_rig():
    rig, _, corners = recorded(2, cameras=3, frames=30, sigma=0.0)
    found = rig_of(solve(corners, BOARD, "pinhole5"), corners.names, corners.sizes)
    truth = np.stack([camera.centre for camera in rig.cameras])
    centres = np.stack([camera.centre for camera in found.cameras])
    R, t = alignment(centres, truth)
    np.testing.assert_allclose(centres @ R.T + t, truth, atol=1e-6)
    for a, b in zip(rig.cameras, found.cameras, strict=True):
        np.testing.assert_allclose(b.K, a.K, atol=1e-3)


@pytest.mark.slow
def test_time_offsets_are_found_within_their_uncertainty():
    offsets = np.array([0.0, 1.4, -0.7, 0.35]) / 30
    _, _, corners = recorded(3, cameras=4, frames=150, offsets=offsets, outliers=0.02)
    found = solve(corners, BOARD, "pinhole5")
    assert (found.offset_sigma[1:] * 30 < 0.1).all()
    assert (np.abs(found.time_offset - offsets)[1:] < 4 * found.offset_sigma[1:]).all()
    assert found.time_offset[0] == 0
    without = solve(corners, BOARD, "pinhole5", offsets=False)
    assert found.rms_px < 0.45
    assert without.rms_px > 1.3 * found.rms_px
    assert without.inlier.mean() < 0.95 < found.inlier.mean()


@pytest.mark.slow
def test_cameras_without_common_boards_are_left_out_and_named():
    _, _, corners = recorded(4, cameras=4, frames=60)
    last = corners.camera == 3
    shifted = replace(corners, frame=np.where(last, corners.frame + 1000, corners.frame))
    outcome = judge(solve(shifted, BOARD), shifted)
    assert outcome.rig.names == ("cam01", "cam02", "cam03")
    assert list(outcome.left_out) == ["cam04"]
    assert outcome.left_out["cam04"].startswith("shares no board with the other cameras: none of its pictures")
    assert outcome.verdict == "usable"
    assert any("show the board to cam04 and to another camera" in text for text in outcome.advice)


def test_one_picture_is_not_enough():
    _, _, corners = recorded(5)
    one = corners.frame == np.unique(corners.frame)[0]
    few = Corners(
        corners.names,
        corners.sizes,
        corners.camera[one],
        corners.frame[one],
        corners.time[one],
        corners.corner[one],
        corners.xy[one],
    )
    with pytest.raises(CalibrationError, match="no camera can be calibrated: cam01 shows the board well in too few"):
        solve(few, BOARD)


def test_parallel_boards_are_called_degenerate():
    rng = np.random.default_rng(6)
    rig = ring(2, radius=3, rng=rng)
    t = placed_at_random(30, rng)[1]
    facing = rig.cameras[0].R.T
    m = measure(rig, BOARD.points, [(np.tile(facing, (30, 1, 1)), t * 0.6)] * 2, rng)
    corners = Corners(rig.names, tuple(c.size for c in rig.cameras), m.camera, m.frame, m.frame / 30.0, m.corner, m.xy)
    outcome = judge(solve(corners, BOARD), corners)
    assert outcome.verdict == "record again"
    assert any("parallel" in reason for reason in outcome.reasons)


def test_a_camera_that_mirrors_is_left_out_and_named():
    _, _, corners = recorded(7, cameras=4, frames=60)
    third = corners.camera == 2
    flipped = np.where(third[:, None], [1919, 0] + corners.xy * [-1, 1], corners.xy)
    outcome = judge(solve(replace(corners, xy=flipped), BOARD, "pinhole5"), corners)
    assert outcome.rig.names == ("cam01", "cam02", "cam04")
    assert "mirrored" in outcome.left_out["cam03"]
