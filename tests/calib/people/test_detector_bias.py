"""A detector that errs alike whenever it sees a joint from the same side: its bias is told, and taken off."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration_people import errors, recorded
from calib.people.calibrate import Options, calibrate
from calib.people.detector_bias import BiasedBundle, BiasedState
from calib.people.joint_bundle import SHIFT
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.synthetic import StudioOptions
from tests.calib.people.people_scene import JOINTS, observed_legs

BIAS_M = 0.02


def biased_legs(seed):
    """Legs that turn once in ten seconds before four cameras, with a bias; the true state of everything."""
    observed, truth = observed_legs(seconds=24.0, correlation=0.0, seed=seed)
    bundle = observed.bundle
    angle = 2 * np.pi * (bundle.time / 10 + bundle.camera / 4)
    waves = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1) * 1000 / 6
    sigma = BIAS_M / np.sqrt(2)
    bias = np.random.default_rng(seed + 50).normal(0, sigma, (len(JOINTS), 2, 4))
    xy = bundle.xy + np.einsum("nw,nxw->nx", waves, bias[observed.joint])
    biased = BiasedBundle(replace(bundle, xy=xy), waves, observed.joint, len(JOINTS), sigma)
    return biased, BiasedState(truth, bias)


def shift_error(state, truth, bundle):
    return np.sqrt(((state.t - truth.t)[bundle.free[:, SHIFT]] ** 2).mean())


@pytest.mark.parametrize("seed", [1, 2])
def test_rig_is_as_good_as_the_bound_with_the_bias_unknown_allows(seed):
    biased, truth = biased_legs(seed)
    found = levenberg_marquardt(biased, truth_without_bias(truth), max_steps=30).state
    covariance = biased.linearised(truth).shared_covariance()
    places = biased.bundle.layout()[:, SHIFT]
    bound = np.sqrt(np.diag(covariance)[places[places >= 0]].mean())
    assert shift_error(found.rig, truth.rig, biased.bundle) < 2 * bound
    # Taken to have none, it bends the rig.
    bent = levenberg_marquardt(biased.bundle, truth.rig, max_steps=30).state
    assert shift_error(bent, truth.rig, biased.bundle) > 4 * bound


def truth_without_bias(truth):
    return replace(truth, bias=np.zeros_like(truth.bias))


def test_gradient_is_that_of_the_cost():
    biased, truth = biased_legs(3)
    biased = replace(biased, bundle=replace(biased.bundle, cauchy=np.inf))
    rng = np.random.default_rng(0)
    system = biased.linearised(truth)
    shared = 1e-6 * rng.normal(size=system.gradient_shared.shape)
    chain = 1e-6 * rng.normal(size=system.gradient_chain.shape)
    there, back = (biased.cost(biased.moved(truth, sign * shared, sign * chain)) for sign in (1, -1))
    expected = shared @ system.gradient_shared + (chain * system.gradient_chain).sum()
    assert (there - back) / 2 == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_bias_of_a_detector_is_found_where_there_is_one():
    options = StudioOptions(cameras=4, people=1, seconds=22.5, seed=31)
    studio, recordings, _ = recorded(options, 20.0, BIAS_M)
    found = calibrate(list(studio.rig.cameras), recordings, studio.skeleton, Options(lens_priors={}))
    turns, places, _ = errors(found.rig, studio.rig)
    # What looks like another place of the joint is not told.
    assert 0.4 * BIAS_M < found.bias_m < 1.1 * BIAS_M
    assert turns.mean() < 0.15
    assert places.mean() < 8.0


@pytest.mark.slow
def test_errors_that_last_are_not_taken_for_a_bias():
    options = StudioOptions(cameras=4, people=1, seconds=14.5, seed=31, correlation=0.85)
    studio, recordings, _ = recorded(options, 12.0)
    found = calibrate(list(studio.rig.cameras), recordings, studio.skeleton, Options(lens_priors={}))
    assert found.bias_m == 0.0
    assert found.correlation > 3.0
