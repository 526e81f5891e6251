"""What a wrong setting costs: every number of the pipeline's options alone x 0.7 and x 1.4.

    python -m benchmarks sensitivity [--studio 5x4] [--seeds 0-1] [--shelf FOLDER]

Whole numbers are rounded, and left out where they round to themselves. PCP is PCP3D on a recording of real people,
where there is one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.accuracy import figures, seeds
from benchmarks.speed import SHELF, shelf_views
from benchmarks.studios import STUDIOS, studio_options
from benchmarks.wide import wide_console
from multiview.evaluation import metrics
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.recordings.ground_truth import read_truth
from multiview.recordings.pose_table import Poses
from multiview.synthetic import make_studio
from multiview.synthetic.cramer_rao import truth_with_bound

__all__ = ["add_arguments", "run", "variations"]

_FACTORS = (0.7, 1.4)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--studio", default="5x4", choices=STUDIOS, metavar="NAME", help="synthetic studio (5x4)")
    parser.add_argument("--seeds", type=seeds, default=[0], metavar="0-9", help="first and last seed (0)")
    parser.add_argument("--shelf", type=Path, default=SHELF, help="real people: rig.toml, keypoints/ and gt.npz")


def run(args: argparse.Namespace) -> int:
    studios = [make_studio(studio_options(args.studio, "white", seed)) for seed in args.seeds]
    truths = [truth_with_bound(studio) for studio in studios]
    shelf = shelf_views(args.shelf) if args.shelf.is_dir() else None
    table = Table(title=f"{args.studio}, {len(studios)} takes", box=box.SIMPLE_HEAD)
    for column in ("setting", "value", "recall", "precision", "rmse", "PCP"):
        table.add_column(column, justify="left" if column == "setting" else "right")

    def row(name: str, value: object, options: PipelineOptions) -> None:
        comparisons = []
        for studio, truth in zip(studios, truths, strict=True):
            step = Pipeline(studio.rig, studio.skeleton, options).step
            ticks = (step(studio.views(frame)) for frame in range(studio.frames))
            comparisons.append(metrics.compare(truth, Poses.from_tracks(ticks, studio.skeleton)))
        pooled = figures(comparisons)
        pcp = float("nan")
        if shelf is not None:
            rig, skeleton, views = shelf
            pipeline = Pipeline(rig, skeleton, options)
            poses = Poses.from_tracks(map(pipeline.step, views), skeleton)
            parts = metrics.pcp3d(metrics.compare(read_truth(args.shelf / "gt.npz"), poses))
            pcp = 100 * float(np.mean(list(parts.values())))
        cells = (f"{pooled['recall']:.2f}", f"{pooled['precision']:.2f}", f"{pooled['rmse']:.3f}", f"{pcp:.1f}")
        table.add_row(name, f"{value:g}" if isinstance(value, float | int) else "", *cells)

    row("as it is", None, PipelineOptions())
    changes = list(variations(PipelineOptions()))
    for name, value, options in progress(changes, "sensitivity", console=Console(stderr=True), transient=True):
        row(name, value, options)
    wide_console().print(table)
    return 0


def variations(options: Any) -> Iterator[tuple[str, float, Any]]:
    """(setting, value, changed options) for each number in a struct of options, and in the structs it holds."""
    for name in options.__struct_fields__:
        value = getattr(options, name)
        if isinstance(value, msgspec.Struct):
            for inner, number, changed in variations(value):
                yield f"{name}.{inner}", number, msgspec.structs.replace(options, **{name: changed})
        elif isinstance(value, int | float) and not isinstance(value, bool):
            for factor in _FACTORS:
                scaled = round(value * factor) if isinstance(value, int) else value * factor
                if scaled != value:
                    yield name, scaled, msgspec.structs.replace(options, **{name: scaled})
