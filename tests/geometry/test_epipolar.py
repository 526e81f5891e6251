import numpy as np
import pytest

from multiview.geometry.epipolar import ray_gaps

SIGMA = 0.003
A_R, B_R = np.eye(3), np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])  # b looks along +x
A, B = np.zeros(3), np.array([-3.0, 0.2, 3.0])


def rays(X: np.ndarray, centre: np.ndarray, R: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    cam = (X - centre) @ R.T
    xy = cam[:, :2] / cam[:, 2:]
    if rng is not None:
        xy = xy + rng.normal(0, SIGMA, xy.shape)
    world = np.concatenate([xy, np.ones((len(xy), 1))], axis=1) @ R
    return world / np.linalg.norm(world, axis=1, keepdims=True)


def points(count: int) -> np.ndarray:
    return np.random.default_rng(3).uniform([-1, -1, 2], [1, 1, 4], (count, 3))


def noise(count: int) -> np.ndarray:
    return np.tile([SIGMA**2, 0.0, SIGMA**2], (count, 1))


def test_rays_of_one_point_meet_there() -> None:
    X = points(20)
    found = ray_gaps(A, A_R, rays(X, A, A_R), noise(20), B, B_R, rays(X, B, B_R), noise(20))
    np.testing.assert_allclose(found.gap, 0, atol=1e-9)
    np.testing.assert_allclose(found.xyz, X, atol=1e-9)


def test_deviations_are_standard_normal_whatever_the_distance() -> None:
    rng = np.random.default_rng(4)
    X = points(4000)
    found = ray_gaps(A, A_R, rays(X, A, A_R, rng), noise(4000), B, B_R, rays(X, B, B_R, rng), noise(4000))
    assert np.mean(found.deviations**2) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 4000))


def test_parallel_rays_say_nothing_and_rays_that_meet_behind_never_match() -> None:
    forward, inward = np.array([[0.0, 0, 1]]), np.array([[-0.5, 0, 1]]) / np.sqrt(1.25)
    beside = np.array([1.0, 0, 0])
    parallel = ray_gaps(A, A_R, forward, noise(1), beside, A_R, forward, noise(1))
    behind = ray_gaps(A, A_R, inward, noise(1), beside, A_R, forward, noise(1))
    assert np.isnan(parallel.deviations).all()
    assert np.isinf(behind.deviations).all()
