import numpy as np
from scipy.optimize import lsq_linear

from multiview.fit.filter_kernels import measure, predict
from multiview.fit.people import State
from multiview.fit.smooth_kernels import SIZE, pack, smooth

UPPER = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2])
FRAMES, DT, Q, FADE, SIGMA = 12, 0.04, 3.0, 0.7, 0.02


def filtered(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The filter over points z with noise SIGMA, and what the smoother makes of it."""
    people, slot = State.empty(1, 1), np.array([0])
    people.vv[0, 0] = np.eye(3)[UPPER]
    people.agility[0, 0] = Q
    packed = np.empty((FRAMES, 1, SIZE))
    A = np.array([1, 0, 0, 1, 0, 1]) / SIGMA**2
    for k in range(FRAMES):
        point, H = z[k], A
        if k:
            predict(slot, np.array([DT]), people)
            H = people.prior[0, 0] + A
            full = H[[0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(3, 3)
            prior = people.prior[0, 0][[0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(3, 3)
            point = np.linalg.solve(full, prior @ people.pos[0, 0] + z[k] / SIGMA**2)
        measure(0, people, FADE, np.array([3]), point[None], H[None], np.empty(1), np.empty(1))
        pack(slot, people, packed[k : k + 1])
    xyz, cov = np.empty((FRAMES, 1, 3)), np.empty((FRAMES, 1, 6))
    smooth(packed, np.full(FRAMES, DT), xyz, cov)
    return xyz[:, 0], cov[:, 0]


def whitened(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One axis of the same problem as rows of a plain least squares problem in (position, velocity, bias) per frame."""
    rows, right = [], []

    def add(entries: dict[int, float], value: float, sigma: float) -> None:
        row = np.zeros(3 * FRAMES)
        for column, factor in entries.items():
            row[column] = factor / sigma
        rows.append(row)
        right.append(value / sigma)

    add({1: 1.0}, 0.0, 1.0)
    add({2: 1.0}, 0.0, SIGMA)
    process = np.linalg.cholesky(np.linalg.inv(Q * np.array([[DT**3 / 3, DT**2 / 2], [DT**2 / 2, DT]]))).T
    for k in range(FRAMES):
        add({3 * k: 1.0, 3 * k + 2: 1.0}, z[k], 1e-6)
        if k:
            a, b = 3 * (k - 1), 3 * k
            step = {b: 1.0, a: -1.0, a + 1: -DT}, {b + 1: 1.0, a + 1: -1.0}
            for first, second in process:
                columns = step[0].keys() | step[1].keys()
                add({c: first * step[0].get(c, 0) + second * step[1].get(c, 0) for c in columns}, 0.0, 1.0)
            add({b + 2: 1.0, a + 2: -FADE}, 0.0, SIGMA * np.sqrt(1 - FADE**2))
    return np.array(rows), np.array(right)


def test_the_way_back_solves_the_whole_trajectory_at_once() -> None:
    rng = np.random.default_rng(9)
    z = np.cumsum(rng.normal(0, 0.02, (FRAMES, 3)), axis=0) + rng.normal(0, SIGMA, (FRAMES, 3))
    xyz, cov = filtered(z)
    for axis in range(3):
        rows, right = whitened(z[:, axis])
        plain = lsq_linear(rows, right).x
        np.testing.assert_allclose(xyz[:, axis], plain[::3], atol=2e-4)
        variance = np.diag(np.linalg.inv(rows.T @ rows))[::3]
        np.testing.assert_allclose(cov[:, (0, 3, 5)[axis]], variance, rtol=0.02)
