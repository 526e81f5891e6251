"""Bones of constant lengths against exact truth: they tell guessed lenses what keypoints alone leave open."""

from dataclasses import replace

import numpy as np
import pytest

from calib.people.bones import bones_information, bones_of, fitted_with_bones
from calib.people.lens_freedom import LensGuess, freed_lenses
from multiview.geometry.least_squares import levenberg_marquardt
from tests.calib.people.people_scene import JOINTS, LENGTHS, observed_legs


def guessed(observed, state):
    """Focal lengths 8 % off and principal points free."""
    wrong = tuple(
        replace(lens, focal=lens.focal * [1 + off, 1 + off, 1, 1])
        for lens, off in zip(state.lenses, (0.08, -0.05, 0.03, -0.08), strict=True)
    )
    return freed_lenses(observed.bundle, [LensGuess()] * len(wrong), wrong, 3), replace(state, lenses=wrong)


@pytest.mark.slow
def test_bones_bring_guessed_lenses_to_within_their_deviations():
    observed, truth = observed_legs(seconds=8.0, correlation=0.0, seed=1)
    bundle, start = guessed(observed, truth)
    alone = levenberg_marquardt(bundle, start, max_steps=30, tolerance=1e-7).state
    found = fitted_with_bones(bundle, bones_of(observed, alone, JOINTS), alone)
    information, eliminated = bundle.linearised(found).reduced()
    more = bones_information(bundle, bones_of(observed, found, JOINTS), found, eliminated)
    focal = bundle.layout()[:, 0]
    without, sigma = (np.sqrt(np.diag(np.linalg.inv(H)))[focal] for H in (information, information + more))
    off = np.array([lens.focal[0] - 1000.0 for lens in found.lenses])
    assert (np.abs(off) < 4 * sigma).all()
    assert (sigma < 0.7 * without).all()


def test_bones_have_their_lengths_in_the_true_rig():
    observed, truth = observed_legs(seconds=4.0, correlation=0.0, seed=2)
    still = replace(observed.bundle, free=np.zeros_like(observed.bundle.free))
    state = levenberg_marquardt(still, truth, max_steps=10).state
    bones = bones_of(observed, state, JOINTS)
    ends = (observed.bundle.curves.at(state.coefficients, curve, bones.time)[0] for curve in (bones.a, bones.b))
    length = np.linalg.norm(next(ends) - next(ends), axis=1)
    for number in range(4):
        own = bones.which == number
        np.testing.assert_allclose(np.median(length[own]), LENGTHS[number % 2], rtol=0.02)
