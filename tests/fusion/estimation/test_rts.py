import numpy as np
from scipy.optimize import lsq_linear

from multiview.fusion.estimation.kalman_kernels import predict
from multiview.fusion.estimation.rts_kernels import SIZE, pack, smooth
from multiview.fusion.state.track_state import State
from tests.fusion.estimation.one_joint import measure_one

UPPER = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2])
FRAMES, DT, Q, FADE, SIGMA = 12, 0.04, 3.0, 0.7, 0.02


def filtered(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The filter over points z with noise SIGMA, and what the smoother makes of it."""
    people, slot = State.empty(1, 1, 1), np.array([0])
    people.cov_vv[0, 0] = np.eye(3)[UPPER]
    people.acceleration_psd[0, 0] = Q
    people.has_estimate[:] = True
    packed = np.empty((FRAMES, 1, SIZE))
    C = np.array([1, 0, 0, 1, 0, 1]) * SIGMA**2
    for k in range(FRAMES):
        if k:
            predict(slot, DT, people)
        measure_one(people, DT, FADE, 1e-3, 3, z[k], C)
        pack(slot, people, packed[k : k + 1])
    xyz, cov = np.empty((FRAMES, 1, 3)), np.empty((FRAMES, 1, 3, 3))
    smooth(packed, np.full(FRAMES, DT), xyz, cov)
    return xyz[:, 0], cov[:, 0]


def whitened(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One axis of the same problem, with its errors as unknowns, as rows of plain least squares.

    The unknowns are (position, velocity, error) in every frame; a velocity changes, then the position goes with it.
    """
    rows, right = [], []

    def add(entries: dict[int, float], value: float, sigma: float) -> None:
        row = np.zeros(3 * FRAMES)
        for column, factor in entries.items():
            row[column] = factor / sigma
        rows.append(row)
        right.append(value / sigma)

    add({1: 1.0}, 0.0, 1.0)
    add({2: 1.0}, 0.0, SIGMA)
    for k in range(FRAMES):
        add({3 * k: 1.0, 3 * k + 2: 1.0}, z[k], 1e-6)
        if k:
            a, b = 3 * (k - 1), 3 * k
            add({b + 1: 1.0, a + 1: -1.0}, 0.0, np.sqrt(Q * DT))
            add({b: 1.0, a: -1.0, b + 1: -DT}, 0.0, 1e-6)
            add({b + 2: 1.0, a + 2: -FADE}, 0.0, SIGMA * np.sqrt(1 - FADE**2))
    return np.array(rows), np.array(right)


def test_the_way_back_solves_the_whole_trajectory_at_once() -> None:
    rng = np.random.default_rng(9)
    z = np.cumsum(rng.normal(0, 0.02, (FRAMES, 3)), axis=0) + rng.normal(0, SIGMA, (FRAMES, 3))
    xyz, cov = filtered(z)
    for axis in range(3):
        rows, right = whitened(z[:, axis])
        plain = lsq_linear(rows, right).x
        np.testing.assert_allclose(xyz[:, axis], plain[::3], atol=1e-5)
        variance = np.diag(np.linalg.inv(rows.T @ rows))[::3]
        np.testing.assert_allclose(cov[:, axis, axis], variance, rtol=1e-3)
