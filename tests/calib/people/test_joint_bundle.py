"""The bundle of moving joints: its derivatives against differences of its residuals, its minimum against exact data."""

from dataclasses import replace

import numpy as np
import pytest

from calib.people.joint_bundle import LENS, SHIFT, UNKNOWNS, Curves, JointBundle, RigState
from multiview.geometry.bundle import Lens
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.rigid import rotation_from_vector

STEP = 0.1
COUNT = 14


def scene():
    """Two joints on smooth ways before three cameras with distortion and time offsets; every pixel is exact."""
    rng = np.random.default_rng(0)
    curves = Curves(STEP, np.array([-1, -1]), np.array([COUNT, COUNT]), np.array([0, COUNT]))
    coefficients = np.cumsum(rng.normal(0, 0.1, (2 * COUNT, 3)), axis=0) + np.array([0.0, 0.0, 4.0])
    lens = Lens(np.array([900.0, 910.0, 640.0, 360.0]), np.array([-0.1, 0.05, 1e-3, 0.0, 0.0]))
    R = rotation_from_vector(np.array([[0.0, 0, 0], [0, 0.3, 0], [0.1, -0.4, 0.05]]))
    t = np.array([[0.0, 0, 0], [-1.2, 0, 0.3], [1.5, 0.2, 0.6]])
    state = RigState((lens, lens, lens), R, t, np.array([0.0, 0.03, -0.05]), np.array([0.0, 0.02, -0.01]), coefficients)
    n = 60
    camera = np.repeat([0, 1, 2], n)
    curve = np.tile([0, 1], 3 * n // 2)
    time = np.tile(np.linspace(0.1, 0.9, n), 3)
    free = np.ones((3, UNKNOWNS), dtype=bool)
    free[0] = False
    free[1, SHIFT.start] = False  # a length of the rig
    bundle = JointBundle(curves, camera, curve, time, np.zeros((3 * n, 2)), np.full(3 * n, 2.0), free, middle=0.5)
    return replace(bundle, xy=-bundle.residuals(state)), state


def test_gradient_agrees_with_differences_of_the_cost():
    bundle, state = scene()
    bundle = replace(bundle, xy=bundle.xy + np.random.default_rng(1).normal(0, 3, bundle.xy.shape), cauchy=np.inf)
    bundle = replace(bundle, prior=state.lenses, prior_sigma=np.full((3, 6), 0.5))
    system = bundle.linearised(state)
    shared, chain = np.zeros(len(system.gradient_shared)), np.zeros_like(state.coefficients)
    for place in range(len(shared)):
        step = shared.copy()
        step[place] = 1e-6
        slope = (bundle.cost(bundle.moved(state, step, chain)) - bundle.cost(bundle.moved(state, -step, chain))) / 2e-6
        assert system.gradient_shared[place] == pytest.approx(slope, rel=1e-3, abs=1e-2)
    for place in (0, 5, 20):
        step = chain.copy()
        step[place, 1] = 1e-6
        slope = (
            bundle.cost(bundle.moved(state, shared, step)) - bundle.cost(bundle.moved(state, shared, -step))
        ) / 2e-6
        assert system.gradient_chain[place, 1] == pytest.approx(slope, rel=1e-3, abs=1e-2)


def test_exact_pixels_are_explained_and_give_back_the_time_offsets():
    bundle, truth = scene()
    free = bundle.free.copy()
    free[:, LENS] = False  # 60 instants tell no lens
    bundle = replace(bundle, free=free, sigma=np.full(len(bundle.xy), 0.02), cauchy=np.inf)
    rng = np.random.default_rng(2)
    off = truth.t + np.where(free[:, 8:11], rng.normal(0, 0.02, (3, 3)), 0.0)
    start = replace(
        truth,
        t=off,
        offset=np.zeros(3),
        drift=np.zeros(3),
        coefficients=truth.coefficients + rng.normal(0, 0.02, (28, 3)),
    )
    found = levenberg_marquardt(bundle, start, max_steps=40, tolerance=1e-12).state
    # What holds coefficients in place weighs less than a thousandth of these pixels.
    assert np.sqrt((bundle.residuals(found) ** 2).mean()) < 0.01
    np.testing.assert_allclose(found.offset, truth.offset, atol=1e-3)
    np.testing.assert_allclose(found.drift, truth.drift, atol=3e-3)
