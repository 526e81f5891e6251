"""Decoders recover a Gaussian, say honestly how sure they are, and stay sane on what is no Gaussian."""

import numpy as np
import pytest

from multiview.keypoints.heatmaps import argmax, dark, soft_argmax, spatial_softmax

H, W = 64, 48
DECODERS = [argmax, dark, soft_argmax]


def gaussians(centres, cov, amplitude=1.0):
    yy, xx = np.mgrid[:H, :W]
    d = np.stack([xx, yy], -1)[None] - centres[:, None, None]
    cov = np.broadcast_to(cov, (len(centres), 2, 2))
    return amplitude * np.exp(-0.5 * np.einsum("mhwi,mij,mhwj->mhw", d, np.linalg.inv(cov), d))


def nees(joints, truth):
    e = joints.xy - truth
    return np.einsum("mi,mij,mj->m", e, np.linalg.inv(joints.cov), e).mean() / 2


@pytest.mark.parametrize(("decode", "bound"), [(argmax, 0.2501), (dark, 0.02), (soft_argmax, 0.02)])
@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.0])
def test_recovers_a_sub_pixel_gaussian(decode, bound, sigma):
    rng = np.random.default_rng(0)
    margin = 3.5 * sigma
    centres = rng.uniform([margin, margin], [W - 1 - margin, H - 1 - margin], (200, 2))
    joints = decode(gaussians(centres, sigma**2 * np.eye(2)))
    assert np.abs(joints.xy - centres).max() < bound
    assert (joints.score > 0.85).all()


@pytest.mark.parametrize("decode", [dark, soft_argmax])
def test_beside_the_border_it_is_off_by_little(decode):
    centres = np.random.default_rng(1).uniform([2, 2], [W - 3, H - 3], (300, 2))
    assert np.abs(decode(gaussians(centres, 4 * np.eye(2))).xy - centres).max() < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.06])
def test_covariance_of_white_noise_is_calibrated(decode, noise):
    rng = np.random.default_rng(2)
    centres = rng.uniform([10, 10], [W - 11, H - 11], (600, 2))
    maps = gaussians(centres, 4 * np.eye(2)) + rng.normal(0, noise, (600, H, W))
    assert 0.8 < nees(decode(maps), centres) < 1.25


@pytest.mark.slow
@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.06])
def test_covariance_of_a_network_in_doubt_is_calibrated(decode, noise):
    rng = np.random.default_rng(3)
    centres = rng.uniform([10, 10], [W - 11, H - 11], (600, 2))
    a = rng.normal(size=(600, 2, 2))
    belief = 0.7 * a @ a.transpose(0, 2, 1) + 0.1 * np.eye(2)
    truth = centres + np.einsum("mij,mj->mi", np.linalg.cholesky(belief), rng.normal(size=(600, 2)))
    maps = gaussians(centres, belief + 4 * np.eye(2), 0.8) + rng.normal(0, noise, (600, H, W))
    assert 0.8 < nees(decode(maps, target_sigma=2.0), truth) < 1.25


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_flat_map_is_finite(decode, value):
    joints = decode(np.full((2, 3, H, W), value))
    assert joints.xy.shape == (2, 3, 2)
    assert joints.cov.shape == (2, 3, 2, 2)
    assert np.isfinite(joints.xy).all()
    assert np.isfinite(joints.cov).all()


@pytest.mark.parametrize("decode", DECODERS)
def test_a_single_pixel_and_a_corner(decode):
    maps = np.zeros((2, H, W))
    maps[0, 30, 20] = maps[1, 0, W - 1] = 1.0
    np.testing.assert_allclose(decode(maps).xy, [[20, 30], [W - 1, 0]], atol=0.5)


def test_covariances_are_positive_definite_on_noise_alone():
    maps = np.random.default_rng(4).normal(size=(100, H, W))
    for decode in DECODERS:
        assert (np.linalg.eigvalsh(decode(maps, target_sigma=2.0).cov) > 0).all()


def test_softmax_of_logits_and_its_mass():
    centres = np.array([[20.3, 30.6]])
    logits = np.log(gaussians(centres, 4 * np.eye(2)) + 1e-6)
    joints = soft_argmax(spatial_softmax(logits), density=True)
    np.testing.assert_allclose(joints.xy, centres, atol=0.02)
    assert joints.score[0] > 0.95
