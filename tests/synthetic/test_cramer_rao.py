"""Is the simulator honest? An estimator that knows whose joint is whose must reach the bound, and not go below it."""

import numpy as np
import pytest

from multiview.synthetic import Studio, StudioOptions, make_studio
from multiview.synthetic.cramer_rao import truth_with_bound


def oracle(studio: Studio, weighted: bool) -> np.ndarray:
    """Each true joint from the pixels that are its own: DLT, then Gauss-Newton on the reprojection error, (N, J, 3)."""
    truth, cameras = studio.truth, studio.rig.cameras
    seen = [studio.observations(c) for c in range(len(cameras))]
    row = (truth.frame, truth.actor)
    xy = np.stack([s.xy[row] for s in seen], axis=-2)
    weight = np.stack([1 / s.sigma[row] if weighted else np.ones_like(s.sigma[row]) for s in seen], axis=-1)
    clean = [
        s.found[row][:, None]
        & ~s.swapped[row][:, None]
        & ~s.outlier[row]
        & (s.joint_actor[row] == truth.actor[:, None])
        for s in seen
    ]
    usable = np.stack(clean, axis=-1) & ~np.isnan(xy).any(axis=-1) & ~np.isnan(weight)
    weight = np.where(usable, weight, 0.0)
    ideal = np.stack([np.nan_to_num(camera.undistort(xy[:, :, c])) for c, camera in enumerate(cameras)], axis=-2)
    P = np.stack([np.column_stack([camera.R, camera.t]) for camera in cameras])
    equations = (ideal[..., None] * P[:, None, 2] - P[:, :2]) * weight[..., None, None]
    solution = np.linalg.svd(equations.reshape(*weight.shape[:2], -1, 4))[2][..., -1, :]
    enough = usable.sum(axis=-1) >= 2
    X = np.full(truth.xyz.shape, np.nan)
    X[enough] = solution[enough, :3] / solution[enough, 3:]
    for _ in range(4):
        H, g = np.zeros((*X.shape, 3)), np.zeros_like(X)
        for c, camera in enumerate(cameras):
            pixels, jacobian = camera.project_with_jacobian(X)
            w = (weight[..., c] ** 2)[..., None, None]
            residual = np.where(usable[..., c, None], xy[:, :, c] - pixels, 0.0)
            jacobian = np.where(usable[..., c, None, None], jacobian, 0.0)
            H += w * jacobian.swapaxes(-1, -2) @ jacobian
            g += (w * jacobian.swapaxes(-1, -2) @ residual[..., None])[..., 0]
        X[enough] += np.linalg.solve(H[enough], g[enough][..., None])[..., 0]
    return X


@pytest.fixture(scope="module", params=["white", "correlated"])
def studio(request) -> Studio:
    return make_studio(StudioOptions(seconds=6, seed=2, correlation=0.0 if request.param == "white" else 0.85))


def ratio(studio: Studio, weighted: bool) -> float:
    truth = truth_with_bound(studio)
    assert truth.bound is not None
    error = np.linalg.norm(oracle(studio, weighted) - truth.xyz, axis=-1) / truth.bound
    return float(np.sqrt(np.nanmean(error**2)))


@pytest.mark.slow
def test_weighted_least_squares_reaches_the_bound(studio):
    assert 0.97 <= ratio(studio, weighted=True) <= 1.05


@pytest.mark.slow
def test_who_does_not_know_the_deviations_stays_above_it(studio):
    assert ratio(studio, weighted=False) > ratio(studio, weighted=True) + 0.02


def test_without_noise_the_truth_is_recovered_exactly():
    studio = make_studio(StudioOptions(seconds=0.5, seed=1, sigma_px=1e-9))
    error = np.linalg.norm(oracle(studio, weighted=True) - studio.truth.xyz, axis=-1)
    assert np.nanmax(error) < 1e-5  # what is left is the keypoints' float32


def test_bound_is_that_of_two_views_or_more(studio):
    truth = truth_with_bound(studio)
    assert truth.bound is not None
    known = np.isfinite(truth.bound)
    assert 0.9 < known.mean() < 1.0
    assert 0.003 < np.median(truth.bound[known]) < 0.03
