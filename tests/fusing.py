"""A studio through the pipeline, and how good what comes out is."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_discrete_are

from multiview.cameras.camera import Rig
from multiview.data import Tracks
from multiview.evaluation.metrics import Comparison, compare
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.recordings.pose_table import Poses
from multiview.synthetic import Studio
from multiview.synthetic.cramer_rao import truth_with_bound


def fuse(studio: Studio, rig: Rig | None = None, options: PipelineOptions = PipelineOptions()) -> list[Tracks]:  # noqa: B008  (frozen)
    """Every frame of the studio, by its own rig or another."""
    pipeline = Pipeline(rig or studio.rig, studio.skeleton, options)
    return [pipeline.step(studio.views(frame)) for frame in range(studio.frames)]


def filter_rmse(studio: Studio) -> float:
    """What a steady Kalman filter of each joint alone, without bones, reaches of the bound: the root of its gain.

    Random acceleration of the pipeline's power, position measured with the joint's bound; the error's covariance after
    the measurement is the gain times that before it (Bar-Shalom, Li and Kirubarajan 2001, section 6.5).
    """
    bound = truth_with_bound(studio).bound
    assert bound is not None
    T, gains = 1.0 / studio.fps, []
    power = Pipeline(studio.rig, studio.skeleton).acceleration_psd
    for q, variance in zip(power, np.nanmean(bound**2, axis=0) / 3, strict=True):
        F, H = np.array([[1.0, T], [0.0, 1.0]]), np.array([[1.0], [0.0]])
        Q = q * np.array([[T**3 / 3, T**2 / 2], [T**2 / 2, T]])
        P = solve_discrete_are(F.T, H, Q, np.array([[variance]]))[0, 0]
        gains.append(P / (P + variance))
    return float(np.sqrt(np.mean(gains)))


def compared(studio: Studio, ticks: list[Tracks], noisy: Studio | None = None) -> Comparison:
    """The people against the true ones, with the Cramer-Rao bound of the studio or of the same one with noise."""
    return compare(truth_with_bound(noisy or studio), Poses.from_tracks(ticks, studio.skeleton))
