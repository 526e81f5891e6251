"""The answer is where similarity to the truth is to be expected, and the score is how much."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.keypoints.expected_oks import expected_oks, oks_deviation

H, W = 32, 24
SIGMAS = np.array([0.025, 0.062, 0.107])
BLOB = 0.75


def log_gaussian(centre, cov):
    y, x = np.mgrid[:H, :W]
    d = np.stack([x, y], -1) - np.asarray(centre)
    cov = np.broadcast_to(cov, (2, 2))
    return -0.5 * np.einsum("hwi,ij,hwj->hw", d, np.linalg.inv(cov), d) - 0.5 * np.log(np.linalg.det(cov))


def test_a_sure_network_is_taken_at_its_word():
    centres = np.random.default_rng(0).uniform([5, 5], [W - 6, H - 6], (40, 2))
    logits = np.stack([[log_gaussian(centre, BLOB**2 * np.eye(2))] * 3 for centre in centres])
    joints = expected_oks(logits, SIGMAS, BLOB)
    assert np.abs(joints.xy - centres[:, None]).max() < 0.05
    assert joints.score.min() > 0.97
    assert np.abs(joints.cov).max() < 0.05


def test_doubt_is_reported_as_a_covariance():
    rng = np.random.default_rng(1)
    for _ in range(20):
        a = rng.normal(size=(2, 2))
        belief = 0.5 * a @ a.T + 0.1 * np.eye(2)
        logits = log_gaussian(rng.uniform([9, 9], [W - 10, H - 10]), belief + BLOB**2 * np.eye(2))
        cov = expected_oks(np.stack([logits] * 3)[None], SIGMAS, BLOB).cov[0]
        np.testing.assert_allclose(cov, np.broadcast_to(belief, (3, 2, 2)), atol=0.12 * np.trace(belief) + 0.02)


def test_two_places_close_together_beat_one_likelier_place_far_away():
    """0.4 here; 0.3 and 0.3 there, near enough to each other that a hip between them satisfies both."""
    spread = BLOB**2 * np.eye(2)
    places = ((5, 6), 0.4), ((15, 24), 0.3), ((17, 24), 0.3)
    density = sum(weight * np.exp(log_gaussian(place, spread)) for place, weight in places)
    xy = expected_oks(np.log(np.stack([density] * 3))[None], SIGMAS, BLOB).xy[0]
    np.testing.assert_allclose(xy[2], [16, 24], atol=0.1)


def test_the_score_is_the_similarity_that_comes_out():
    """Over the truths that the network holds possible, its answers are as similar as the scores say."""
    rng = np.random.default_rng(2)
    forgiven = oks_deviation(SIGMAS, H, W)
    said, got = [], []
    for _ in range(200):
        centres = rng.uniform([6, 6], [W - 7, H - 7], (3, 2))
        weights = rng.dirichlet(np.full(3, 0.6))
        density = sum(w * np.exp(log_gaussian(c, BLOB**2 * np.eye(2))) for w, c in zip(weights, centres, strict=True))
        joints = expected_oks(np.log(np.stack([density] * 3))[None], SIGMAS, BLOB)
        squared = ((joints.xy[0][:, None] - centres) ** 2).sum(-1)
        got.append(np.exp(-squared / (2 * forgiven[:, None] ** 2)) @ weights)
        said.append(joints.score[0])
    np.testing.assert_allclose(np.mean(said, axis=0), np.mean(got, axis=0), atol=0.03)


@pytest.mark.parametrize("kind", ["flat", "noise", "corner", "huge"])
def test_whatever_comes_out_is_finite(kind):
    logits = np.zeros((2, 3, H, W))
    if kind == "noise":
        logits = np.random.default_rng(3).normal(size=logits.shape) * 5
    if kind == "corner":
        logits[..., 0, W - 1] = 40.0
    if kind == "huge":
        logits[..., 10, 10] = 1e6
    joints = expected_oks(logits, SIGMAS, BLOB)
    for value in joints:
        assert np.isfinite(value).all()
    assert (np.linalg.eigvalsh(joints.cov) >= -1e-9).all()
    assert ((joints.score >= 0) & (joints.score <= 1)).all()
