"""SimCC decoding: the published rule exactly, sub-bin on request, and an honest covariance."""

import numpy as np
import pytest

from multiview.keypoints.simcc import simcc


def blobs(at, sigma, bins, amplitude=1.0):
    return amplitude * np.exp(-0.5 * ((np.arange(bins) - at[:, None]) / sigma[:, None]) ** 2)


def test_largest_bin_over_split_and_the_smaller_maximum():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1, (3, 17, 384)), rng.uniform(0, 1, (3, 17, 512))
    joints = simcc(x, y)
    np.testing.assert_array_equal(joints.xy[..., 0], x.argmax(-1) / 2)
    np.testing.assert_array_equal(joints.xy[..., 1], y.argmax(-1) / 2)
    np.testing.assert_array_equal(joints.score, np.minimum(x.max(-1), y.max(-1)))


def test_no_peak_is_missing():
    joints = simcc(np.full((1, 2, 384), -1.0), np.zeros((1, 2, 512)))
    assert np.isnan(joints.xy).all()
    assert (joints.score == 0).all()


def test_refined_position_is_exact():
    rng = np.random.default_rng(1)
    at = rng.uniform(20, 360, (2, 100))
    sigma = np.full(100, 5.0)
    joints = simcc(blobs(at[0], sigma, 384), blobs(at[1], sigma, 512), refine=True)
    assert np.abs(joints.xy * 2 - at.T).max() < 0.02


@pytest.mark.parametrize("refine", [False, True])
def test_covariance_is_calibrated(refine):
    rng = np.random.default_rng(2)
    n = 800
    at, belief = rng.uniform(40, 340, (2, n)), rng.uniform(1.0, 8.0, (2, n))
    truth = (at + belief * rng.normal(size=(2, n))).T / 2
    x, y = (blobs(at[i], np.hypot(belief[i], 5.0), 384) + rng.normal(0, 0.01, (n, 384)) for i in (0, 1))
    joints = simcc(x, y, target_sigma=5.0, refine=refine)
    e = joints.xy - truth
    nees = np.einsum("mi,mij,mj->m", e, np.linalg.inv(joints.cov), e).mean() / 2
    assert 0.8 < nees < 1.25
