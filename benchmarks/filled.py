"""Joints that no two cameras see: how far off, and whether their covariance says so.

    python -m benchmarks filled [--cameras 2 3 4 5] [--motions FOLDER] [--seeds 0-3]

One person, synthetic and in recorded motions (a folder of them, else they are left out), seen by 2 to 5 cameras with a
fair day's faults. Whole limbs vanish from all pictures for 0.2 to 2 s, or half of the body until half a second after
birth. Rows are what vanished for how long: `error` mm and `ratio` are of elbows and wrists, or knees and ankles, while
they are filled; the ratio is the squared error over the trace of the covariance that is reported. `measured` mm is the
root mean square error of all joints that are measured meanwhile, `lost` counts identities after the first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from jaxtyping import Bool, Float64
from rich import box
from rich.table import Table

from benchmarks.accuracy import seeds
from benchmarks.studios import MOTIONS, motion_studios
from benchmarks.wide import wide_console
from multiview.data import Keypoints2D, Track, Views
from multiview.fusion.pipeline import Pipeline
from multiview.synthetic import Studio, StudioOptions, make_studio

__all__ = ["add_arguments", "run"]

DURATIONS_S = (0.2, 0.5, 1.0, 2.0)
BIRTH_S, SEEN_S = 0.5, 0.4  # how long half a body is hidden from birth, and how long all of it is seen in between
LIMBS = {
    f"{side} {limb}": (f"{side}_{middle}", f"{side}_{end}")
    for limb, middle, end in (("arm", "elbow", "wrist"), ("leg", "knee", "ankle"))
    for side in ("left", "right")
}
UPPER = ("nose", "eye", "ear", "shoulder", "elbow", "wrist")
HALVES = ("upper", "lower", "left", "right")


class Trial(NamedTuple):
    """What is hidden in each of T frames; `label` names the row that the trial belongs to."""

    label: str
    hidden: Bool[np.ndarray, "T J"]


class Sample(NamedTuple):
    """Errors m and standard deviations m of one trial; NaN where they are not of that kind."""

    joints: tuple[str, ...]
    filled: Float64[np.ndarray, "T J"]
    sigma: Float64[np.ndarray, "T J"]
    measured: Float64[np.ndarray, "T J"]
    lost: int


def trials(studio: Studio, first: int) -> Iterator[Trial]:
    """Every duration once, with other limbs each time from the `first` on, and one birth."""
    joints, frames, fps = studio.skeleton.joints, studio.frames, studio.fps
    limbs = list(LIMBS.values())
    for d, duration in enumerate(DURATIONS_S):
        hidden = np.zeros((frames, len(joints)), dtype=bool)
        begin, turn = SEEN_S, first + d
        while begin + duration <= frames / fps + 1e-9:
            rows = slice(round(begin * fps), round((begin + duration) * fps))
            hidden[rows, [joints.index(joint) for joint in limbs[turn % len(limbs)]]] = True
            begin, turn = begin + duration + SEEN_S, turn + 1
        if hidden.any():
            yield Trial(f"{duration:g} s", hidden)
    hidden = np.zeros((frames, len(joints)), dtype=bool)
    hidden[: round(BIRTH_S * fps), [_in_half(joint, HALVES[first % len(HALVES)]) for joint in joints]] = True
    yield Trial("birth", hidden)


def _in_half(joint: str, half: str) -> bool:
    if half in ("left", "right"):
        return joint.startswith(half)
    return any(joint.endswith(name) for name in UPPER) == (half == "upper")


def measure(studio: Studio, trial: Trial) -> Sample:
    """One trial with a new pipeline."""
    pipeline = Pipeline(studio.rig, studio.skeleton)
    shape = (studio.frames, len(studio.skeleton.joints))
    filled, sigma, measured = (np.full(shape, np.nan) for _ in range(3))
    numbers: set[int] = set()
    for frame in range(studio.frames):
        views = studio.views(frame)
        seen = tuple(None if one is None else _without(one, trial.hidden[frame]) for one in views.keypoints)
        tracks = pipeline.step(Views(views.tick, views.time_ns, seen))
        numbers |= {track.person for track in tracks.tracks}
        truth = studio.truth.xyz[studio.truth.frame == frame]
        if not len(truth) or not tracks.tracks:
            continue
        pose = min(tracks.tracks, key=lambda track: _distance(track, truth[0])).pose
        error = np.linalg.norm(pose.xyz - truth[0], axis=-1)
        filled[frame] = np.where(pose.filled & trial.hidden[frame], error, np.nan)
        sigma[frame] = np.sqrt(np.trace(pose.cov, axis1=-2, axis2=-1))
        measured[frame] = np.where(pose.filled, np.nan, error)
    return Sample(studio.skeleton.joints, filled, sigma, measured, max(0, len(numbers) - 1))


def _distance(track: Track, truth: Float64[np.ndarray, "J 3"]) -> float:
    return float(np.nanmean(np.linalg.norm(track.pose.xyz - truth, axis=-1)))


def _without(seen: Keypoints2D, hidden: Bool[np.ndarray, " J"]) -> Keypoints2D:
    xy, score = seen.xy.copy(), seen.score.copy()
    xy[:, hidden], score[:, hidden] = np.nan, 0.0
    return Keypoints2D(xy, score)


def studios(cameras: int, motions: Path, chosen: list[int]) -> Iterator[tuple[str, Studio]]:
    """Synthetic people, then recorded motions."""
    for seed in chosen:
        yield "synthetic", make_studio(StudioOptions(cameras=cameras, people=1, seconds=8.0, seed=seed))
    for make in motion_studios(motions, StudioOptions(cameras=cameras)):
        yield "recorded", make()


def row(samples: list[Sample]) -> dict[str, float]:
    """The figures of trials, pooled; errors in mm."""
    found: dict[str, float] = {}
    for name in ("elbow", "wrist", "knee", "ankle"):
        error, sigma = (
            np.concatenate([getattr(one, kind)[:, _columns(one, name)].ravel() for one in samples])
            for kind in ("filled", "sigma")
        )
        known = np.isfinite(error)
        ratio = (error[known] / sigma[known]) ** 2
        found[f"{name} error"] = 1e3 * float(np.sqrt(np.mean(error[known] ** 2))) if known.any() else np.nan
        found[f"{name} median"] = float(np.median(ratio)) if known.any() else np.nan
        found[f"{name} mean"] = float(ratio.mean()) if known.any() else np.nan
    measured = np.concatenate([one.measured.ravel() for one in samples])
    found["measured"] = 1e3 * float(np.sqrt(np.nanmean(measured**2)))
    found["lost"] = sum(one.lost for one in samples)
    return found


def _columns(sample: Sample, name: str) -> list[int]:
    return [j for j, joint in enumerate(sample.joints) if joint.endswith(name)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cameras", type=int, nargs="+", default=[2, 3, 4, 5])
    parser.add_argument("--seeds", type=seeds, default=[0, 1, 2, 3], metavar="0-9", help="synthetic people (0-3)")
    parser.add_argument("--motions", type=Path, default=MOTIONS, metavar="FOLDER", help="recorded motions")
    parser.add_argument("--json", type=Path, help="write the figures here too")


def run(args: argparse.Namespace) -> int:
    console = wide_console()
    found: dict[tuple[str, int, str], list[Sample]] = {}
    for cameras in args.cameras:
        for n, (kind, studio) in enumerate(studios(cameras, args.motions, args.seeds)):
            for trial in trials(studio, n):
                found.setdefault((kind, cameras, trial.label), []).append(measure(studio, trial))
    if all(kind == "synthetic" for kind, _, _ in found):
        console.print(f"no recorded motions in {args.motions}: only synthetic ones")
    order = [f"{duration:g} s" for duration in DURATIONS_S] + ["birth"]
    keys = sorted(found, key=lambda key: (key[0] != "synthetic", key[1], order.index(key[2])))
    rows = [{"motion": k[0], "cameras": k[1], "hidden": k[2], **row(found[k])} for k in keys]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if name in ("motion", "hidden") else "right")
    for one in rows:
        table.add_row(*(_cell(name, value) for name, value in one.items()))
    console.print(table)
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))
    return 0


def _cell(name: str, value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if name.endswith("error") else f"{value:.1f}" if name == "measured" else f"{value:.2f}"
