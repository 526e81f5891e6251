"""The regions that faces are looked for in, against faces laid out by hand."""

import numpy as np
import pytest

from multiview.keypoints.crop import crop_affine, transform_points
from multiview.keypoints.faces import (
    LANDMARKS,
    SMALL_FACE,
    face_covariance,
    face_height,
    region_of_face,
    region_of_head,
)

# BlazePose's head, upright, px: nose, the inner, middle and outer points of the left and the right eye, ears, mouth.
# The left side of an upright person is on the right in the picture.
HEAD = np.array(
    [[0, 20], [8, 0], [16, -1], [24, 0], [-8, 0], [-16, -1], [-24, 0], [40, 8], [-40, 8], [12, 38], [-12, 38]],
    dtype=float,
)


def turned(xy: np.ndarray, degrees: float, scale: float = 1.0) -> np.ndarray:
    angle = np.radians(degrees)
    R = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(scale * xy @ R.T + [400, 300])


def mesh() -> np.ndarray:
    """(468, 2) px: landmarks somewhere inside an upright oval, corners of eyes where they are."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(-0.6, 0.6, (468, 2)) * [80, 110] + [0, 10]
    xy[[10, 152]] = [0, -75], [0, 110]  # top and chin
    xy[[33, 263]] = [-24, 0], [24, 0]
    return xy


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, -110])
def test_region_of_a_head_and_of_a_face_are_upright_about_it_however_it_is_held(degrees: float) -> None:
    for region, points, eyes, chin in (
        (region_of_head(turned(HEAD, degrees, 1.4)), turned(HEAD, degrees, 1.4), slice(1, 7), slice(9, 11)),
        (region_of_face(turned(mesh(), degrees, 1.4)), turned(mesh(), degrees, 1.4), [33, 263], [152]),
    ):
        affine = crop_affine(region.centre, np.full(2, region.size), (100, 100), region.rotation)
        inside = transform_points(affine, points)
        assert ((inside > 5) & (inside < 95)).all()
        assert inside[eyes, 1].mean() < 50 < inside[chin, 1].mean()
        assert inside[:, 0].mean() == pytest.approx(50, abs=8)


def test_region_of_a_head_seen_from_the_side_is_as_large() -> None:
    side = HEAD * [0.2, 1.0]
    assert region_of_head(side).size == pytest.approx(region_of_head(HEAD).size)


def test_landmarks_are_68_and_mirror_each_other() -> None:
    """Of MediaPipe's mesh: each landmark once, the corners of eyes and mouth, the tip of the nose and the chin."""
    assert len(set(LANDMARKS.tolist())) == 68
    assert LANDMARKS[[36, 39, 42, 45]].tolist() == [33, 133, 362, 263]
    assert LANDMARKS[[48, 54, 8]].tolist() == [61, 291, 152]
    assert set(SMALL_FACE) < set(range(68))


def test_covariance_grows_with_the_face_and_with_doubt_and_the_jaw_slides() -> None:
    xy = turned(mesh(), 0)[LANDMARKS]
    sure, unsure, large = face_covariance(xy, 1.0), face_covariance(xy, 0.5), face_covariance(3 * xy, 1.0)
    assert (unsure[:, 0, 0] >= sure[:, 0, 0]).all()
    assert np.sqrt(large[40, 0, 0]) == pytest.approx(0.033 * 3 * face_height(xy))
    assert sure[3, 0, 0] > 4 * sure[40, 0, 0] == pytest.approx(sure[8, 0, 0] * 4)
