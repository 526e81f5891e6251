"""What accuracy would be if fusion were told what it has to find out: how much of an error is its own.

    python -m benchmarks oracle [--studio 5x4] [--noise correlated] [--seeds 0-3]

`true noise` gives every 2D joint its true covariance, `no outliers` besides removes all that are outliers, exchanged or
another person's, `true bones` sets everyone's bone lengths to what they are in each frame, keypoints that slide on the
body included. What none of these changes is noise that the joints of one frame have, and the next frames still have.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.accuracy import figures, seeds, truth_and_draw
from benchmarks.studios import NOISES, STUDIOS, studio_options
from benchmarks.wide import wide_console
from multiview.data import Keypoints2D, Tracks, Views
from multiview.evaluation import metrics
from multiview.fusion.pipeline import Pipeline
from multiview.recordings.pose_table import Poses
from multiview.synthetic import Studio, make_studio

__all__ = ["add_arguments", "run"]

_SIGMA_M, _STIFF = 0.001, 0.002  # standard deviation and coefficient of variation of a known bone length
_SAME_M = 0.3  # whom a person is: the actor who was nearer than this


class _Oracle(NamedTuple):
    noise: bool = False
    clean: bool = False
    bones: bool = False


_ORACLES = {
    "as it is": _Oracle(),
    "true noise": _Oracle(noise=True),
    "true noise, no outliers": _Oracle(noise=True, clean=True),
    "true bones": _Oracle(bones=True),
    "all of these": _Oracle(noise=True, clean=True, bones=True),
}
_COLUMNS: dict[str, Callable[[float], str]] = {
    "recall": "{:.2f}".format,
    "rmse": "{:.3f}".format,
    "nees": "{:.2f}".format,
    "p99": "{:.1f}".format,
    "p99.99": "{:.0f}".format,
    "worst": "{:.0f}".format,
    "gauss p99": "{:.1f}".format,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--studio", default="5x4", choices=STUDIOS, metavar="NAME", help="synthetic studio (5x4)")
    parser.add_argument("--noise", default="correlated", choices=NOISES, help="(correlated)")
    parser.add_argument("--seeds", type=seeds, default=[0, 1, 2, 3], metavar="0-9", help="first and last seed (0-3)")


def run(args: argparse.Namespace) -> int:
    found: dict[str, list[metrics.Comparison]] = {name: [] for name in _ORACLES}
    drawn = []
    for seed in progress(args.seeds, "oracle", console=Console(stderr=True), transient=True):
        studio = make_studio(studio_options(args.studio, args.noise, seed))
        truth, draw = truth_and_draw(studio)
        drawn.append(draw)
        for name, oracle in _ORACLES.items():
            poses = Poses.from_tracks(_fused(studio, oracle), studio.skeleton)
            found[name].append(metrics.compare(truth, poses))
    table = Table(title=f"{args.studio}, {args.noise} noise, {len(args.seeds)} takes", box=box.SIMPLE_HEAD)
    for column in ("oracle", *_COLUMNS):
        table.add_column(column, justify="left" if column == "oracle" else "right")
    for name, comparisons in found.items():
        row = figures(comparisons, drawn)
        table.add_row(name, *(text(row[column]) for column, text in _COLUMNS.items()))
    wide_console().print(table)
    return 0


def _fused(studio: Studio, oracle: _Oracle) -> Iterator[Tracks]:
    pipeline = Pipeline(studio.rig, studio.skeleton)
    for frame in range(studio.frames):
        views = studio.views(frame)
        if oracle.bones:
            _tell_bones(pipeline, studio, frame)
        yield pipeline.step(_tell_noise(views, studio, frame, oracle.clean) if oracle.noise else views)


def _tell_noise(views: Views, studio: Studio, frame: int, clean: bool) -> Views:
    keypoints = (_with_noise(seen, studio, c, frame, clean) for c, seen in enumerate(views.keypoints))
    return replace(views, keypoints=tuple(keypoints))


def _with_noise(seen: Keypoints2D | None, studio: Studio, camera: int, frame: int, clean: bool) -> Keypoints2D | None:
    if seen is None:
        return None
    labels = studio.labels(camera, frame)
    cov = labels.sigma[..., None, None] ** 2 * np.eye(2)
    if not clean:
        return replace(seen, cov=cov)
    wrong = labels.outlier | labels.swapped[:, None] | (labels.joint_actor != labels.actor[:, None])
    xy = np.where(wrong[..., None], np.nan, seen.xy)
    return Keypoints2D(xy, np.where(wrong, 0.0, seen.score), cov)


def _tell_bones(pipeline: Pipeline, studio: Studio, frame: int) -> None:
    truth, state, body = studio.truth, pipeline.tracker.people.state, pipeline.body
    actors = truth.xyz[truth.frame == frame][:, [truth.joints.index(joint) for joint in studio.skeleton.joints]]
    bones = np.flatnonzero(body.ends[:, 1] >= 0)
    for one in pipeline.estimates:
        gaps = np.linalg.norm(actors - one.pose.xyz, axis=-1).mean(axis=-1)
        if not len(gaps) or not np.nanmin(gaps) < _SAME_M:
            continue
        joints = actors[np.nanargmin(gaps)]
        length = np.linalg.norm(joints[body.ends[bones, 0]] - joints[body.ends[bones, 1]], axis=-1)
        state.length[one.slot, bones] = length
        state.length_variance[one.slot, bones], state.length_cv[one.slot, bones] = _SIGMA_M**2, _STIFF
