"""Poses of a short studio, causal and smoothed; run by the test of the same kernels as plain Python."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from multiview.data import Tracks
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.smoother import Smoothed
from multiview.synthetic import StudioOptions, make_studio

FRAMES = 12


def poses() -> dict[str, np.ndarray]:
    """Joints, covariances, scores, views and ids of two people before three cameras."""
    studio = make_studio(StudioOptions(cameras=3, people=2, seconds=1.0))
    causal = Pipeline(studio.rig, studio.skeleton)
    smoothed = Smoothed(Pipeline(studio.rig, studio.skeleton), lag=3)
    later: list[Tracks] = []
    for frame in range(FRAMES):
        later += smoothed.step(studio.views(frame))
    ticks = [causal.step(studio.views(frame)) for frame in range(FRAMES)] + later + smoothed.finish()
    tracks = [track for tick in ticks for track in tick.tracks]
    return {
        "person": np.array([track.person for track in tracks]),
        "xyz": np.stack([track.pose.xyz for track in tracks]),
        "cov": np.stack([track.pose.cov for track in tracks]),
        "score": np.stack([track.pose.score for track in tracks]),
        "views": np.stack([track.pose.views for track in tracks]),
        "filled": np.stack([track.pose.filled for track in tracks]),
    }


def main() -> None:
    """Write them to the file that is named."""
    np.savez(Path(sys.argv[1]), **poses())
