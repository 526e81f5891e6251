"""People whose prediction fails: do they keep their identity, and how soon are they right again?

    python -m benchmarks recovery [--cameras 2 3 5] [--seeds 0-3] [--motions FOLDER]

One person, seen all the while: a runner who turns on the spot, at 30 and at 10 frames per second, with and without half
a second in which no frame arrives, and recorded motions (a folder of them, else they are left out) at 10 frames per
second and with such gaps. `new` counts identities after the first. `late` are the shares of frames, beginning with the
fourth after a gap, in which the person is missing or further than 100 mm off on average over the joints that are
measured, for any of a fair day's faults (two cameras of which one exchanges left and right, say); `mean` mm is that
error in all frames. Where there are new identities, the exit status is 1.
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
from multiview.body.skeleton import load_skeleton
from multiview.fusion.pipeline import Pipeline
from multiview.synthetic import Studio, StudioOptions
from multiview.synthetic.anatomy import random_build
from multiview.synthetic.studio import make_recorded_studio
from multiview.synthetic.walker import Walker, walker_joints

__all__ = ["LIMIT_M", "add_arguments", "outcome", "run", "runner"]

SPEED_M_S, TURN_S, STRETCH_S = 4.0, 0.6, 1.2  # of the runner; how long they turn, and run straight in between
GAP_S, EVERY_S = 0.5, 1.5  # without frames, and with them in between
RUN_S = 9.0
SETTLE_FRAMES, LIMIT_M = 3, 0.1


class Outcome(NamedTuple):
    """Of one person: identities after the first, whether a frame counts, and its error m, infinite where missing."""

    new: int
    counted: Bool[np.ndarray, " T"]
    error: Float64[np.ndarray, " T"]


def turning_runner(fps: float, seconds: float, seed: int, joints: tuple[str, ...]) -> Float64[np.ndarray, "T J 3"]:
    """Someone who runs to and fro, and turns at both ends within `TURN_S`: joints (T, J, 3) m."""
    time_s = np.arange(round(seconds * fps)) / fps
    fine = np.arange(0.0, seconds, 1e-3)
    period = STRETCH_S + TURN_S
    turned = np.floor(fine / period) + np.clip((fine % period - STRETCH_S) / TURN_S, 0.0, 1.0)
    velocity = SPEED_M_S * np.cos(np.pi * turned)
    place = np.interp(time_s, fine, np.cumsum(velocity) * 1e-3 - SPEED_M_S * STRETCH_S / 2)
    heading = np.interp(time_s, fine, np.pi * turned)
    walker = Walker(random_build(np.random.default_rng(seed)), speed_m_s=2.0, cycle_s=0.8)
    own = walker_joints(walker, time_s, joints)
    own[..., 0] -= walker.speed_m_s * time_s[:, None]
    c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
    x, y = c * own[..., 0] - s * own[..., 1], s * own[..., 0] + c * own[..., 1]
    return np.stack([x + place[:, None], y, own[..., 2]], axis=-1)


def outcome(studio: Studio, gaps: bool) -> Outcome:
    """One person through a new pipeline; with `gaps`, no frame arrives for half a second every now and then."""
    pipeline = Pipeline(studio.rig, studio.skeleton)
    counted, error = np.zeros(studio.frames, dtype=bool), np.full(studio.frames, np.inf)
    numbers: set[int] = set()
    since = 0
    for frame in range(studio.frames):
        if gaps and (frame / studio.fps) % (GAP_S + EVERY_S) >= EVERY_S:
            since = 0
            continue
        tracks = pipeline.step(studio.views(frame)).tracks
        numbers |= {track.person for track in tracks}
        since += 1
        counted[frame] = since > SETTLE_FRAMES
        truth = studio.truth.xyz[studio.truth.frame == frame][0]
        for track in tracks:
            off = np.linalg.norm(track.pose.xyz - truth, axis=-1)[~track.pose.filled]
            error[frame] = min(error[frame], float(np.nanmean(off)) if len(off) else np.inf)
    return Outcome(max(0, len(numbers) - 1), counted, error)


def runner(cameras: int, fps: float, seed: int, faults: bool) -> Studio:
    """A turning runner whom every camera sees all the while, with pixel noise, and with a fair day's other `faults`."""
    options = StudioOptions(cameras=cameras, fps=fps, seed=seed, area_m=7.0)
    options = msgspec.structs.replace(options if faults else options.perfect(), missed_people=0.0, sigma_px=4.0)
    return make_recorded_studio(options, turning_runner(fps, RUN_S, seed, load_skeleton(options.skeleton).joints))


def recorded(cameras: int, fps: float, motions: Path) -> Iterator[Studio]:
    """Recorded motions."""
    for make in motion_studios(motions, StudioOptions(cameras=cameras, fps=fps, missed_people=0.0)):
        yield make()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cameras", type=int, nargs="+", default=[2, 3, 5])
    parser.add_argument("--seeds", type=seeds, default=[0, 1, 2, 3], metavar="0-9", help="runners (0-3)")
    parser.add_argument("--motions", type=Path, default=MOTIONS, metavar="FOLDER", help="recorded motions")


def run(args: argparse.Namespace) -> int:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("motion", "cameras", "fps", "gaps", "people", "new", "late %", "mean mm"):
        table.add_column(name, justify="left" if name in ("motion", "gaps") else "right")
    failed = False
    for cameras in args.cameras:
        for kind in ("runner", "recorded"):
            for fps, gaps in ((30.0, False), (10.0, False), (30.0, True), (10.0, True)):
                studios = (
                    (runner(cameras, fps, seed, faults=True) for seed in args.seeds)
                    if kind == "runner"
                    else recorded(cameras, fps, args.motions)
                )
                found = [outcome(studio, gaps) for studio in studios]
                if not found:
                    continue
                error = np.concatenate([one.error[one.counted] for one in found])
                late, new = float((error > LIMIT_M).mean()), sum(one.new for one in found)
                failed |= new > 0
                mean = 1e3 * float(error[np.isfinite(error)].mean())
                cells = (kind, cameras, f"{fps:g}", "half a second" if gaps else "-", len(found), new)
                table.add_row(*map(str, cells), f"{100 * late:.1f}", f"{mean:.1f}")
    wide_console().print(table)
    return int(failed)
