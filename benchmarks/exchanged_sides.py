"""Cameras whose detector exchanges left and right from the first frame on: is the person right, and there once?

    python -m benchmarks exchanged_sides [--seeds 0-7]

One person walks for three seconds. "One of three": each camera in turn is exchanged, 24 runs with eight seeds; the mean
error is to stay within 17 mm, as without the exchange. "Two of four": both halves of the cameras agree among
themselves, on the body and on its mirror image in one place; nobody may be there twice. Beyond that, the exit status
is 1.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.accuracy import seeds
from multiview.data import Keypoints2D, Tracks, Views
from multiview.fusion.pipeline import Pipeline
from multiview.synthetic import Studio, StudioOptions, make_studio

__all__ = ["add_arguments", "fused", "mean_error", "run", "studio"]

_LIMIT_M = 0.017


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=seeds, default=range(8), metavar="0-7", help="first and last seed (0-7)")


def run(args: argparse.Namespace) -> int:
    table = Table("seed", "none mm", *(f"camera {c + 1} mm" for c in range(3)), "two of four: people", "frames %")
    failed = False
    for seed in args.seeds:
        three, four = studio(3, seed), studio(4, seed)
        clean, *errors = (mean_error(three, cameras) for cameras in ((), (0,), (1,), (2,)))
        counts = [len(tracks.tracks) for pair in itertools.combinations(range(4), 2) for _, tracks in fused(four, pair)]
        failed |= max(errors) > _LIMIT_M or max(counts) > 1
        millimetres = (f"{1e3 * error:.1f}" for error in (clean, *errors))
        table.add_row(str(seed), *millimetres, str(max(counts)), f"{100 * np.mean(counts):.0f}")
    Console().print(table)
    return int(failed)


def studio(cameras: int, seed: int) -> Studio:
    """A person who walks for three seconds; nothing is exchanged yet."""
    return make_studio(StudioOptions(cameras=cameras, people=1, seconds=3.0, seed=seed, swaps=0.0))


def fused(given: Studio, cameras: tuple[int, ...]) -> Iterator[tuple[int, Tracks]]:
    """Frames and what fusion makes of them where some cameras have left and right exchanged."""
    pipeline = Pipeline(given.rig, given.skeleton)
    for frame in range(given.frames):
        yield frame, pipeline.step(_exchanged(given.views(frame), cameras, given.skeleton.mirrored))


def mean_error(given: Studio, cameras: tuple[int, ...]) -> float:
    """m, over the joints and frames of the one person; infinite where over 5 % of the frames lack them."""
    errors = []
    for frame, tracks in fused(given, cameras):
        (truth,) = given.truth.xyz[given.truth.frame == frame]
        errors += [np.linalg.norm(track.pose.xyz - truth, axis=-1).mean() for track in tracks.tracks]
    return float(np.mean(errors)) if len(errors) > 0.95 * given.frames else np.inf


def _exchanged(views: Views, cameras: tuple[int, ...], mirrored: np.ndarray) -> Views:
    found = list(views.keypoints)
    for c in cameras:
        if seen := found[c]:
            found[c] = Keypoints2D(seen.xy[:, mirrored], seen.score[:, mirrored])
    return Views(views.tick, views.time_ns, tuple(found))
