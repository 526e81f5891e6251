"""What comes out when a joint is put in a wrong place: in one view, in two, in all but one, for 1, 10 and 60 frames.

    python -m benchmarks disturbance [--joint left_wrist] [--away 0.6] [--seeds 0-4]

The joint is moved to where a point `away` m from the truth is seen, the same point in every disturbed view, so that the
views agree on the wrong place. `clean` is the joint's usual error in the undisturbed run; `during` and `after` are the
largest errors while disturbed and in the second after; `recovers` counts the frames until the error is again at most
three times the usual (or 50 mm); `others` is the largest error of the other joints, more than in the undisturbed run.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from jaxtyping import Float64
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.accuracy import seeds
from benchmarks.wide import wide_console
from multiview.data import Keypoints2D, Views
from multiview.fusion.pipeline import Pipeline
from multiview.synthetic import Studio, StudioOptions, make_studio

__all__ = ["add_arguments", "run"]

_FRAMES = (1, 10, 60)
_START = 90  # the pipeline knows everyone well by then


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--joint", default="left_wrist", help="which joint (left_wrist)")
    parser.add_argument("--away", type=float, default=0.6, help="how far, m (0.6)")
    parser.add_argument("--cameras", type=int, default=5, help="how many (5)")
    parser.add_argument("--seeds", type=seeds, default=[0, 1, 2, 3, 4], metavar="0-9", help="first and last seed (0-4)")


def run(args: argparse.Namespace) -> int:
    views = {"one view": 1, "two views": 2, "all but one": args.cameras - 1}
    rows: dict[tuple[str, int], list[dict[str, float]]] = {}
    for seed in progress(args.seeds, "disturbance", console=Console(stderr=True), transient=True):
        options = StudioOptions(cameras=args.cameras, people=2, seconds=7, seed=seed, skeleton="body25", area_m=3.0)
        studio = make_studio(options)
        usual = _errors(studio, [studio.views(frame) for frame in range(studio.frames)])
        for name, count in views.items():
            for frames in _FRAMES:
                moved = _errors(studio, _disturbed(studio, args.joint, args.away, count, frames))
                figures = _figures(usual, moved, studio.skeleton.index(args.joint), frames)
                rows.setdefault((name, frames), []).append(figures)
    table = Table(
        title=f"{args.joint} {args.away:g} m away, worst of {len(args.seeds)} seeds",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in ("wrong in", "frames", "clean mm", "during mm", "after mm", "recovers in", "others mm"):
        table.add_column(column, justify="left" if column == "wrong in" else "right")
    for (name, frames), figures in rows.items():
        worst = {key: max(each[key] for each in figures) for key in figures[0]}
        cells = (f"{worst[key]:.0f}" for key in ("clean", "during", "after", "recovers", "others"))
        table.add_row(name, str(frames), *cells)
    wide_console().print(table)
    return 0


def _disturbed(studio: Studio, joint: str, away: float, count: int, frames: int) -> list[Views]:
    """Actor 0's joint, in the first `count` views that found it, moved for some frames."""
    j = studio.skeleton.index(joint)
    step = np.random.default_rng(studio.options.seed).normal(size=3)
    step *= away / np.linalg.norm(step)
    views = []
    for frame in range(studio.frames):
        view = studio.views(frame)
        if _START <= frame < _START + frames:
            row = np.flatnonzero((studio.truth.frame == frame) & (studio.truth.actor == 0))[0]
            view = _moved(studio, view, j, studio.truth.xyz[row, j] + step, count)
        views.append(view)
    return views


def _moved(studio: Studio, view: Views, j: int, wrong: Float64[np.ndarray, " 3"], count: int) -> Views:
    keypoints: list[Keypoints2D | None] = list(view.keypoints)
    done = 0
    for camera, seen in enumerate(view.keypoints):
        place = np.flatnonzero(studio.labels(camera, view.tick).actor == 0)
        if done == count or seen is None or not len(place):
            continue
        xy, score = seen.xy.copy(), seen.score.copy()
        xy[place[0], j], score[place[0], j] = studio.rig.cameras[camera].project(wrong), 0.9
        keypoints[camera] = replace(seen, xy=xy, score=score)
        done += 1
    return replace(view, keypoints=tuple(keypoints))


def _errors(studio: Studio, views: list[Views]) -> Float64[np.ndarray, "T J"]:
    """mm, of actor 0, who is whoever is nearest; NaN where nobody is."""
    pipeline = Pipeline(studio.rig, studio.skeleton)
    errors = np.full((studio.frames, len(studio.skeleton.joints)), np.nan)
    for frame, view in enumerate(views):
        truth = studio.truth.xyz[(studio.truth.frame == frame) & (studio.truth.actor == 0)][0]
        people = [np.linalg.norm(track.pose.xyz - truth, axis=-1) for track in pipeline.step(view).tracks]
        if people:
            errors[frame] = 1e3 * min(people, key=lambda error: float(np.nanmedian(error)))
    return errors


def _figures(usual: np.ndarray, moved: np.ndarray, j: int, frames: int) -> dict[str, float]:
    end = _START + frames
    clean = float(np.nanmedian(usual[30:, j]))
    wrong = moved[end:, j] > max(50.0, 3 * clean)
    others = np.delete(moved[_START : end + 30] - usual[_START : end + 30], j, axis=1)
    return {
        "clean": clean,
        "during": float(np.nanmax(moved[_START:end, j])),
        "after": float(np.nanmax(moved[end : end + 30, j])),
        "recovers": float(np.argmin(wrong)) if not wrong.all() else float("inf"),
        "others": float(np.nanmax(others)),
    }
