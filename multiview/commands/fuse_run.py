"""The loop of `multiview fuse`: read a frame, step the pipeline, time it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from rich.progress import track as progress

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import save_rig
from multiview.common.atomic_file import corrected_beside
from multiview.common.console import plain_console
from multiview.common.json_file import write_json
from multiview.data import Tracks, Views
from multiview.fusion.pipeline import STAGES, Pipeline, PipelineOptions
from multiview.fusion.smoother import WHOLE_TAKE_S, Smoothed
from multiview.recordings.pose_table import write_ticks
from multiview.recordings.recorded_keypoints import KeypointSource, folder_views
from multiview.studio.view_survey import ViewSurvey

__all__ = ["fuse_folders", "fuse_views", "save_rig_beside", "write_summary"]

READ_AHEAD = 64  # frames


def fuse_folders(
    rig: Rig,
    skeleton: Skeleton,
    folders: KeypointSource,
    fps: float,
    options: PipelineOptions,
    out: Path,
    lag: int = 0,
    smooth: bool = False,
    survey: ViewSurvey | None = None,
    contacts: bool = False,
) -> tuple[set[int], Float64[np.ndarray, "N S"]]:
    """All frames through one pipeline, to the file `out`: the people, and ms per frame of the whole step and of each
    stage.

    `lag` frames of later knowledge correct each pose; `smooth` uses the whole take; `survey` notes what the cameras
    saw; `contacts` keeps feet still that stand. Memory does not grow with the take.
    """
    views, count = folder_views(folders, rig, fps)
    views = views if survey is None else survey.watch(views)
    timing = np.empty((count, 1 + len(STAGES)))
    people = write_ticks(_fuse(rig, skeleton, views, fps, options, lag, smooth, contacts, timing), skeleton, out)
    return people, timing / 1e6


def fuse_views(
    rig: Rig,
    skeleton: Skeleton,
    views: Iterable[Views],
    count: int,
    fps: float,
    options: PipelineOptions,
    lag: int = 0,
    smooth: bool = False,
    contacts: bool = False,
) -> tuple[list[Tracks], Float64[np.ndarray, "N S"]]:
    """`count` views through one pipeline: everyone at each tick, and the times as `fuse_folders` gives them."""
    timing = np.empty((count, 1 + len(STAGES)))
    return list(_fuse(rig, skeleton, views, fps, options, lag, smooth, contacts, timing)), timing / 1e6


def _fuse(
    rig: Rig,
    skeleton: Skeleton,
    views: Iterable[Views],
    fps: float,
    options: PipelineOptions,
    lag: int,
    smooth: bool,
    contacts: bool,
    timing: Float64[np.ndarray, "N S"],
) -> Iterator[Tracks]:
    """The ticks as they are ready, while the `timing` of the views, ns, is filled."""
    pipeline = Pipeline(rig, skeleton, options, contacts)
    pipeline.warm_up()
    step, finish = _feeder(pipeline, round(WHOLE_TAKE_S * fps) if smooth else lag, round(10 * fps) if smooth else 1)
    console = plain_console(stderr=True)
    # A whole take is read beside the work; the times of causal frames shall be those of one thread.
    read = _read_ahead(views) if smooth else views
    bar = progress(read, "fusing", len(timing), console=console, transient=True, disable=not console.is_terminal)
    for row, tick in enumerate(bar):
        yield from step(tick)
        stages = list(pipeline.stage_ns.values())
        timing[row] = [sum(stages), *stages]
    yield from finish()


def _read_ahead(views: Iterable[Views]) -> Iterator[Views]:
    """The same, read by another thread a few frames ahead."""
    coming = iter(views)
    with ThreadPoolExecutor(1) as reader:
        batch = reader.submit(lambda: list(islice(coming, READ_AHEAD)))
        while read := batch.result():
            batch = reader.submit(lambda: list(islice(coming, READ_AHEAD)))
            yield from read


def save_rig_beside(rig: Rig, out: Path) -> None:
    """The rig that poses were made with, as `out/rig.toml` beside them, unless an input or a recorded rig is there."""
    path = out / "rig.toml"
    if corrected_beside(path) == path:
        save_rig(rig, path)


def _feeder(
    pipeline: Pipeline, lag: int, block: int
) -> tuple[Callable[[Views], list[Tracks]], Callable[[], list[Tracks]]]:
    if lag == 0:
        return lambda views: [pipeline.step(views)], list
    smoothed = Smoothed(pipeline, lag, block)
    return smoothed.step, smoothed.finish


def write_summary(
    people: int, timing: Float64[np.ndarray, "N S"], path: Path, extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Frames, people and ms per frame, as JSON; file reading is not in the times, the first frame is."""
    columns = {
        name: {
            "median": float(np.median(column)),
            "p95": float(np.percentile(column, 95)),
            "p99": float(np.percentile(column, 99)),
        }
        for name, column in zip(("total", *STAGES), timing.T, strict=True)
    }
    summary = {
        "frames": len(timing),
        "people": people,
        "first_frame_ms": float(timing[0, 0]),
        "ms_per_frame": columns,
        **(extra or {}),
    }
    write_json(path, summary)
    return summary
