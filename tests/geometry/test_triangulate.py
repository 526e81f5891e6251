import numpy as np
import pytest

from multiview.geometry.triangulate import triangulate

SIGMA = 0.002  # normalised coordinates: two pixels at a focal length of 1000


def ring(cameras: int, radius: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Cameras on a circle 2 m up that look at its middle, 1 m up."""
    R, t = np.empty((cameras, 3, 3)), np.empty((cameras, 3))
    for c, angle in enumerate(np.arange(cameras) * 2 * np.pi / cameras + 0.1):
        centre = np.array([radius * np.cos(angle), radius * np.sin(angle), 2.0])
        forward = np.array([0, 0, 1.0]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        R[c] = [right, np.cross(forward, right), forward]
        t[c] = -R[c] @ centre
    return R, t


def project(X: np.ndarray, R: np.ndarray, t: np.ndarray) -> np.ndarray:
    cam = np.einsum("cij,nj->nci", R, X) + t
    return cam[..., :2] / cam[..., 2:]


def isotropic(points: int, cameras: int) -> np.ndarray:
    return np.broadcast_to(np.eye(2) * SIGMA**2, (points, cameras, 2, 2)).copy()


@pytest.mark.parametrize("cameras", [2, 3, 5, 16])
def test_noise_free_points_are_exact(cameras: int) -> None:
    R, t = ring(cameras + (cameras == 2))
    R, t = R[:cameras], t[:cameras]
    X = np.random.default_rng(0).uniform([-1, -1, 0], [1, 1, 2], (50, 3))
    points = triangulate(project(X, R, t), isotropic(50, cameras), R, t)
    np.testing.assert_allclose(points.xyz, X, atol=1e-7)
    assert points.inliers.all()


def test_errors_are_as_large_as_the_covariance_says() -> None:
    R, t = ring(5)
    rng = np.random.default_rng(1)
    X = rng.uniform([-1, -1, 0], [1, 1, 2], (2000, 3))
    xy = project(X, R, t) + rng.normal(0, SIGMA, (2000, 5, 2))
    points = triangulate(xy, isotropic(2000, 5), R, t)
    error = points.xyz - X
    nees = np.einsum("ni,nij,nj->n", error, np.linalg.inv(points.cov), error) / 3
    assert nees.mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / 3 / 2000))  # four deviations of a mean of chi-squares


def test_wrong_views_are_left_out() -> None:
    R, t = ring(6)
    rng = np.random.default_rng(2)
    X = rng.uniform([-1, -1, 0], [1, 1, 2], (200, 3))
    xy = project(X, R, t) + rng.normal(0, SIGMA, (200, 6, 2))
    wrong = rng.permuted(np.tile([True, True, False, False, False, False], (200, 1)), axis=1)
    xy[wrong] += rng.choice([-1, 1], (400, 2)) * rng.uniform(0.06, 0.2, (400, 2))
    points = triangulate(xy, isotropic(200, 6), R, t)
    assert not (points.inliers & wrong).any(axis=1).mean() > 0.05
    good = ~(points.inliers & wrong).any(axis=1)
    assert np.linalg.norm(points.xyz - X, axis=-1)[good].max() < 0.05


def test_what_no_two_views_see_is_nan() -> None:
    R, t = ring(4)
    xy = project(np.array([[0.0, 0.0, 1.0]] * 3), R, t)
    xy[0, 1:] = np.nan
    xy[1] = np.nan
    points = triangulate(xy, isotropic(3, 4), R, t)
    assert np.isnan(points.xyz[:2]).all()
    assert not points.inliers[:2].any()
    assert np.isfinite(points.xyz[2]).all()


def test_rays_that_meet_behind_a_camera_are_refused() -> None:
    R = np.stack([np.eye(3)] * 2)
    t = np.array([[0.0, 0, 0], [-1.0, 0, 0]])
    diverging = np.array([[[-0.2, 0.0], [0.2, 0.0]]])
    assert np.isnan(triangulate(diverging, isotropic(1, 2), R, t).xyz).all()


def test_parallel_rays_fix_no_point() -> None:
    R = np.stack([np.eye(3)] * 2)
    t = np.array([[0.0, 0, 0], [-0.1, 0, 0]])
    xy = project(np.array([[0.0, 0.0, 50.0]]), R, t)
    assert np.isnan(triangulate(xy, isotropic(1, 2), R, t).xyz).all()
