"""Cameras against OpenCV, finite differences, and their own inverse."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiview.cameras.camera import Camera, Rig
from multiview.errors import ConfigError
from multiview.geometry.rigid import rotation_from_vector

DIST = np.array([-0.28, 0.09, 1.2e-3, -8e-4, -0.01, 0.02, -0.01, 0.003, 1e-3, -5e-4, 7e-4, 3e-4, 0.02, -0.03])


def make_camera(seed=0, model="pinhole", coefficients=5, skew=0.0, name="cam01"):
    rng = np.random.default_rng(seed)
    return Camera(
        name=name,
        size=(1920, 1080),
        K=np.array([[1210.5, skew, 958.2], [0, 1206.1, 533.9], [0, 0, 1]]),
        dist=DIST[:coefficients] if model == "pinhole" else np.array([0.05, -0.02, 0.008, -0.003]),
        R=rotation_from_vector(rng.normal(size=3)),
        t=np.array([0.3, -0.2, 4.0]),
        model=model,
    )


def points_seen(camera, n=200, seed=1):
    """World points over the whole picture, 1 to 8 m away."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 1, (n, 2)) * camera.size
    rays = camera.rays(xy)
    return camera.centre + rays * rng.uniform(1, 8, (n, 1)), xy


CAMERAS = [("pinhole", n) for n in (4, 5, 8, 12, 14)] + [("fisheye", 4)]


@pytest.mark.parametrize(("model", "coefficients"), CAMERAS)
def test_projection_is_opencvs(model, coefficients):
    camera = make_camera(3, model, coefficients)
    points, _ = points_seen(camera)
    rvec = cv2.Rodrigues(camera.R)[0]
    if model == "fisheye":
        expected = cv2.fisheye.projectPoints(points[:, None], rvec, camera.t, camera.K, camera.dist)[0]
    else:
        expected = cv2.projectPoints(points, rvec, camera.t, camera.K, camera.dist)[0]
    np.testing.assert_allclose(camera.project(points), expected[:, 0], atol=1e-9)


@pytest.mark.parametrize(("model", "coefficients"), CAMERAS)
def test_rays_and_projection_are_inverse(model, coefficients):
    camera = make_camera(4, model, coefficients, skew=0.7)
    points, xy = points_seen(camera)
    np.testing.assert_allclose(camera.project(points), xy, atol=1e-10)
    ideal = camera.undistort(xy)
    in_camera = points @ camera.R.T + camera.t
    np.testing.assert_allclose(ideal, in_camera[:, :2] / in_camera[:, 2:], atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(camera.rays(xy), axis=1), 1)


@pytest.mark.parametrize(("model", "coefficients"), CAMERAS)
def test_jacobians_agree_with_differences(model, coefficients):
    camera = make_camera(5, model, coefficients, skew=0.7)
    points, xy = points_seen(camera, 50)
    by_point = camera.project_with_jacobian(points)[1]
    ideal_by_pixel, ray_by_pixel = camera.undistort_with_jacobian(xy)[1], camera.rays_with_jacobian(xy)[1]
    for k, e in enumerate(np.eye(3) * 1e-6):
        slope = (camera.project(points + e) - camera.project(points - e)) / 2e-6
        np.testing.assert_allclose(by_point[..., k], slope, rtol=1e-6, atol=1e-4)
    for k, e in enumerate(np.eye(2) * 1e-2):
        slope = (camera.undistort(xy + e) - camera.undistort(xy - e)) / 2e-2
        np.testing.assert_allclose(ideal_by_pixel[..., k], slope, rtol=1e-5, atol=1e-9)
        slope = (camera.rays(xy + e) - camera.rays(xy - e)) / 2e-2
        np.testing.assert_allclose(ray_by_pixel[..., k], slope, rtol=1e-5, atol=1e-9)


@given(st.integers(0, 1000), st.floats(0.1, 20))
def test_what_lies_behind_has_no_image(seed, distance):
    camera = make_camera(seed)
    behind = camera.centre - distance * camera.R[2]
    assert np.isnan(camera.project(behind)).all()
    assert np.isnan(camera.project_with_jacobian(behind)[1]).all()
    assert np.isfinite(camera.project(camera.centre + distance * camera.R[2])).all()


def test_what_the_lens_cannot_image_is_not_folded_into_the_picture():
    camera = Camera(
        name="wide", size=(1280, 720), K=np.array([[500.0, 0, 640], [0, 500, 360], [0, 0, 1]]),
        dist=np.array([-0.2, 0, 0, 0]), R=np.eye(3), t=np.zeros(3),
    )  # fmt: skip
    far_aside = np.array([2.2, 0.0, 1.0])
    folded = cv2.projectPoints(far_aside[None], np.zeros(3), np.zeros(3), camera.K, camera.dist)[0].ravel()
    assert 0 < folded[0] < 1280  # the bare formula puts it in the picture
    assert np.isnan(camera.project(far_aside)).all()


def test_batches_of_any_shape():
    camera = make_camera()
    points = points_seen(camera, 24)[0].reshape(2, 3, 4, 3)
    xy = camera.project(points)
    assert xy.shape == (2, 3, 4, 2)
    np.testing.assert_array_equal(xy[1, 2, 3], camera.project(points[1, 2, 3]))
    assert camera.project(np.empty((0, 3))).shape == (0, 2)
    assert camera.rays(np.empty((0, 2))).shape == (0, 3)


def test_a_camera_is_immutable_and_checked():
    camera = make_camera()
    with pytest.raises(ValueError, match="read-only"):
        camera.K[0, 0] = 1
    with pytest.raises(ValueError, match="no model 'fisheye'"):
        Camera("a", (2, 2), np.eye(3), np.zeros(5), np.eye(3), np.zeros(3), model="fisheye")


def test_rig_names_and_hash():
    a, b = make_camera(0, name="a"), make_camera(1, name="b")
    rig = Rig((a, b))
    assert rig.names == ("a", "b")
    assert rig.index("b") == 1
    with pytest.raises(ConfigError, match="no camera 'c' in the rig, which has a, b"):
        rig.index("c")
    assert len(rig.calibration_hash) == 16
    assert rig.calibration_hash == Rig((make_camera(0, name="a"), make_camera(1, name="b")), "floor").calibration_hash
    assert rig.calibration_hash != Rig((b, a)).calibration_hash
    assert rig.calibration_hash != Rig((a, make_camera(1, name="b", skew=1e-9))).calibration_hash
