import numpy as np

from multiview.fusion.estimation.kalman_kernels import FAINT, predict
from multiview.fusion.state.track_state import State
from tests.fusion.estimation.one_joint import measure_one

UPPER = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2])
P, V = slice(0, 3), slice(3, 6)


def store(people: State, mean: np.ndarray, cov: np.ndarray) -> None:
    people.pos[0, 0], people.vel[0, 0] = mean[P], mean[V]
    people.cov_pp[0, 0], people.cov_vv[0, 0] = cov[P, P][UPPER], cov[V, V][UPPER]
    people.cov_pv[0, 0] = cov[P, V].ravel()


def check(people: State, mean: np.ndarray, cov: np.ndarray) -> None:
    expected = State.empty(1, 1, 1)
    store(expected, mean, cov)
    for name in ("pos", "vel", "cov_pp", "cov_pv", "cov_vv"):
        np.testing.assert_allclose(getattr(people, name), getattr(expected, name), rtol=1e-7, atol=1e-11, err_msg=name)


def spread(rng: np.random.Generator, size: int, scale: float) -> np.ndarray:
    root = rng.normal(size=(size, size))
    return scale * (root @ root.T + 0.3 * np.eye(size))


def test_update_is_the_kalman_filter_of_position_velocity_and_error() -> None:
    """The twin keeps the error of what is seen as three more states; differences of what is seen need none of them."""
    rng = np.random.default_rng(5)
    dt, q, k, share = 0.04, 7.0, 0.8, 0.1
    start, cov = rng.normal(size=6), spread(rng, 6, 1e-2)
    N = spread(rng, 3, 1e-3)  # the rays stay the same, so the error's covariance does
    people = State.empty(1, 1, 1)
    store(people, start, cov)
    people.acceleration_psd[0, 0] = q
    B = slice(6, 9)
    mean, both = np.concatenate([start, np.zeros(3)]), np.zeros((9, 9))
    both[:6, :6], both[B, B] = cov, N
    sight = np.hstack([np.eye(3), np.zeros((3, 3)), np.eye(3)])
    for frame in range(4):
        predict(np.array([0]), dt, people)
        F = np.eye(9)
        F[P, V] = dt * np.eye(3)
        F[B, B] *= k if frame else 1.0
        mean = F @ mean
        push = np.kron([[dt * dt, dt], [dt, 1.0]], np.eye(3)) * q * dt
        both = F @ both @ F.T
        both[:6, :6] += push
        if frame:
            both[B, B] += (1 - k * k) * N
        W, z = np.linalg.inv(both[P, P]), mean[P] + 0.05 * rng.normal(size=3)
        # The kernel gets the point with a share of the prediction in it.
        given = share * W + np.linalg.inv(N) - FAINT * W
        point = np.linalg.solve(given, (share - FAINT) * W @ mean[P] + np.linalg.solve(N, z))
        before, old = people.pos[0, 0].copy(), both[P, P].copy()
        np.testing.assert_allclose(people.predicted_information[0, 0], W[UPPER], rtol=1e-6)
        C = np.linalg.inv(given)[UPPER]
        innovation_sq, expected = measure_one(people, dt, k, share, 3, point, C)
        gain = both @ sight.T @ np.linalg.inv(sight @ both @ sight.T)
        mean = mean + gain @ (z - sight @ mean)
        both = both - gain @ sight @ both
        check(people, mean[:6], both[:6, :6])
        shift = people.pos[0, 0] - before
        assert np.isclose(innovation_sq, shift @ W @ shift)
        assert np.isclose(expected, np.trace(W @ (old - both[P, P])))


def test_update_without_autocorrelation_is_the_plain_filter() -> None:
    rng = np.random.default_rng(7)
    mean, cov, N = rng.normal(size=6), spread(rng, 6, 1e-2), spread(rng, 3, 1e-3)
    people = State.empty(1, 1, 1)
    store(people, mean, cov)
    people.measurement_cov[0, 0], people.measurement[0, 0] = N[UPPER], 9.0
    W, z = np.linalg.inv(cov[P, P]), rng.normal(size=3)
    people.predicted_information[0, 0] = W[UPPER]
    given = np.linalg.inv(N) + (0.2 - FAINT) * W
    point = np.linalg.solve(given, (0.2 - FAINT) * W @ mean[P] + np.linalg.solve(N, z))
    measure_one(people, 0.04, 0.0, 0.2, 2, point, np.linalg.inv(given)[UPPER])
    gain = cov[:, P] @ np.linalg.inv(cov[P, P] + N)
    check(people, mean + gain @ (z - mean[P]), cov - gain @ cov[P])


def test_first_measurement_is_as_uncertain_as_its_rays() -> None:
    people = State.empty(1, 1, 1)
    C = spread(np.random.default_rng(6), 3, 1e-3)[UPPER]
    measure_one(people, 0.0, 0.9, 0.1, 2, np.ones(3), C)
    np.testing.assert_allclose(people.pos[0, 0], 1.0)
    np.testing.assert_allclose(people.cov_pp[0, 0], C)
    np.testing.assert_allclose(people.measurement_cov[0, 0], C)
