"""The regions that hands are looked for in, against hands laid out by hand."""

import numpy as np
import pytest

from multiview.keypoints.crop import crop_affine, transform_points
from multiview.keypoints.hands import (
    hand_covariance,
    hand_extent,
    region_of_hand,
    region_of_palm,
    region_of_recrop,
    share_inside,
)


def open_hand() -> np.ndarray:
    """Upright, fingers up, px: the wrist at the origin, a palm of 50 and fingers of 45."""
    xy = np.zeros((21, 2))
    for finger, (x, y, step) in enumerate([(-15, -12, 12), (-18, -48, 15), (-6, -50, 15), (6, -48, 15), (16, -42, 12)]):
        xy[1 + 4 * finger : 5 + 4 * finger] = [(x - (4 * i if finger == 0 else 0), y - i * step) for i in range(4)]
    return xy


@pytest.mark.parametrize("degrees", [0, 35, 90, 180, -120])
def test_region_of_a_hand_is_upright_about_it_however_it_is_held(degrees):
    angle = np.radians(degrees)
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xy = open_hand() @ R.T * 1.3 + [400, 300]
    region = region_of_hand(xy)
    inside = transform_points(crop_affine(region.centre, np.full(2, region.size), (100, 100), region.rotation), xy)
    assert ((inside > 0) & (inside < 100)).all()
    assert inside[0, 1] > 60  # the wrist below, the fingers above
    assert (inside[[8, 12, 16, 20], 1] < 45).all()
    assert inside[12, 0] == pytest.approx(inside[0, 0], abs=15)


def test_region_of_a_palm_and_of_a_recrop_point_the_fingers_up():
    wrist, index, pinky = np.array([100.0, 100.0]), np.array([140.0, 95.0]), np.array([140.0, 110.0])
    region = region_of_palm(wrist, index, pinky)
    affine = crop_affine(region.centre, np.full(2, region.size), (100, 100), region.rotation)
    below, above = transform_points(affine, np.stack([wrist, (2 * index + pinky) / 3]))
    assert below[1] > above[1] == pytest.approx(50.0)
    assert below[0] == pytest.approx(50.0)
    again = region_of_recrop(np.array([140.0, 100.0]), np.array([110.0, 100.0]))
    assert again.size == pytest.approx(60.0)
    np.testing.assert_allclose(again.centre, [146.0, 100.0])
    assert again.rotation == pytest.approx(np.pi / 2)


def test_covariance_grows_with_the_hand_and_with_doubt():
    xy = open_hand()
    sure, unsure, larger = hand_covariance(xy, 1.0), hand_covariance(xy, 0.5), hand_covariance(3 * xy, 1.0)
    assert (unsure[:, 0, 0] > 1.5 * sure[:, 0, 0]).all()
    np.testing.assert_allclose(larger, 9 * sure)
    assert hand_extent(xy) == pytest.approx(1.8 * np.hypot(18, 48))
    assert (hand_covariance(0.1 * xy, 1.0)[:, 0, 0] > 1.0).all()  # no landmark is better than a pixel


def test_share_inside_is_that_of_the_picture():
    region = region_of_palm(np.array([10.0, 10.0]), np.array([10.0, 20.0]), np.array([10.0, 20.0]))
    half = region.size / 2
    assert share_inside(region, (1000, 1000)) == pytest.approx((10 + half) * (20 + half) / region.size**2)
