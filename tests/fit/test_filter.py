import numpy as np

from multiview.fit.filter_kernels import correct, predict

UPPER = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2])


def pack(cov: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return cov[:3, :3][UPPER], cov[:3, 3:].ravel(), cov[3:, 3:][UPPER]


def test_predict_and_correct_are_the_kalman_filter() -> None:
    rng = np.random.default_rng(5)
    root = rng.normal(size=(6, 6))
    cov, mean, dt, q = root @ root.T * 0.01 + np.eye(6) * 1e-3, rng.normal(size=6), 0.04, 7.0
    state = {"pos": mean[:3].copy(), "vel": mean[3:].copy()} | dict(zip("PQV", pack(cov), strict=True))
    s = {name: value.reshape(1, 1, -1) for name, value in state.items()}
    prior = np.empty((1, 1, 6))
    predict(np.array([0]), np.array([dt]), np.array([[q]]), s["pos"], s["vel"], s["P"], s["Q"], s["V"], prior)

    F = np.eye(6)
    F[:3, 3:] = dt * np.eye(3)
    noise = q * np.block([[dt**3 / 3 * np.eye(3), dt**2 / 2 * np.eye(3)], [dt**2 / 2 * np.eye(3), dt * np.eye(3)]])
    mean, cov = F @ mean, F @ cov @ F.T + noise
    np.testing.assert_allclose(s["P"][0, 0], cov[:3, :3][UPPER], rtol=1e-12)
    np.testing.assert_allclose(prior[0, 0], np.linalg.inv(cov[:3, :3])[UPPER], rtol=1e-9)

    measured, R = rng.normal(size=3), np.diag([0.01, 0.02, 0.005])
    gain = cov[:, :3] @ np.linalg.inv(cov[:3, :3] + R)
    after, after_cov = mean + gain @ (measured - mean[:3]), cov - gain @ cov[:3]
    correct(
        0,
        s["pos"],
        s["vel"],
        s["P"],
        s["Q"],
        s["V"],
        prior,
        after[None, :3].copy(),
        after_cov[:3, :3][UPPER][None].copy(),
    )
    np.testing.assert_allclose(s["vel"][0, 0], after[3:], rtol=1e-9)
    for name, expected in zip("PQV", pack(after_cov), strict=True):
        np.testing.assert_allclose(s[name][0, 0], expected, rtol=1e-9, atol=1e-12)
