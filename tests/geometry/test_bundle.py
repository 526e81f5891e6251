"""The Schur solver against a dense one, and the bundle's derivatives against differences."""

from dataclasses import replace

import numpy as np
import pytest

from multiview.geometry.bundle import Bundle, BundleState, Lens, LensPrior
from multiview.geometry.least_squares import ArrowSystem, levenberg_marquardt
from multiview.geometry.rigid import rotation_from_vector
from multiview.geometry.trajectory import Knots, at


def dense(system):
    """The whole of H, and its gradient."""
    blocks, length, p, _ = system.band.shape
    s = len(system.shared)
    H = np.zeros((s + length * p, s + length * p))
    H[:s, :s] = system.shared
    H[s:, :s] = system.cross.reshape(length * p, s)
    for d in range(blocks):
        for k in range(length - d):
            row, column = s + (k + d) * p, s + k * p
            H[row : row + p, column : column + p] = system.band[d, k]
    H = np.tril(H) + np.tril(H, -1).T
    return H, np.concatenate([system.gradient_shared, system.gradient_chain.ravel()])


def random_system(rng, shared, length, p, blocks):
    J = rng.normal(size=(6 * (shared + length * p), shared + length * p))
    H = J.T @ J
    s = shared
    for row in range(length):  # cut what lies outside the band
        for column in range(length):
            if abs(row - column) >= blocks:
                H[s + row * p : s + (row + 1) * p, s + column * p : s + (column + 1) * p] = 0
    H += np.eye(len(H)) * 3 * np.abs(H).sum(axis=1).max() / len(H)
    band = np.zeros((blocks, length, p, p))
    for d in range(blocks):
        for k in range(length - d):
            row, column = s + (k + d) * p, s + k * p
            band[d, k] = H[row : row + p, column : column + p]
    g = rng.normal(size=len(H))
    return ArrowSystem(H[:s, :s], H[s:, :s].reshape(length, p, s), band, g[:s], g[s:].reshape(length, p))


@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize("shared", [0, 5])
def test_the_schur_solver_is_a_dense_solver(blocks, shared):
    system = random_system(np.random.default_rng(blocks), shared, 7, 3, blocks)
    H, g = dense(system)
    np.testing.assert_allclose(H, H.T)
    for damping in (0.0, 0.3):
        expected = np.linalg.solve(H + damping * np.diag(np.diag(H)), -g)
        step, chain = system.solve(damping)
        np.testing.assert_allclose(np.concatenate([step, chain.ravel()]), expected, rtol=1e-9, atol=1e-12)
    if shared:
        np.testing.assert_allclose(system.shared_covariance(), np.linalg.inv(H)[:shared, :shared], rtol=1e-8)


def make_bundle(rng, moving, cauchy=np.inf):
    """Two cameras, a pinhole and a fisheye, that watch a board through 6 knots."""
    frames = 6
    points = np.column_stack([rng.uniform(-0.3, 0.3, (9, 2)), np.zeros(9)])
    lenses = (
        Lens(np.array([900.0, 910, 640, 360]), np.array([-0.1, 0.03, 1e-3, -1e-3, 0.01])),
        Lens(np.array([700.0, 705, 630, 350]), np.array([0.02, -0.01, 0.003, 0.0]), "fisheye"),
    )
    drift = np.cumsum(rng.normal(0, 0.05, (frames, 6)), axis=0)
    state = BundleState(
        lenses,
        rotation_from_vector(np.array([[0, 0, 0], [0.1, -0.5, 0.05]])),
        np.array([[0, 0, 0], [1.0, 0.1, 0.4]]),
        np.array([0.0, 0.012]),
        rotation_from_vector(drift[:, :3]),
        drift[:, 3:] + [0, 0, 3.0],
    )
    camera, knot = np.repeat([0, 1], frames), np.tile(np.arange(frames), 2)
    free = tuple(np.ones(4 + len(lens.dist), dtype=bool) for lens in lenses)
    second = np.array([False, True])
    timed = (
        {"time": knot / 30.0, "knots": Knots(np.arange(frames) / 30.0, np.zeros(frames, dtype=int))} if moving else {}
    )
    bundle = Bundle(
        points, camera, knot, np.zeros((12, 9, 2)), np.ones((12, 9)), free, second, second & moving, cauchy, **timed
    )
    noise = rng.normal(0, 1.0, bundle.xy.shape)
    return replace(bundle, xy=noise - bundle.residuals(state), weight=rng.uniform(0, 2, (12, 9)).round(1)), state


def test_bundle_wander_of_single_views_is_an_offset_of_theirs():
    """Gradient against differences, and the information against that of the camera's common offset."""
    bundle, state = make_bundle(np.random.default_rng(1), moving=True)
    views = np.array([9, 7, 2])  # of both cameras, in any order
    precision = np.array([[4e4, -1e4, 0], [-1e4, 5e4, 0], [0, 0, 3e4]])
    wandering = replace(bundle, unsteady=views, wander_precision=precision)
    state = replace(state, wander=np.array([0.004, -0.003, 0.002]))
    system = wandering.linearised(state)
    shared, still = np.zeros(len(system.shared)), np.zeros(system.gradient_chain.shape)
    for k in range(len(shared) - 3, len(shared)):
        one = 1e-5 * (np.arange(len(shared)) == k)
        ahead, behind = (wandering.cost(wandering.moved(state, s * one, still)) for s in (1, -1))
        assert (ahead - behind) / 2e-5 == pytest.approx(system.gradient_shared[k], rel=1e-4)
    everyone = np.flatnonzero(bundle.camera == 1)
    all_views = replace(bundle, unsteady=everyone, wander_precision=np.zeros((6, 6)))
    system = all_views.linearised(replace(state, wander=np.zeros(6)))
    n = len(system.shared) - 6  # the common offset is the last unknown before them
    np.testing.assert_allclose(system.shared[:n, n:].sum(axis=1), system.shared[:n, n - 1], atol=1e-9 * n)
    np.testing.assert_allclose(system.cross[:, :, n:].sum(axis=2), system.cross[:, :, n - 1], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("moving", [False, True], ids=["at rest", "moving"])
@pytest.mark.parametrize("cauchy", [np.inf, 1.5])
def test_gradients_agree_with_differences(moving, cauchy):
    bundle, state = make_bundle(np.random.default_rng(1), moving, cauchy)
    known = LensPrior(np.array([0, 0, 620.0, 380, 0, 0, 0, 0]), np.array([0, 0, 0.02, 0.02, 3, 5, 10, 10]))
    bundle = replace(bundle, lens_prior=(None, known))
    system = bundle.linearised(state)
    shared, chain = np.zeros(len(system.shared)), np.zeros(system.gradient_chain.shape)
    assert len(shared) == 9 + 8 + 6 + moving
    for k in range(len(shared)):
        step = 1e-4 / np.sqrt(system.shared[k, k])
        ahead, behind = (bundle.cost(bundle.moved(state, s * np.eye(len(shared))[k], chain)) for s in (step, -step))
        assert (ahead - behind) / (2 * step) == pytest.approx(
            system.gradient_shared[k], rel=1e-4, abs=1e-4 / step * 1e-6
        )
    for k, i in np.ndindex(chain.shape):
        one = np.zeros_like(chain)
        one[k, i] = 1e-7
        ahead, behind = (bundle.cost(bundle.moved(state, shared, s * one)) for s in (1, -1))
        assert (ahead - behind) / 2e-7 == pytest.approx(system.gradient_chain[k, i], rel=1e-4, abs=1e-2)


@pytest.mark.parametrize("moving", [False, True], ids=["at rest", "moving"])
def test_exact_measurements_lead_back_to_the_truth(moving):
    rng = np.random.default_rng(2)
    bundle, truth = make_bundle(rng, moving)
    bundle = replace(bundle, xy=bundle.xy + 0 * bundle.xy, weight=np.ones((12, 9)), acceleration=(1e6, 1e6))
    bundle = replace(bundle, xy=-replace(bundle, xy=np.zeros_like(bundle.xy)).residuals(truth))
    fixed = tuple(np.zeros_like(free) for free in bundle.free_lens)
    bundle = replace(bundle, free_lens=fixed)
    size = len(bundle.linearised(truth).shared)
    off = bundle.moved(truth, rng.normal(0, 0.005, size), rng.normal(0, 0.02, (6, 6)))
    found = levenberg_marquardt(bundle, off, max_steps=60, tolerance=1e-14)
    np.testing.assert_allclose(found.state.R, truth.R, atol=1e-6)
    np.testing.assert_allclose(found.state.t, truth.t, atol=1e-6)
    np.testing.assert_allclose(found.state.offset, truth.offset, atol=1e-6)


def test_a_motion_that_is_a_cubic_is_followed_exactly():
    time = np.array([0.0, 0.1, 0.2, 0.35, 0.4, 0.5])
    path = lambda s: np.stack([s**3, 1 - s**2, s], axis=-1)
    turn = lambda s: np.stack([s**3 - s, 0 * s, 0 * s], axis=-1)  # about one axis, where turns add up
    knots = Knots(time, np.zeros(6, dtype=int))
    asked = np.array([0.03, 0.17, 0.31, 0.44, 0.52])
    motion = at(knots, rotation_from_vector(turn(time)), path(time), np.array([0, 1, 3, 4, 5]), asked)
    np.testing.assert_allclose(motion.t, path(asked), atol=1e-12)
    np.testing.assert_allclose(motion.R, rotation_from_vector(turn(asked)), atol=1e-12)
    np.testing.assert_allclose(
        motion.velocity[:, 3:], np.stack([3 * asked**2, -2 * asked, 1 + 0 * asked], axis=-1), atol=1e-10
    )
    np.testing.assert_allclose(motion.velocity[:, 0], 3 * asked**2 - 1, atol=1e-10)


def test_nothing_is_interpolated_across_segments():
    knots = Knots(np.arange(8) / 10, np.repeat([0, 1], 4))
    t = np.repeat([[0.0, 0, 0], [100, 0, 0]], 4, axis=0)
    motion = at(knots, np.tile(np.eye(3), (8, 1, 1)), t, np.array([3, 4]), np.array([0.34, 0.36]))
    np.testing.assert_allclose(motion.t[:, 0], [0, 100], atol=1e-9)
    with pytest.raises(ValueError, match="needs 4 knots"):
        at(
            Knots(np.arange(3.0), np.zeros(3, dtype=int)),
            np.tile(np.eye(3), (3, 1, 1)),
            t[:3],
            np.array([1]),
            np.ones(1),
        )


def test_equations_that_are_not_finite_are_numeric_trouble_and_no_other_error():
    shared, band = np.diag([1.0, np.nan]), np.tile(np.eye(6), (1, 2, 1, 1))
    system = ArrowSystem(shared, np.zeros((2, 6, 2)), band, np.ones(2), np.ones((2, 6)))
    with pytest.raises(np.linalg.LinAlgError, match="not finite"):
        system.solve()
