"""The crop affine and its inverse are exact in both conventions, and put pixels where the conventions say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiview.keypoints.crop import (
    crop_affine,
    crop_region,
    input_from_heatmap,
    invert_affine,
    letterbox_affine,
    transform_covariance,
    transform_points,
    warp,
)

SIZE = (192, 256)


@given(
    centre=st.tuples(st.floats(-500, 4000), st.floats(-500, 4000)),
    width=st.floats(8, 3000),
    rotation=st.floats(-np.pi, np.pi),
    udp=st.booleans(),
)
def test_inverse_is_exact(centre, width, rotation, udp):
    A = crop_affine(np.array(centre), np.array([width, width * 4 / 3]), SIZE, rotation, udp)
    xy = np.array([[0.0, 0.0], [191, 0], [95.3, 127.9], [-40, 300]])
    assert np.abs(transform_points(A, transform_points(invert_affine(A), xy)) - xy).max() < 1e-6
    back = transform_points(invert_affine(A), transform_points(A, np.array([centre])))
    assert np.abs(back - np.array(centre)).max() < 1e-6


@pytest.mark.parametrize("udp", [False, True])
def test_corners_of_the_region_in_each_convention(udp):
    centre, size = np.array([300.0, 200.0]), np.array([96.0, 128.0])
    A = crop_affine(centre, size, SIZE, udp=udp)
    ends = np.array([[252.0, 136.0], [348.0, 264.0]])
    expected = [[0, 0], [191, 255]] if udp else [[0, 0], [192, 256]]
    np.testing.assert_allclose(transform_points(A, ends), expected, atol=1e-9)


def test_rotation_turns_the_regions_own_x_axis_into_the_outputs():
    A = crop_affine(np.array([50.0, 60.0]), np.array([100.0, 100.0]), (200, 200), rotation=np.pi / 2)
    np.testing.assert_allclose(transform_points(A, np.array([[50.0, 70.0]])), [[120.0, 100.0]], atol=1e-9)


def test_region_contains_the_box_and_has_the_outputs_shape():
    for box in ([10, 20, 300, 60], [10, 20, 40, 600]):
        centre, size = crop_region(np.array(box, float), SIZE, padding=1.0)
        assert size[0] / size[1] == pytest.approx(192 / 256)
        assert (centre - size / 2 <= np.array(box[:2]) + 1e-9).all()
        assert (centre + size / 2 >= np.array(box[2:]) - 1e-9).all()


@pytest.mark.parametrize("udp", [False, True])
def test_a_dot_in_the_image_is_found_where_the_affine_says(udp):
    image = np.zeros((240, 320, 3), np.uint8)
    yy, xx = np.mgrid[:240, :320]
    dot = np.array([141.3, 97.6])
    image[:] = (255 * np.exp(-((xx - dot[0]) ** 2 + (yy - dot[1]) ** 2) / (2 * 3.0**2)))[..., None].round()
    A = crop_affine(np.array([150.0, 100.0]), np.array([75.0, 100.0]), SIZE, 0.4, udp)
    crop = warp(image, A, SIZE)[..., 0].astype(float)
    yy, xx = np.mgrid[: SIZE[1], : SIZE[0]]
    centroid = np.array([(crop * xx).sum(), (crop * yy).sum()]) / crop.sum()
    assert np.abs(transform_points(invert_affine(A), centroid) - dot).max() < 0.05


def test_heatmap_scale_in_each_convention():
    np.testing.assert_allclose(transform_points(input_from_heatmap((48, 64), SIZE), np.array([47.0, 63.0])), [188, 252])
    np.testing.assert_allclose(
        transform_points(input_from_heatmap((48, 64), SIZE, udp=True), np.array([47.0, 63.0])), [191, 255]
    )


def test_covariance_goes_through_the_affine_like_points():
    rng = np.random.default_rng(1)
    A = crop_affine(np.array([5.0, 6.0]), np.array([30.0, 40.0]), SIZE, 0.7)
    cov = np.array([[2.0, 0.5], [0.5, 1.0]])
    points = rng.multivariate_normal([0, 0], cov, 200_000)
    np.testing.assert_allclose(np.cov(transform_points(A, points).T), transform_covariance(A, cov), rtol=0.05)


def test_letterbox_keeps_shape_and_place():
    np.testing.assert_allclose(letterbox_affine((1280, 720), (640, 640)), [[0.5, 0, 0], [0, 0.5, 0]])
    np.testing.assert_allclose(letterbox_affine((1280, 720), (640, 640), centred=True), [[0.5, 0, 0], [0, 0.5, 140]])
    np.testing.assert_allclose(letterbox_affine((320, 240), (640, 640), enlarge=False)[:, :2], np.eye(2))
