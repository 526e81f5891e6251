"""Accuracy of fusion on synthetic studios: everyone found, nobody exchanged, how near the bound, how honest.

    python -m benchmarks accuracy [--studios 5x4 8x8 motion] [--noise white correlated] [--methods causal] [--seeds 0-9]

One row per studio, noise and method, pooled over the seeds. `motion` is one person before 5 cameras who plays recorded
motions, each once (a folder of them, --motions); the row is left out where there are none. RMSE is per joint and sample
over its single-frame Cramer-Rao bound, over joints that are measured; percentiles are of measured joints after a
track's third frame. `gauss p99` is the p99 of errors that are Gaussian, each with its sample's bound times the row's
RMSE: what that RMSE implies in a studio where bounds differ as much as they do here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.baseline import Baseline
from benchmarks.studios import MOTIONS, NOISES, STUDIOS, motion_studios, studio_options
from benchmarks.wide import wide_console
from multiview.data import Tracks, Views
from multiview.evaluation import metrics
from multiview.fusion.pipeline import Pipeline, PipelineOptions
from multiview.fusion.smoother import WHOLE_TAKE_S, Smoothed
from multiview.recordings.ground_truth import Truth
from multiview.recordings.pose_table import Poses
from multiview.synthetic import Studio, StudioOptions, make_studio
from multiview.synthetic.cramer_rao import cramer_rao_covariance

__all__ = ["METHODS", "add_arguments", "figures", "run", "seeds", "truth_and_draw"]


def _frames(step: Callable[[Views], Tracks], studio: Studio) -> Poses:
    return Poses.from_tracks((step(studio.views(frame)) for frame in range(studio.frames)), studio.skeleton)


def _causal(studio: Studio) -> Poses:
    return _frames(Pipeline(studio.rig, studio.skeleton).step, studio)


def _independent(studio: Studio) -> Poses:
    return _frames(Pipeline(studio.rig, studio.skeleton, PipelineOptions(independent=True)).step, studio)


def _baseline(studio: Studio) -> Poses:
    return _frames(Baseline(studio.rig, studio.skeleton).step, studio)


def _smooth(studio: Studio) -> Poses:
    smoothed = Smoothed(Pipeline(studio.rig, studio.skeleton), round(WHOLE_TAKE_S * studio.fps), round(10 * studio.fps))
    ticks = [tracks for frame in range(studio.frames) for tracks in smoothed.step(studio.views(frame))]
    return Poses.from_tracks(ticks + smoothed.finish(), studio.skeleton)


METHODS: dict[str, Callable[[Studio], Poses]] = {
    "causal": _causal,
    "smooth": _smooth,
    "independent": _independent,
    "baseline": _baseline,
}


def figures(comparisons: list[metrics.Comparison], drawn: list[np.ndarray] | None = None) -> dict[str, float]:
    """The figures of several takes, pooled; lengths in mm, shares in percent.

    `drawn` (N, J) m are each take's errors as its bound would have them.
    """
    ratios, nees, views, errors, ideal = [], [], [], [], []
    true, found, predicted, measured, finite, bounded = 0, 0, 0, 0, 0, 0
    for take, comparison in enumerate(comparisons):
        bound = comparison.truth.bound
        assert bound is not None
        columns = [comparison.truth.joints.index(joint) for joint in comparison.joints]
        bound = bound[comparison.truth_row][:, columns]
        usable = comparison.measured
        ratios.append((comparison.error_m / bound)[usable & np.isfinite(bound)])
        value = metrics.nees(comparison)
        nees.append(value[np.isfinite(value)])
        views.append(comparison.of_joints(comparison.poses.views, 0)[np.isfinite(value)])
        steady = usable & (comparison.age >= 3)[:, None]
        errors.append(1e3 * comparison.error_m[steady])
        if drawn is not None:
            ideal.append(1e3 * drawn[take][comparison.truth_row][:, columns][steady & np.isfinite(bound)])
        true += comparison.truth.xyz.shape[0]
        found += int(comparison.found.sum())
        predicted += comparison.predictions
        known = np.isfinite(bound) & comparison.found[:, None]
        bounded += int(known.sum())
        measured += int((usable & known).sum())
        finite += int(np.isfinite(comparison.error_m).sum())
    joints = len(comparisons[0].joints)
    everything, kinds = np.concatenate(nees), np.concatenate(views)
    rmse = float(np.sqrt(np.mean(np.concatenate(ratios) ** 2))) if finite else float("nan")
    p99, p9999, worst = np.percentile(np.concatenate(errors), [99, 99.99, 100]) if finite else [np.nan] * 3
    return {
        "recall": 100 * found / max(true, 1),
        "precision": 100 * found / max(predicted, 1),
        "switches": sum(len(metrics.identity_switches(comparison)) for comparison in comparisons),
        "rmse": rmse,
        "nees": metrics.trimmed_mean(everything),
        "nees2": metrics.trimmed_mean(everything[kinds == 2]),
        "nees3": metrics.trimmed_mean(everything[kinds == 3]),
        "nees4+": metrics.trimmed_mean(everything[kinds >= 4]),
        "measured": 100 * measured / max(bounded, 1),
        "finite": 100 * finite / max(true * joints, 1),
        "p99": float(p99),
        "p99.99": float(p9999),
        "worst": float(worst),
        **({"gauss p99": rmse * float(np.percentile(np.concatenate(ideal), 99))} if drawn and finite else {}),
    }


def truth_and_draw(studio: Studio) -> tuple[Truth, np.ndarray]:
    """The truth with its Cramer-Rao bound, and one draw (N, J) m of the length of an error that has that covariance."""
    covariance = cramer_rao_covariance(studio)
    known = np.isfinite(covariance[..., 0, 0])
    drawn = np.full(known.shape, np.nan)
    rng = np.random.default_rng(studio.options.seed)
    root = np.linalg.cholesky(covariance[known])
    drawn[known] = np.linalg.norm((root @ rng.normal(size=(len(root), 3, 1)))[..., 0], axis=-1)
    return replace(studio.truth, bound=np.sqrt(np.trace(covariance, axis1=-2, axis2=-1))), drawn


def seeds(text: str) -> list[int]:
    """`3` or `0-9`: the seeds from the first to the last."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--studios",
        nargs="+",
        default=["5x4", "8x8", "motion"],
        choices=[*STUDIOS, "motion"],
        metavar="NAME",
        help=", ".join([*STUDIOS, "motion"]),
    )
    parser.add_argument("--motions", type=Path, default=MOTIONS, metavar="FOLDER", help="recorded motions")
    parser.add_argument("--noise", nargs="+", default=list(NOISES), choices=NOISES)
    parser.add_argument("--methods", nargs="+", default=["causal"], choices=METHODS)
    parser.add_argument("--seeds", type=seeds, default=[0, 1], metavar="0-9", help="first and last seed (0-1)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each take (20)")
    parser.add_argument("--json", type=Path, help="write the figures here too")


def run(args: argparse.Namespace) -> int:
    console = wide_console()
    rows: list[dict[str, Any]] = []
    for name in args.studios:
        for noise in args.noise:
            found: dict[str, list[metrics.Comparison]] = {method: [] for method in args.methods}
            drawn: list[np.ndarray] = []
            studios = list(_studios(name, noise, args))
            if not studios:
                console.print(f"no recorded motions in {args.motions}: the row 'motion' is left out")
                continue
            for make in progress(studios, f"{name} {noise}", console=Console(stderr=True), transient=True):
                studio = make()
                truth, draw = truth_and_draw(studio)
                drawn.append(draw)
                for method, comparisons in found.items():
                    comparisons.append(metrics.compare(truth, METHODS[method](studio)))
            for method, comparisons in found.items():
                takes = {"takes": len(comparisons)}
                rows.append({"studio": name, "noise": noise, "method": method, **takes, **figures(comparisons, drawn)})
    if rows:
        console.print(_table(rows))
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))
    return 0


def _studios(name: str, noise: str, args: argparse.Namespace) -> Iterator[Callable[[], Studio]]:
    """What makes each of a row's studios."""
    if name == "motion":
        yield from motion_studios(args.motions, StudioOptions(correlation=NOISES[noise]))
        return
    for seed in args.seeds:
        yield partial(make_studio, studio_options(name, noise, seed, args.seconds))


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    digits = {"recall": 2, "precision": 2, "switches": 0, "rmse": 3, "measured": 1, "finite": 2, "p99": 0, "p99.99": 0}
    digits |= {"worst": 0, "gauss p99": 0}
    for name in rows[0]:
        table.add_column(
            name.replace("nees", "NEES "), justify="left" if name in ("studio", "noise", "method") else "right"
        )
    for row in rows:
        cells = (f"{v:.{digits.get(k, 2)}f}" if isinstance(v, float | int) else v for k, v in row.items())
        table.add_row(*cells)
    return table
