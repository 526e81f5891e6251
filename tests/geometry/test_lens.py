"""Lens models against OpenCV, finite differences and their own inverse."""

import cv2
import numpy as np
import pytest

from multiview.geometry.lens import distort, distort_with_jacobian, largest_radius, undistort

RNG = np.random.default_rng(7)
BROWN = np.array([-0.28, 0.09, 1.2e-3, -8e-4, -0.01, 0.02, -0.01, 0.003, 1e-3, -5e-4, 7e-4, 3e-4, 0.02, -0.03])
FISHEYE = np.array([0.05, -0.02, 0.008, -0.003])
LENSES = [("pinhole", BROWN[:n]) for n in (4, 5, 8, 12, 14)] + [("fisheye", FISHEYE), ("pinhole", np.zeros(5))]
ids = [f"{model}{len(dist)}{'' if dist.any() else '-ideal'}" for model, dist in LENSES]
POINTS = RNG.uniform(-0.7, 0.7, size=(500, 2))


@pytest.mark.parametrize(("model", "dist"), LENSES, ids=ids)
def test_distortion_and_its_jacobian_are_opencvs(model, dist):
    rays = np.column_stack([POINTS, np.ones(len(POINTS))])
    if model == "fisheye":
        expected, J = cv2.fisheye.projectPoints(rays[:, None], np.zeros(3), np.zeros(3), np.eye(3), dist)
        expected_by_dist = J[:, 4:8]
    else:
        expected, J = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), dist)[:2]
        expected_by_dist = J[:, 10 : 10 + len(dist)]
    image, _, by_dist = distort_with_jacobian(POINTS, dist, model)
    np.testing.assert_allclose(image, expected[:, 0], atol=1e-13)
    np.testing.assert_allclose(distort(POINTS, dist, model), image, atol=1e-15)
    np.testing.assert_allclose(by_dist.reshape(-1, len(dist)), expected_by_dist, atol=1e-9)


@pytest.mark.parametrize(("model", "dist"), LENSES, ids=ids)
def test_jacobians_agree_with_differences(model, dist):
    _, by_point, by_dist = distort_with_jacobian(POINTS, dist, model)
    step = 1e-6
    for k, e in enumerate(np.eye(2) * step):
        slope = (distort(POINTS + e, dist, model) - distort(POINTS - e, dist, model)) / (2 * step)
        np.testing.assert_allclose(by_point[..., k], slope, atol=1e-8)
    for k, e in enumerate(np.eye(len(dist)) * step):
        slope = (distort(POINTS, dist + e, model) - distort(POINTS, dist - e, model)) / (2 * step)
        np.testing.assert_allclose(by_dist[..., k], slope, atol=1e-8)


@pytest.mark.parametrize(("model", "dist"), LENSES, ids=ids)
def test_undistort_is_the_exact_inverse(model, dist):
    back = undistort(distort(POINTS, dist, model), dist, model)
    np.testing.assert_allclose(back, POINTS, atol=2e-14)


@pytest.mark.parametrize("reach", [0.9, 0.99, 0.999])
@pytest.mark.parametrize(
    "dist", [np.array([-0.5, 0.1, 0, 0]), np.array([-0.3, 0, 0, 0, 0]), np.array([0.3, -0.5, 0, 0])]
)
def test_undistort_holds_close_to_the_fold(dist, reach):
    radius = largest_radius(dist)
    angle = np.linspace(0, 2 * np.pi, 100)
    points = reach * radius * np.column_stack([np.cos(angle), np.sin(angle)])
    np.testing.assert_allclose(undistort(distort(points, dist), dist), points, rtol=1e-8)


def test_wide_fisheye_round_trip():
    angle = np.deg2rad(np.linspace(0, 88, 200))  # from the axis
    points = np.column_stack([np.tan(angle) * 0.6, np.tan(angle) * 0.8])
    np.testing.assert_allclose(undistort(distort(points, FISHEYE, "fisheye"), FISHEYE, "fisheye"), points, rtol=1e-11)


def test_beyond_the_fold_nothing_comes_back():
    dist = np.array([-0.3, 0.0, 0.0, 0.0, 0.0])
    radius = largest_radius(dist)
    assert radius == pytest.approx(np.sqrt(1 / 0.9))
    peak = distort(np.array([radius, 0.0]), dist)[0]
    assert np.isnan(undistort(np.array([[peak * 1.01, 0.0], [np.nan, 0.0]]), dist)).all()
    assert np.isfinite(undistort(np.array([peak * 0.99, 0.0]), dist)).all()


def test_largest_radius_where_there_is_none():
    assert largest_radius(np.zeros(5)) == np.inf
    assert largest_radius(np.array([0.1, 0.0, 0.0, 0.0])) == np.inf
    assert largest_radius(np.zeros(4), "fisheye") == np.inf
