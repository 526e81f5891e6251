"""Points side by side: what goes in and out of a batch, and the arithmetic as plain numpy does it."""

import numpy as np
import pytest

from multiview.geometry.jit import Array, kernel
from multiview.geometry.point_batch_kernels import (
    CHI2,
    G0,
    H0,
    INLIER,
    INLIERS,
    MAX_RAY_CHI2,
    PRIOR_CHI2,
    Batch,
    L,
    count_inliers,
    gate_rays,
    gauss_newton,
    linearise,
    put_predictions,
    put_ray,
    put_rays,
    read_point,
    read_points,
)
from multiview.geometry.reprojection_kernels import HUBER_CHI2

CAMERAS, ROWS = 3, 60


@kernel
def put_side_by_side(batch: Batch, k: int, mean: Array, prior: Array, rows: Array, xy: Array, info: Array) -> None:
    put_predictions(batch.points, k, mean, prior)
    for c in range(rows.shape[0]):
        put_rays(batch.rays[c], k, rows[c], xy, info)


@kernel
def put_singly(batch: Batch, k: int, mean: Array, prior: Array, rows: Array, xy: Array, info: Array) -> None:
    for i in range(mean.shape[0]):
        put_predictions(batch.points, k + i, mean[i : i + 1], prior[i : i + 1])
        for c in range(rows.shape[0]):
            put_ray(batch.rays[c], k + i, rows[c, i], xy, info)


@kernel
def linearise_batch(batch: Batch, R: Array, t: Array, count: int) -> None:
    linearise(batch, R, t, count)


@kernel
def gate_batch(batch: Batch, gate: float) -> None:
    gate_rays(batch, gate)
    count_inliers(batch)


@kernel
def converge(batch: Batch, R: Array, t: Array, xyz: Array, H: Array) -> None:
    gauss_newton(batch, R, t, xyz.shape[0], 20)
    read_points(batch.points, 0, xyz, H)


@kernel
def read_singly(batch: Batch, xyz: Array, H: Array) -> None:
    for k in range(xyz.shape[0]):
        read_point(batch.points, k, xyz[k], H[k])


def scene(points: int, rng: np.random.Generator) -> tuple[Array, ...]:
    """Predictions some centimetres off, with their information, and rays: mean, prior, rays, xy, info, R, t."""
    R = np.stack([np.linalg.qr(np.eye(3) + 0.1 * rng.normal(size=(3, 3)))[0] for _ in range(CAMERAS)])
    R *= np.sign(R[:, 2:, 2:])
    t = np.column_stack([rng.normal(size=(CAMERAS, 2)), np.full(CAMERAS, 4.0)])
    truth = rng.uniform(-1, 1, (points, 3))
    cam = np.einsum("cij,nj->cni", R, truth) + t[:, None]
    xy = np.concatenate([cam[..., :2] / cam[..., 2:] + rng.normal(0, 0.002, (CAMERAS, points, 2))]).reshape(-1, 2)
    root = rng.normal(size=(len(xy), 2, 2))
    full = (root @ root.transpose(0, 2, 1) + np.eye(2)) / 0.002**2
    info = np.stack([full[:, 0, 0], full[:, 0, 1], full[:, 1, 1]], axis=1)
    rays = np.arange(len(xy)).reshape(CAMERAS, points)
    prior = np.tile(np.array([1, 0.1, 0, 1, 0, 1]) / 0.05**2, (points, 1))
    return truth + rng.normal(0, 0.05, (points, 3)), prior, rays, xy, info, R, t


@pytest.mark.parametrize(("k", "points"), [(0, 20), (7, 25), (31, 1)])
def test_points_side_by_side_are_as_one_by_one(k: int, points: int) -> None:
    rng = np.random.default_rng(points)
    mean, prior, rays, xy, info, *_ = scene(points, rng)
    others = rays.copy()
    others[1, rng.random(points) < 0.4] = -1
    others[0, :2] = -1
    swapped = rays[:, ::-1].copy()
    nobody = np.full_like(rays, -1)
    for table in (rays, others, swapped, nobody, np.where(others < 0, -1, rays[:, :1])):
        line, single = Batch.empty(CAMERAS), Batch.empty(CAMERAS)
        put_side_by_side(line, k, mean, prior, table, xy, info)
        put_singly(single, k, mean, prior, table, xy, info)
        np.testing.assert_array_equal(line.points, single.points)
        np.testing.assert_array_equal(line.rays, single.rays)


def test_linearise_agrees_with_numpy() -> None:
    points = 11
    rng = np.random.default_rng(1)
    mean, prior, rays, xy, info, R, t = scene(points, rng)
    xy[5] += 0.5  # an outlier, which pulls with constant force
    rays[2, 3] = -1
    batch = Batch.empty(CAMERAS)
    put_side_by_side(batch, 0, mean, prior, rays, xy, info)
    batch.rays[0, INLIER + 4] = 0.0
    linearise_batch(batch, R, t, points)
    use, chi2 = batch.rays[:, INLIER : INLIER + points], batch.rays[:, CHI2 : CHI2 + points]
    upper = np.triu_indices(3)
    for j in range(points):
        H, g, worst = np.zeros((3, 3)), np.zeros(3), 0.0
        H[upper] = prior[j]
        H = H + np.triu(H, 1).T
        for c in range(CAMERAS):
            if rays[c, j] < 0:
                assert chi2[c, j] == 0.0
                continue
            x, y, z = R[c] @ mean[j] + t[c]
            r = np.array([x / z, y / z]) - xy[rays[c, j]]
            J = np.array([[1, 0, -x / z], [0, 1, -y / z]]) / z @ R[c]
            W = info[rays[c, j]][[0, 1, 1, 2]].reshape(2, 2)
            off = r @ W @ r
            k = use[c, j] * np.sqrt(HUBER_CHI2 / max(HUBER_CHI2, off))
            H, g, worst = H + k * J.T @ W @ J, g + k * J.T @ W @ r, max(worst, off)
            np.testing.assert_allclose(chi2[c, j], off)
        np.testing.assert_allclose(batch.points[H0 + j :: L][:6], H[upper])
        np.testing.assert_allclose(batch.points[G0 + j :: L][:3], g)
        np.testing.assert_allclose(batch.points[MAX_RAY_CHI2 + j], worst)
        assert batch.points[PRIOR_CHI2 + j] == 0.0


def test_gauss_newton_ends_where_the_gradient_vanishes() -> None:
    rng = np.random.default_rng(2)
    mean, prior, rays, xy, info, R, t = scene(25, rng)
    batch, xyz, H = Batch.empty(CAMERAS), np.empty((25, 3)), np.empty((25, 6))
    put_side_by_side(batch, 0, mean, prior, rays, xy, info)
    converge(batch, R, t, xyz, H)
    linearise_batch(batch, R, t, 25)
    step = np.linalg.solve(
        batch.points[H0 : H0 + 6 * L].reshape(6, L)[[0, 1, 2, 1, 3, 4, 2, 4, 5], :25].T.reshape(25, 3, 3),
        batch.points[G0 : G0 + 3 * L].reshape(3, L)[:, :25].T[..., None],
    )
    assert np.abs(step).max() < 1e-6  # m
    single = np.empty((25, 3)), np.empty((25, 6))
    read_singly(batch, *single)
    np.testing.assert_array_equal(single[0], xyz)


def test_gate_rays_keeps_those_within_the_gate() -> None:
    rng = np.random.default_rng(3)
    mean, prior, rows, xy, info, R, t = scene(9, rng)
    rows[1, 4] = -1
    batch = Batch.empty(CAMERAS)
    put_side_by_side(batch, 0, mean, prior, rows, xy, info)
    linearise_batch(batch, R, t, 9)
    chi2 = batch.rays[:, CHI2 : CHI2 + 9]
    gate = float(np.median(chi2))
    gate_batch(batch, gate)
    inlier = (chi2 <= gate) & (rows >= 0)
    np.testing.assert_array_equal(batch.points[INLIERS : INLIERS + 9], inlier.sum(axis=0))
    assert 0 < inlier.sum() < inlier.size
