"""Rotations and rigid motions: axioms, limits, and agreement with OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from multiview.geometry import rigid

vectors = arrays(np.float64, 3, elements=st.floats(-4, 4))
short_vectors = arrays(np.float64, 3, elements=st.floats(-1.7, 1.7))  # angle below pi
magnitudes = st.sampled_from([0.0, 1e-300, 1e-12, 1e-8, 9.99e-5, 1.01e-4, 1e-3, 1.0])


@given(vectors, magnitudes)
def test_a_rotation_is_orthonormal_right_handed_and_opencvs(vector, magnitude):
    R = rigid.rotation_from_vector(vector * magnitude)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-14)
    assert np.linalg.det(R) == pytest.approx(1)
    np.testing.assert_allclose(R, cv2.Rodrigues(vector * magnitude)[0], atol=1e-12)


@given(short_vectors, magnitudes)
def test_vector_and_rotation_round_trip(vector, magnitude):
    vector = vector * magnitude
    back = rigid.vector_from_rotation(rigid.rotation_from_vector(vector))
    np.testing.assert_allclose(back, vector, atol=1e-13)


@pytest.mark.parametrize("short_of_pi", [0.0, 1e-12, 1e-8, 1e-6, 1e-3])
@given(arrays(np.float64, 3, elements=st.floats(-1, 1)))
def test_the_rotation_of_a_vector_near_pi_survives(short_of_pi, axis):
    length = np.linalg.norm(axis)
    if length < 1e-3:
        return
    R = rigid.rotation_from_vector(axis / length * (np.pi - short_of_pi))
    vector = rigid.vector_from_rotation(R)
    np.testing.assert_allclose(rigid.rotation_from_vector(vector), R, atol=1e-13)
    assert np.linalg.norm(vector) <= np.pi + 1e-12


@given(vectors)
def test_left_jacobian_agrees_with_differences(vector):
    R, J, step = rigid.rotation_from_vector(vector), rigid.left_jacobian(vector), 1e-6
    for k, e in enumerate(np.eye(3) * step):
        ahead = rigid.rotation_from_vector(vector + e)
        np.testing.assert_allclose(rigid.vector_from_rotation(ahead @ R.T) / step, J[:, k], atol=2e-5)


@given(short_vectors)
def test_left_jacobian_inverse(vector):
    np.testing.assert_allclose(rigid.left_jacobian(vector) @ rigid.left_jacobian_inverse(vector), np.eye(3), atol=1e-12)


@given(vectors, vectors, vectors, vectors, vectors)
def test_motions_are_a_group(ra, ta, rb, tb, point):
    a, b = (rigid.rotation_from_vector(ra), ta), (rigid.rotation_from_vector(rb), tb)
    both = rigid.transform(*rigid.compose(a, b), point)
    np.testing.assert_allclose(both, rigid.transform(*a, rigid.transform(*b, point)), atol=1e-12)
    np.testing.assert_allclose(rigid.transform(*rigid.invert(a), rigid.transform(*a, point)), point, atol=1e-12)


def test_functions_take_batches():
    v = np.random.default_rng(0).normal(size=(4, 5, 3))
    R = rigid.rotation_from_vector(v)
    assert R.shape == (4, 5, 3, 3)
    np.testing.assert_array_equal(R[2, 3], rigid.rotation_from_vector(v[2, 3]))
    np.testing.assert_array_equal(rigid.vector_from_rotation(R)[1, 2], rigid.vector_from_rotation(R[1, 2]))
    assert rigid.left_jacobian(v).shape == (4, 5, 3, 3)


@given(vectors, vectors, st.integers(0, 2**32 - 1))
def test_alignment_recovers_the_motion(vector, t, seed):
    rng = np.random.default_rng(seed)
    source, R = rng.normal(size=(7, 3)), rigid.rotation_from_vector(vector)
    weights = rng.uniform(0.1, 1, 7)
    found_R, found_t = rigid.alignment(source, source @ R.T + t, weights)
    np.testing.assert_allclose(found_R, R, atol=1e-10)
    np.testing.assert_allclose(found_t, t, atol=1e-10)


def test_alignment_never_mirrors_and_says_what_it_needs():
    points = np.random.default_rng(1).normal(size=(9, 3))
    R, _ = rigid.alignment(points, points * [1, 1, -1])
    assert np.linalg.det(R) == pytest.approx(1)
    with pytest.raises(ValueError, match="three points"):
        rigid.alignment(points[:2], points[:2])
    with pytest.raises(ValueError, match="one line"):
        rigid.alignment(np.outer(np.arange(5.0), [1, 2, 3]), points[:5])


def test_nearest_rotation_is_nearest_and_right_handed():
    rng = np.random.default_rng(2)
    M = rng.normal(size=(6, 3, 3))
    R = rigid.nearest_rotation(M)
    np.testing.assert_allclose(np.linalg.det(R), 1)
    for turn in rigid.rotation_from_vector(rng.normal(scale=0.05, size=(20, 3))):
        assert (np.linalg.norm(turn @ R - M, axis=(1, 2)) >= np.linalg.norm(R - M, axis=(1, 2)) - 1e-12).all()
