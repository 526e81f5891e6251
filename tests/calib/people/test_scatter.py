"""The covariance from how keypoints scatter, against noise of known correlation."""

from dataclasses import replace

import numpy as np
import pytest

from calib.people.scatter import scatter_of
from multiview.geometry.least_squares import levenberg_marquardt
from tests.calib.people.people_scene import JOINTS, observed_legs


def inflation(correlation, seed):
    observed, truth = observed_legs(seconds=24.0, correlation=correlation, seed=seed)
    bundle = replace(observed.bundle, cauchy=3.0)
    state = levenberg_marquardt(bundle, truth, max_steps=20).state
    return scatter_of(observed, bundle, state, JOINTS)


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_scatter_inflates_variances_as_the_correlation_of_the_noise_does(correlation):
    # A mean of AR(1) noise varies (1 + rho) / (1 - rho) times as much as one of white noise. Blocks of time no
    # longer than ten correlation times show a little less of it. There are 288 groups and 35 unknowns: a variance is
    # known within 10 %, and raised to that of white noise where it is smaller.
    expected = (1 + correlation) / (1 - correlation)
    assert 0.62 * expected < inflation(correlation, 3).inflation < 1.1 * expected


def test_independent_errors_have_the_variance_that_the_robust_loss_leaves_them():
    # Cauchy's loss at 3 deviations takes a little of what Gaussian errors tell: its efficiency is the square of its
    # mean curvature over the mean square of its influence.
    observed, truth = observed_legs(seconds=24.0, correlation=0.0, seed=1)
    bundle = replace(observed.bundle, cauchy=3.0)
    state = levenberg_marquardt(bundle, truth, max_steps=20).state
    square = np.random.default_rng(0).chisquare(2, 1_000_000)
    weight = 1 / (1 + square / 9)
    efficiency = (weight - square * weight**2 / 9).mean() ** 2 / (weight**2 * square / 2).mean()
    least = replace(bundle, cauchy=np.inf).linearised(state).shared_covariance()
    stated = scatter_of(observed, bundle, state, JOINTS).covariance
    assert np.diag(stated) / np.diag(least) == pytest.approx(1 / efficiency, rel=0.08)


def test_scatter_covers_the_errors_of_correlated_noise():
    observed, truth = observed_legs(seconds=24.0, correlation=0.8, seed=5)
    bundle = observed.bundle
    state = levenberg_marquardt(bundle, truth, max_steps=20).state
    covariance = scatter_of(observed, bundle, state, JOINTS).covariance
    shift = bundle.layout()[:, 11]
    free = shift >= 0
    square = state.offset[free] ** 2 / np.diag(covariance)[shift[free]]
    assert square.mean() < 1 + 4 * np.sqrt(2 / free.sum())
