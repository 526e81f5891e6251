import numpy as np

from multiview.fit.filter_kernels import FAINT, correct, measure, predict
from multiview.fit.people import State

UPPER = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2])
P, V, B = slice(0, 3), slice(3, 6), slice(6, 9)


def store(people: State, mean: np.ndarray, cov: np.ndarray) -> None:
    people.pos[0, 0], people.vel[0, 0], people.bias[0, 0] = mean[P], mean[V], mean[B]
    for name, block in (("pp", (P, P)), ("vv", (V, V)), ("bb", (B, B))):
        getattr(people, name)[0, 0] = cov[block][UPPER]
    for name, block in (("pv", (P, V)), ("pb", (P, B)), ("vb", (V, B))):
        getattr(people, name)[0, 0] = cov[block].ravel()


def check(people: State, mean: np.ndarray, cov: np.ndarray) -> None:
    expected = State.empty(1, 1)
    store(expected, mean, cov)
    for name in ("pos", "vel", "bias", "pp", "pv", "pb", "vv", "vb", "bb"):
        np.testing.assert_allclose(getattr(people, name), getattr(expected, name), rtol=1e-7, atol=1e-11, err_msg=name)


def spread(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    root = rng.normal(size=(size, size))
    return scale * (root @ root.T + 0.3 * np.eye(size))


def test_the_blocks_are_the_kalman_filter_of_the_whole_state() -> None:
    rng = np.random.default_rng(5)
    mean, cov, dt, q, k = rng.normal(size=9), spread(rng, 9, 1e-2), 0.04, 7.0, 0.8
    people = State.empty(1, 1)
    store(people, mean, cov)
    people.agility[0, 0] = q

    predict(np.array([0]), np.array([dt]), people)
    F = np.eye(9)
    F[P, V] = dt * np.eye(3)
    mean, cov = F @ mean, F @ cov @ F.T
    cov[:6, :6] += q * np.kron([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], np.eye(3))
    check(people, mean, cov)

    # Rays say z with information A; the kernel gets the point that has the prediction in it.
    W, A, z = np.linalg.inv(cov[P, P]), np.linalg.inv(spread(rng, 3, 1e-3)), mean[P] + 0.05 * rng.normal(size=3)
    H = W + A
    point = np.linalg.solve(H, W @ mean[P] + A @ z)
    A_faint = A + FAINT * W
    z, N = np.linalg.solve(A_faint, A @ z + FAINT * W @ mean[P]), np.linalg.inv(A_faint)
    people.blur[0, 0] = N[UPPER]
    found, expected = np.empty(1), np.empty(1)
    measure(0, people, k, np.array([3]), point[None], H[UPPER][None], found, expected)
    fade = np.diag([1.0] * 6 + [k] * 3)
    mean, cov = fade @ mean, fade @ cov @ fade
    cov[B, B] += (1 - k * k) * N
    sight = np.hstack([np.eye(3), np.zeros((3, 3)), np.eye(3)])
    gain = cov @ sight.T @ np.linalg.inv(sight @ cov @ sight.T)
    shift, before = gain @ (z - sight @ mean), cov[P, P]
    mean, cov = mean + shift, cov - gain @ sight @ cov
    check(people, mean, cov)
    assert np.isclose(found[0], shift[P] @ W @ shift[P])
    assert np.isclose(expected[0], np.trace(W @ (before - cov[P, P])))

    # Bones then measure the position alone.
    R, y = spread(rng, 3, 1e-3), mean[P] + 0.01 * rng.normal(size=3)
    known = np.linalg.inv(cov[P, P])
    gain = cov[:, P] @ np.linalg.inv(cov[P, P] + R)
    mean, cov = mean + gain @ (y - mean[P]), cov - gain @ cov[P]
    correct(0, people, known[UPPER][None], mean[None, P].copy(), cov[P, P][UPPER][None].copy())
    check(people, mean, cov)


def test_a_first_point_is_as_uncertain_as_its_bias() -> None:
    people = State.empty(1, 1)
    H = np.linalg.inv(spread(np.random.default_rng(6), 3, 1e-3))
    measure(0, people, 0.9, np.array([2]), np.ones((1, 3)), H[UPPER][None], np.empty(1), np.empty(1))
    N = np.linalg.inv(H)
    np.testing.assert_allclose(people.pos[0, 0], 1.0)
    np.testing.assert_allclose(people.pp[0, 0], N[UPPER], rtol=1e-9)
    np.testing.assert_allclose(people.pb[0, 0], -N.ravel(), rtol=1e-9)
