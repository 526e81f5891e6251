"""The time offset of a late camera is estimated from people who move, without false alarms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from multiview.cameras.observations import PackedRig, pack
from multiview.data import NS_PER_S, Views
from multiview.fusion.pipeline import Pipeline
from multiview.selfcalib import time_offset_kernels as kernels
from multiview.selfcalib.time_offset import MIN_Z_SCORE, TimeOffset, TimeOffsetEstimator
from multiview.synthetic import Studio, StudioOptions, make_studio

FPS = 25.0
SECONDS = 20.0


@pytest.fixture(scope="module")
def studio() -> Studio:
    options = StudioOptions(
        cameras=4, people=3, seconds=SECONDS + 2, fps=50.0, correlation=0.8, only_walking=True, seed=3
    )
    return make_studio(options)


def estimated(studio: Studio, late_s: list[float]) -> list[TimeOffset]:
    """The estimates for cameras that stamp so late."""
    found = estimator_of(studio, late_s).time_offsets()
    assert found is not None
    return found


def estimator_of(studio: Studio, late_s: list[float]) -> TimeOffsetEstimator:
    """What has seen a recording by cameras that stamp so late."""
    times = 1.0 + np.arange(int(SECONDS * FPS)) / FPS
    seen = [studio.keypoints_at(camera, times - late) for camera, late in enumerate(late_s)]
    pipeline = Pipeline(studio.rig, studio.skeleton)
    estimator = TimeOffsetEstimator(studio.rig, FPS)
    for tick, keypoints in enumerate(zip(*seen, strict=True)):
        time_ns = round(tick * NS_PER_S / FPS)
        pipeline.step(Views(tick, time_ns, keypoints))
        estimator.update(time_ns, pipeline.last_observations)
    return estimator


@pytest.mark.slow
@pytest.mark.parametrize(("late", "within"), [(0.025, 0.003), (-0.05, 0.006)])  # noise in the velocities hides a part
def test_time_offset_of_a_late_camera_is_confirmed_and_no_other(studio: Studio, late: float, within: float) -> None:
    found = estimated(studio, [0.0, 0.0, late, 0.0])
    assert abs(found[2].offset_s + late) < within
    assert [offset.confirmed for offset in found] == [False, False, True, False]


def test_time_offset_of_no_camera_is_confirmed_if_none_is_late(studio: Studio) -> None:
    estimator = estimator_of(studio, [0.0] * 4)
    found = estimator.time_offsets()
    assert found is not None
    assert not any(offset.confirmed for offset in found)
    assert all(offset.known for offset in found)
    assert max(abs(offset.offset_s) for offset in found) < 0.002
    assert max(abs(offset.offset_s) / offset.sigma_s for offset in found) < 5.0  # the uncertainty is no less
    # What earlier rounds added has a median too, which no camera is to be blamed for: differences alone are known.
    applied = np.array([-0.009, 0.067, -0.009, -0.006])
    whole = estimator.time_offsets(applied)
    assert whole is not None
    np.testing.assert_allclose(np.median([offset.offset_s for offset in whole]), 0.0, atol=1e-12)
    added = np.array([w.offset_s - one.offset_s for w, one in zip(whole, found, strict=True)])
    np.testing.assert_allclose(np.diff(added), np.diff(applied), atol=1e-12)


def test_time_offset_is_unknown_while_people_stand_still() -> None:
    studio = make_studio(StudioOptions(cameras=3, people=1, seconds=2, fps=FPS))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    estimator = TimeOffsetEstimator(studio.rig, FPS)
    standing = tuple(studio.keypoints(camera, 0) for camera in range(3))
    for tick in range(400):
        pipeline.step(Views(tick, tick * 40_000_000, standing))
        estimator.update(tick * 40_000_000, pipeline.last_observations)
    found = estimator.time_offsets()
    assert found is not None
    assert not any(offset.known or offset.confirmed for offset in found)


def test_warm_up_compiles_all_that_an_estimate_needs(studio: Studio) -> None:
    TimeOffsetEstimator(studio.rig, FPS).warm_up()
    kinds = [len(kernel.signatures) for kernel in (kernels.triangulate_unpredicted, kernels.accumulate)]
    estimated(studio, [0.0] * 4)
    assert [len(kernel.signatures) for kernel in (kernels.triangulate_unpredicted, kernels.accumulate)] == kinds


@pytest.mark.parametrize("blocks", [5, 10, 30, 60])
def test_time_offset_of_few_blocks_must_exceed_students_t(blocks: int) -> None:
    """The bound has the false alarm rate of a Gaussian at its number of deviations."""
    bound = float(stats.t.isf(stats.norm.sf(MIN_Z_SCORE), blocks - 1))
    for factor, confirmed in ((0.85, False), (1.15, True)):  # the approximation is good to a tenth
        offset = 0.02 * factor
        assert TimeOffset(offset, 0.02 / bound, (offset, offset), blocks).confirmed == confirmed


def test_time_offset_includes_what_was_applied() -> None:
    rest = TimeOffset(0.0002, 0.0005, (0.0001, 0.0003))
    assert not rest.confirmed
    assert rest.plus(-0.025).confirmed
    assert not TimeOffset(-0.025, 0.010, (-0.02, -0.03)).confirmed
    assert not TimeOffset(-0.025, 0.001, (-0.049, -0.001)).confirmed


def test_accumulate_equals_solving_for_the_points_too(studio: Studio) -> None:
    """Against normal equations of everything at once, in plain numpy."""
    rig, joints = PackedRig.of(studio.rig), len(studio.skeleton.joints)
    rng = np.random.default_rng(0)
    keypoints = [studio.keypoints_at(camera, np.array([2.0]))[0] for camera in range(4)]
    rays = pack(Views(0, 0, tuple(keypoints)), rig, joints, np.full((joints, 5), 16.0), np.linspace(0.1, 0.9, 5))
    truth = studio.true_at(np.array([2.0]))[0, :1]
    table = np.full((1, 4, joints), -1)
    for camera in range(4):
        off = [
            np.nanmean(np.abs(rays.xy[d] - project(rig, camera, truth[0])[0]))
            for d in range(rays.first[camera], rays.first[camera + 1])
        ]
        detection = rays.first[camera] + int(np.argmin(off))
        table[0, camera] = np.where(rays.info[detection, :, 0] > 0, detection * joints + np.arange(joints), -1)
    velocity, estimate = rng.normal(size=truth.shape), rng.normal(size=4) * 0.01
    H, g = np.zeros((12, 12)), np.zeros(12)
    kernels.accumulate(table, rays, rig, truth.copy(), velocity, estimate, H, g)
    H0, g0 = np.zeros((12, 12)), np.zeros(12)
    for j in range(joints):
        cameras = [c for c in range(4) if table[0, c, j] >= 0]
        if len(cameras) < 2:
            continue
        whole, right = np.zeros((15, 15)), np.zeros(15)
        for c in cameras:
            at, J = project(rig, c, truth[0, j : j + 1])
            info = rays.info.reshape(-1, 3)[table[0, c, j]]
            W = np.array([[info[0], info[1]], [info[1], info[2]]])
            residual, motion = rays.xy.reshape(-1, 2)[table[0, c, j]] - at[0], J[0] @ velocity[0, j]
            beyond = residual - estimate[c] * motion
            W = W * kernels.CAUCHY_CHI2 / (kernels.CAUCHY_CHI2 + beyond @ W @ beyond)
            G = np.zeros((2, 15))
            G[:, :3], G[:, 3 + 3 * c], G[:, 4 + 3 * c : 6 + 3 * c] = J[0], motion, np.eye(2)
            whole += G.T @ W @ G
            right += G.T @ W @ residual
        cross = whole[3:, :3] @ np.linalg.inv(whole[:3, :3])
        H0 += whole[3:, 3:] - cross @ whole[:3, 3:]
        g0 += right[3:] - cross @ right[:3]
    np.testing.assert_allclose(H, H0, rtol=1e-8, atol=1e-6)
    np.testing.assert_allclose(g, g0, rtol=1e-8, atol=1e-6)


def project(rig: PackedRig, camera: int, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalised coordinates, and their derivative by the points."""
    local = xyz @ rig.R[camera].T + rig.t[camera]
    at = local[:, :2] / local[:, 2:]
    by_point = (rig.R[camera][:2] - at[:, :, None] * rig.R[camera][2]) / local[:, 2, None, None]
    return at, by_point
