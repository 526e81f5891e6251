"""Points side by side: what goes in and out of a batch, and the arithmetic as plain numpy does it."""

import numpy as np
import pytest

from multiview.geometry.jit import Array, kernel
from multiview.geometry.point_batch_kernels import (
    CHI2,
    G0,
    H0,
    HUBER_SQUARED,
    PULL,
    USE,
    WORST,
    Batch,
    L,
    evaluate,
    put_predictions,
    put_rays,
    put_rays_in_line,
    read_points,
    settle,
)

CAMERAS, ROWS = 3, 60


@kernel
def put_in_line(batch: Batch, k: int, mean: Array, prior: Array, rays: Array, xy: Array, info: Array) -> None:
    put_predictions(batch, k, mean, prior)
    for c in range(rays.shape[0]):
        put_rays_in_line(batch, c, k, rays[c], xy, info)


@kernel
def put_singly(batch: Batch, k: int, mean: Array, prior: Array, rays: Array, xy: Array, info: Array) -> None:
    for i in range(mean.shape[0]):
        put_predictions(batch, k + i, mean[i : i + 1], prior[i : i + 1])
        put_rays(batch, k + i, rays[:, i], xy, info)


@kernel
def evaluate_batch(batch: Batch, R: Array, t: Array, count: int) -> None:
    evaluate(batch, R, t, count)


@kernel
def settle_batch(batch: Batch, R: Array, t: Array, xyz: Array, H: Array) -> None:
    settle(batch, R, t, xyz.shape[0], 20)
    read_points(batch, 0, xyz, H)


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
def test_rays_in_line_are_as_one_by_one(k: int, points: int) -> None:
    rng = np.random.default_rng(points)
    mean, prior, rays, xy, info, *_ = scene(points, rng)
    others = rays.copy()
    others[1, rng.random(points) < 0.4] = -1
    others[0, :2] = -1
    swapped = rays[:, ::-1].copy()
    nobody = np.full_like(rays, -1)
    for table in (rays, others, swapped, nobody, np.where(others < 0, -1, rays[:, :1])):
        line, single = Batch.empty(CAMERAS), Batch.empty(CAMERAS)
        put_in_line(line, k, mean, prior, table, xy, info)
        put_singly(single, k, mean, prior, table, xy, info)
        np.testing.assert_array_equal(line.lanes, single.lanes)
        np.testing.assert_array_equal(line.seen, single.seen)


def test_sums_are_numpys() -> None:
    points = 11
    rng = np.random.default_rng(1)
    mean, prior, rays, xy, info, R, t = scene(points, rng)
    xy[5] += 0.5  # an outlier, which pulls with constant force
    rays[2, 3] = -1
    batch = Batch.empty(CAMERAS)
    put_in_line(batch, 0, mean, prior, rays, xy, info)
    batch.seen[0, USE + 4] = 0.0  # not to pull
    evaluate_batch(batch, R, t, points)
    use, chi2 = batch.seen[:, USE : USE + points], batch.seen[:, CHI2 : CHI2 + points]
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
            k = use[c, j] * np.sqrt(HUBER_SQUARED / max(HUBER_SQUARED, off))
            H, g, worst = H + k * J.T @ W @ J, g + k * J.T @ W @ r, max(worst, off)
            np.testing.assert_allclose(chi2[c, j], off)
        np.testing.assert_allclose(batch.lanes[H0 + j :: L][:6], H[upper])
        np.testing.assert_allclose(batch.lanes[G0 + j :: L][:3], g)
        np.testing.assert_allclose(batch.lanes[WORST + j], worst)
        assert batch.lanes[PULL + j] == 0.0


def test_points_settle_where_nothing_pulls() -> None:
    rng = np.random.default_rng(2)
    mean, prior, rays, xy, info, R, t = scene(25, rng)
    batch, xyz, H = Batch.empty(CAMERAS), np.empty((25, 3)), np.empty((25, 6))
    put_in_line(batch, 0, mean, prior, rays, xy, info)
    settle_batch(batch, R, t, xyz, H)
    evaluate_batch(batch, R, t, 25)
    step = np.linalg.solve(
        batch.lanes[H0 : H0 + 6 * L].reshape(6, L)[[0, 1, 2, 1, 3, 4, 2, 4, 5], :25].T.reshape(25, 3, 3),
        batch.lanes[G0 : G0 + 3 * L].reshape(3, L)[:, :25].T[..., None],
    )
    assert np.abs(step).max() < 1e-6  # m
