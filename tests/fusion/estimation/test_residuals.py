"""What rays say of the noise, against the same in numpy."""

import numpy as np

from multiview.fusion.estimation.residual_kernels import MAX_CHI2, MAX_TAKEN, MIN_VIEWS, accumulate
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.state.measurement_noise import SCORES, SIZES, ResidualStatistics
from multiview.synthetic import Studio

SYM = [[0, 1, 2], [1, 3, 4], [2, 4, 5]]


def place(value: float, nodes: np.ndarray) -> tuple[int, float]:
    """Between which two nodes, and how far from the first to the second."""
    b = int(np.clip(np.searchsorted(nodes, value) - 1, 0, len(nodes) - 2))
    return b, float(np.clip((value - nodes[b]) / (nodes[b + 1] - nodes[b]), 0.0, 1.0))


def test_residual_statistics_are_numpys(fair_studio: Studio) -> None:
    pipeline = Pipeline(fair_studio.rig, fair_studio.skeleton)
    for tick in range(6):
        pipeline.step(fair_studio.views(tick))
    frame, state, rig, torso = pipeline.workspace, pipeline.tracker.people.state, pipeline.packed, pipeline.body.torso
    slots, table, joints = (
        frame.slots[: pipeline.n_tracks],
        frame.table[: pipeline.n_tracks],
        len(fair_studio.skeleton.joints),
    )
    table[0, 1, 3] = -1
    frame.used[0, 5] = MIN_VIEWS - 1
    frame.rays.xy[table[1, 2, 4] // joints, table[1, 2, 4] % joints] += 0.5  # a stray one
    statistics, last, kept = ResidualStatistics.empty(joints), *pipeline.last_residuals.copy()[None].repeat(2, axis=0)
    noise = pipeline.noise.tables
    accumulate(slots, table, frame.rays, rig, noise, state, torso, frame.used, last, statistics)
    sums, sizes, products = _one_by_one(pipeline, slots, table, kept)
    np.testing.assert_allclose([statistics.chi2, statistics.expected_chi2], sums, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(statistics.by_size, sizes, rtol=1e-9)
    np.testing.assert_allclose(statistics.products, products, rtol=1e-9)
    np.testing.assert_allclose(last, kept, rtol=1e-9, atol=1e-12)
    told = ~np.isnan(kept[..., 0])
    assert products[1] > 0.0
    assert not told[slots[0], 1, 3]
    assert not told[slots[0], :, 5].any()
    assert not told[slots[1], 2, 4]


def _one_by_one(
    pipeline: Pipeline, slots: np.ndarray, table: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    frame, state, rig = pipeline.workspace, pipeline.tracker.people.state, pipeline.packed
    joints = table.shape[2]
    sums, sizes, products = np.zeros((2, len(SCORES), joints)), np.zeros((len(SIZES), 2)), np.zeros(2)
    for (n, c, j), i in np.ndenumerate(table):
        m, before = slots[n], last[slots[n], c, j].copy()
        last[m, c, j] = np.nan
        if i < 0 or frame.used[n, j] < MIN_VIEWS:
            continue
        x, y, z = rig.R[c] @ state.measurement[m, j] + rig.t[c]
        miss = np.array([x / z, y / z]) - frame.rays.xy.reshape(-1, 2)[i]
        W = frame.rays.info.reshape(-1, 3)[i][[[0, 1], [1, 2]]]
        chi2 = miss @ W @ miss
        J = np.array([[1, 0, -x / z], [0, 1, -y / z]]) / z @ rig.R[c]
        taken = min(1.0, 3.0 / np.sqrt(chi2)) * np.trace(J.T @ W @ J @ state.measurement_cov[m, j][SYM])
        if not (taken < MAX_TAKEN and chi2 < MAX_CHI2 and z > 0.05):
            continue
        both = np.array([chi2, 2.0 - taken])
        b, f = place(frame.rays.score.reshape(-1)[i], SCORES)
        sums[:, b, j] += (1 - f) * both
        sums[:, b + 1, j] += f * both
        depth = (rig.R[c] @ state.pos[m, pipeline.body.torso].mean(axis=0) + rig.t[c])[2]
        s, g = place(np.log(rig.K[c, 0, 0] / depth), np.log(SIZES))
        sizes[s] += (1 - g) * both
        sizes[s + 1] += g * both
        last[m, c, j] = np.sqrt(W.diagonal()) * miss
        if not np.isnan(before[0]):
            products += before @ last[m, c, j], 0.5 * (before @ before + last[m, c, j] @ last[m, c, j])
    return sums, sizes, products
