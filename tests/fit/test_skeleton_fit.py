import numpy as np
from scipy.optimize import least_squares

from multiview.fit.skeleton_kernels import Pulls, fit_skeleton
from multiview.geometry.triangulate_kernels import Sight

PARENT = np.array([-1, 0, 1, 0, 3, 3])
ORDER = np.array([0, 1, 3, 2, 4, 5])


def problem(seed: int) -> dict[str, np.ndarray]:
    """Two cameras, six joints: some with two rays, one with one, one with none."""
    rng = np.random.default_rng(seed)
    R = np.stack([np.eye(3), [[0.0, 0, -1], [0, 1, 0], [1, 0, 0]]])
    t = np.array([[0.0, 0, 4], [0.1, 0, 4]])
    true = np.cumsum(rng.normal(0, 0.2, (6, 3)), axis=0)
    cam = np.einsum("cij,nj->cni", R, true) + t[:, None]
    xy = (cam[..., :2] / cam[..., 2:] + rng.normal(0, 0.002, (2, 6, 2))).reshape(-1, 2)
    rays = np.arange(12).reshape(2, 6)
    rays[1, 4] = -1
    rays[:, 5] = -1
    bones = np.linalg.norm(true - true[PARENT], axis=1)
    return {
        "rays": rays,
        "xy": xy,
        "info": np.tile([1 / 0.002**2, 0.0, 1 / 0.002**2], (12, 1)),
        "R": R,
        "t": t,
        "mean": true + rng.normal(0, 0.03, true.shape),
        "prior": np.tile([400.0, 30.0, 0.0, 500.0, 20.0, 300.0], (6, 1)),
        "length": bones * rng.normal(1, 0.02, 6),
        "stiffness": np.array([0.0, 2e4, 2e4, 1e4, 3e4, 2e4]),
        "offset": true - true[PARENT],
        "tether": np.array([0.0, 0, 0, 0, 10.0, 50.0]),
    }


def residual(flat: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    """Everything that the kernel minimises, as one vector of whitened residuals."""
    X = flat.reshape(6, 3)
    parts = []
    for j in range(6):
        w = p["prior"][j]
        root = np.linalg.cholesky(np.array([[w[0], w[1], w[2]], [w[1], w[3], w[4]], [w[2], w[4], w[5]]])).T
        parts.append(root @ (X[j] - p["mean"][j]))
        for c in range(2):
            if p["rays"][c, j] >= 0:
                cam = p["R"][c] @ X[j] + p["t"][c]
                parts.append(np.sqrt(p["info"][0, 0]) * (cam[:2] / cam[2] - p["xy"][p["rays"][c, j]]))
        if PARENT[j] >= 0:
            bone = X[j] - X[PARENT[j]]
            parts.append(np.sqrt(p["stiffness"][[j]]) * (np.linalg.norm(bone) - p["length"][j]))
            parts.append(np.sqrt(p["tether"][j]) * (bone - p["offset"][j]))
    return np.concatenate(parts)


def test_minimum_and_covariance_are_scipys() -> None:
    for seed in range(5):
        p = problem(seed)
        xyz, C = p["mean"].copy(), np.empty((6, 6))
        sight = Sight(p["xy"], p["info"], np.zeros((12, 3)), p["R"], p["t"], np.zeros((2, 3)))
        pulls = Pulls(*(p[name] for name in Pulls._fields))
        fit_skeleton(p["rays"], sight, PARENT, ORDER, pulls, 30, xyz, C)
        plain = least_squares(residual, p["mean"].ravel(), args=(p,), xtol=1e-12, ftol=1e-12, gtol=1e-12)
        np.testing.assert_allclose(xyz, plain.x.reshape(6, 3), atol=2e-5)  # it stops at steps of 0.1 mm
        dense = np.linalg.inv(plain.jac.T @ plain.jac)
        for j in range(6):
            block = dense[3 * j : 3 * j + 3, 3 * j : 3 * j + 3]
            np.testing.assert_allclose(C[j], block[[0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]], rtol=2e-3, atol=1e-7)
