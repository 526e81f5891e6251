"""Speed of fusion, CPU time of one thread, all stages, against the plain numpy baseline in the same run.

    python -m benchmarks speed [--shelf FOLDER] [--frames 150] [--picture growth.png] [--json new.json]

Rows grow in people, in cameras and in joints; `x` is how many times faster than the baseline fusion is. SVD is a lone
batched SVD of the baseline's equations, which any linear triangulation must do, `cluster` its clustering, and `baseline
/ both` the baseline over these two: more than 1.3 would be no fair baseline. Times are of one run on one machine and
mean little elsewhere; ratios mean more, and are compared with the committed `speed.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.baseline import Baseline, triangulate_dlt
from benchmarks.timing import best_of, time_frames
from benchmarks.wide import wide_console
from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.data import Tracks, Views
from multiview.fusion.pipeline import STAGES, Pipeline
from multiview.recordings.keypoint_folder import open_keypoint_folders
from multiview.recordings.recorded_keypoints import frame_views
from multiview.synthetic import StudioOptions, make_studio

__all__ = ["SHELF", "add_arguments", "run", "shelf_views"]

_COMMITTED = Path(__file__).with_name("speed.json")
SHELF = Path(__file__).parents[2] / "shared" / "data" / "shelf_hard"
BUDGET_MS = {"shelf_hard": 0.20, "8x20": 1.0, "16x10": 1.1, "8x4 133 joints": 1.0}  # medians on two quiet cores
LEAST_SPEEDUP = {"shelf_hard": 6.0}  # over the numpy baseline in the same run
_PEOPLE = (1, 2, 4, 8, 12, 16, 20)
_CAMERAS = (2, 4, 8, 12, 16)


def _sweep() -> dict[str, StudioOptions]:
    """Every synthetic row by its name, cameras x people."""
    rows = {f"8x{people}": StudioOptions(cameras=8, people=people, area_m=6.0) for people in _PEOPLE}
    rows |= {f"{cameras}x4": StudioOptions(cameras=cameras, people=4, area_m=6.0) for cameras in _CAMERAS}
    rows["16x6"] = StudioOptions(cameras=16, people=6)
    rows["16x10"] = StudioOptions(cameras=16, people=10)
    rows["8x4 133 joints"] = StudioOptions(cameras=8, people=4, skeleton="coco133")
    return rows


def measure(name: str, rig: Rig, skeleton: Skeleton, views: Sequence[Views]) -> dict[str, Any]:
    """One row: fusion, baseline and the lone SVD on the same frames."""
    pipeline = Pipeline(rig, skeleton)
    pipeline.warm_up()
    marks = []

    def step(view: Views) -> Tracks:
        tracks = pipeline.step(view)
        marks.append(pipeline.marks)
        return tracks

    fusion = time_frames(step, views)
    stages = np.diff(marks, axis=1) / 1e6
    baseline = Baseline(rig, skeleton)
    baseline.step(views[0])
    plain = time_frames(baseline.step, views)
    svd, cluster = [], []
    for view in views[::10]:
        baseline.step(view)
        cluster.append(baseline.stage_ns["cluster"] / 1e6)
        svd.append(best_of(2, lambda: triangulate_dlt(baseline.equations)))
    least = float(np.median(svd)) + float(np.median(cluster))
    people = [sum(seen.people for seen in view.keypoints if seen is not None) for view in views]
    return {
        "studio": name,
        "detections": float(np.mean(people)),
        "median": fusion.median,
        "p95": fusion.percentile(95),
        "p99": fusion.percentile(99),
        "first": fusion.first,
        "baseline": plain.median,
        "x": plain.median / fusion.median,
        "SVD": float(np.median(svd)),
        "cluster": float(np.median(cluster)),
        "baseline / both": plain.median / least,
        **dict(zip(STAGES, np.median(stages, axis=0).tolist(), strict=True)),
    }


def _synthetic_views(options: StudioOptions, frames: int) -> tuple[Rig, Skeleton, list[Views]]:
    studio = make_studio(options)
    return studio.rig, studio.skeleton, [studio.views(frame) for frame in range(min(frames, studio.frames))]


def shelf_views(folder: Path) -> tuple[Rig, Skeleton, list[Views]]:
    """Rig, skeleton and all frames of a recording of BODY_25 keypoints."""
    rig, skeleton = load_rig(folder / "rig.toml"), load_skeleton("body25")
    folders = open_keypoint_folders(folder / "keypoints", rig, skeleton)
    return rig, skeleton, [frame_views(folders, len(rig), frame, 25.0) for frame in folders.frames]


def slope(rows: list[dict[str, Any]]) -> float:
    """Of the median time against the number of detections, both logarithmic: 1 is linear growth, 2 quadratic."""
    x, y = (np.log([row[key] for row in rows]) for key in ("detections", "median"))
    return float(np.polyfit(x, y, 1)[0])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shelf", type=Path, default=SHELF, help="a recording of real people with rig.toml, keypoints/"
    )
    parser.add_argument("--frames", type=int, default=150, help="of each synthetic studio (150)")
    parser.add_argument("--picture", type=Path, help="draw the growth curves here")
    parser.add_argument("--json", type=Path, help="write the figures here")


def run(args: argparse.Namespace) -> int:
    sweep = _sweep()
    rows = []
    if args.shelf.is_dir():
        rows.append(measure(args.shelf.name, *shelf_views(args.shelf)))
    for name in progress(sweep, "speed", console=Console(stderr=True), transient=True):
        rows.append(measure(name, *_synthetic_views(sweep[name], args.frames)))
    by_name = {row["studio"]: row for row in rows}
    people = [by_name[f"8x{n}"] for n in _PEOPLE]
    cameras = [by_name[f"{n}x4"] for n in _CAMERAS]
    console = wide_console()
    console.print(_table(rows))
    slopes = f"{slope(people):.2f} in people, {slope(cameras):.2f} in cameras"
    console.print(f"log-log slope of time against detections: {slopes}")
    if args.picture:
        _draw(args.picture, people, cameras)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 1 if print_budget(by_name, console) else 0


def print_budget(by_name: dict[str, dict[str, Any]], console: Console) -> bool:
    """Say which rows are within the budget; whether any is beyond it."""
    beyond = False
    for name, budget in BUDGET_MS.items():
        if name in by_name:
            row, least = by_name[name], LEAST_SPEEDUP.get(name, 0.0)
            good = row["median"] <= budget and row["x"] >= least
            beyond |= not good
            wanted = f"at most {budget:.2f} ms" + (f", at least {least:g} x the baseline" if least else "")
            verdict = "within" if good else "BEYOND"
            console.print(f"{name}: {row['median']:.2f} ms, {row['x']:.1f} x; {verdict} the budget of {wanted}")
    return beyond


def _table(rows: list[dict[str, Any]]) -> Table:
    committed = {row["studio"]: row for row in json.loads(_COMMITTED.read_text())} if _COMMITTED.is_file() else {}
    table = Table(title="milliseconds per frame", box=box.SIMPLE_HEAD, pad_edge=False)
    digits = {"detections": 0, "x": 1, "cluster": 3, **dict.fromkeys(STAGES, 3)}
    for name in (*rows[0], "x, committed"):
        table.add_column(name, justify="left" if name == "studio" else "right")
    for row in rows:
        cells = (f"{value:.{digits.get(name, 2)}f}" for name, value in row.items() if name != "studio")
        before = committed.get(row["studio"])
        table.add_row(row["studio"], *cells, f"{before['x']:.1f}" if before else "")
    return table


def _draw(path: Path, people: list[dict[str, Any]], cameras: list[dict[str, Any]]) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator, StrMethodFormatter

    figure = Figure(figsize=(9, 4), layout="constrained")
    lines = {"baseline": ("plain numpy", "s--"), "SVD": ("its SVD alone", ":"), "median": ("fusion", "o-")}
    panels = {"8 cameras, 1 to 20 people": people, "2 to 16 cameras, 4 people": cameras}
    for axes, (title, rows) in zip(figure.subplots(1, 2, sharey=True), panels.items(), strict=True):
        x = [row["detections"] for row in rows]
        for key, (label, style) in lines.items():
            axes.loglog(x, [row[key] for row in rows], style, label=label)
        axes.fill_between(x, [row["median"] for row in rows], [row["p99"] for row in rows], alpha=0.2, label="to p99")
        axes.set(title=title, xlabel="detections in all views")
        axes.grid(alpha=0.3, which="both")
        axes.set_xticks(x, [f"{value:.0f}" for value in x], fontsize=8)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    figure.axes[0].set_ylabel("ms per frame, one thread")
    figure.axes[0].legend()
    figure.savefig(path, dpi=120)
