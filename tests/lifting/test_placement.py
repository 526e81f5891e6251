"""People whose shape is known exactly stand exactly where they are; with errors, the covariance says how far off."""

import numpy as np
import pytest

from multiview.learn.lifting_data import HIPS, movements, sample_batch
from multiview.lifting.network import Shape
from multiview.lifting.placement import ADULT, height_by_floor, known_height, place
from multiview.lifting.windows import view_windows

HEIGHT_M = 1.83


def people(count, camera_m):
    """Windows of people who stand on the floor, the exact shapes of these, and where their joints are, m."""
    moved = movements(count, 3)[:, :27].astype(float)
    moved[..., 2] -= moved[..., 2].min(axis=(1, 2))[:, None, None]
    centre = np.array([5.0, 0.0, camera_m / HEIGHT_M]) - [0.0, 0.0, 0.0]
    rays = moved - centre
    windows = view_windows(rays, np.ones(rays.shape[:3], dtype=bool))
    inside = np.einsum("nij,nkj->nki", windows.view_from_world, rays[:, 13])
    far = inside[:, HIPS, 2].mean(axis=1)
    tiny = 1e-6
    shape = Shape(
        depth=inside[..., 2] - far[:, None],
        depth_sd=np.full(inside.shape[:2], tiny),
        aside=np.zeros((*inside.shape[:2], 2)),
        aside_sd=np.full(inside.shape[:2], tiny),
        distance=np.log(far * windows.size),
        distance_sd=np.full(count, tiny),
        above=moved[:, 13, HIPS, 2].mean(axis=1),
        above_sd=np.full(count, tiny),
    )
    return windows, shape, HEIGHT_M * moved[:, 13], HEIGHT_M * centre


def test_person_of_known_height_is_where_they_are() -> None:
    windows, shape, xyz, centre = people(20, 1.5)
    placed = place(windows, shape, centre, known_height(HEIGHT_M), floor=False)
    np.testing.assert_allclose(placed.xyz, xyz, atol=1e-6)


@pytest.mark.parametrize("camera_m", [0.5, 1.2, 2.6])
def test_floor_tells_height_and_place_of_whoever_stands_on_it(camera_m: float) -> None:
    windows, shape, xyz, centre = people(20, camera_m)
    height = height_by_floor(windows, shape, camera_m, np.ones(20), ADULT)
    assert np.exp(height.log_m) == pytest.approx(
        HEIGHT_M, rel=0.005
    )  # adults are this tall, the prior says a little less
    placed = place(windows, shape, centre, height, floor=True)
    np.testing.assert_allclose(placed.xyz, xyz, atol=0.03)


def test_somebody_who_jumps_is_not_taken_for_a_giant() -> None:
    windows, shape, _, _ = people(20, 1.5)
    standing = height_by_floor(windows, shape, 1.5, np.ones(20), ADULT)
    above = shape.above - 0.4 / HEIGHT_M * (np.arange(20) >= 14)  # the hips are 0.4 m higher than the network says
    jumping = height_by_floor(windows, shape._replace(above=above), 1.5, np.ones(20), ADULT)
    assert abs(jumping.log_m - standing.log_m) < 0.03


@pytest.mark.parametrize("floor", [False, True])
def test_covariance_of_places_is_that_of_their_errors(floor: bool) -> None:
    rng = np.random.default_rng(0)
    windows, shape, xyz, centre = people(300, 1.6)
    sd = shape._replace(
        depth_sd=np.full_like(shape.depth, 0.05),
        aside_sd=np.full_like(shape.depth, 0.01),
        distance_sd=np.full_like(shape.distance, 0.04),
        above_sd=np.full_like(shape.distance, 0.03),
    )
    wrong = sd._replace(
        depth=shape.depth + sd.depth_sd * rng.normal(size=shape.depth.shape),
        aside=shape.aside + 0.01 * rng.normal(size=shape.aside.shape),
        distance=shape.distance + sd.distance_sd * rng.normal(size=shape.distance.shape),
        above=shape.above + sd.above_sd * rng.normal(size=shape.above.shape),
    )
    placed = place(windows, wrong, centre, known_height(HEIGHT_M), floor)
    off = placed.xyz - xyz
    nees = np.einsum("tji,tji->tj", off, np.linalg.solve(placed.cov, off[..., None])[..., 0]) / 3
    assert 0.8 < nees.mean() < 1.2


def test_sampled_windows_are_of_the_people_that_are_said_to_be_true() -> None:
    """Keypoints of a batch are near the projections of its joints; training on anything else would be in vain."""
    batch = sample_batch(movements(20, 1), 200, np.random.default_rng(0))
    seen = batch.windows.seen
    assert seen.any(axis=1).all()
    uv = batch.xyz[..., :2] / batch.xyz[..., 2:]
    off = np.linalg.norm(batch.windows.uv - uv, axis=-1)[seen]
    assert np.median(off) < 0.01
    assert (batch.above > 0).all()
