"""A camera is turned in mid-session: how soon that is noticed, whom it names, what it costs; and false alarms.

    python -m benchmarks knocks [--degrees 0.5] [--seeds 0-9]

Rigs of 4 to 8 cameras (4 + seed mod 5) and 1 to 3 people; a "fair" and a "poor" rig file is off the truth by 0.2
degrees, 1 cm and by 0.4 degrees, 2 cm in every camera (standard deviation), as calibrations are. The same studio is
played with and without the knock. MPJPE is after the knock, over that of the run without: with the camera left out once
noticed (if that is worth it), with it turned back instead, with it used to the end, and without knock or camera, which
is what its absence costs.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.accuracy import seeds
from benchmarks.wide import wide_console
from multiview.cameras.camera import Rig
from multiview.cameras.rotate import turned
from multiview.data import Keypoints2D, Views
from multiview.evaluation.metrics import compare
from multiview.fusion.pipeline import Pipeline
from multiview.geometry.rigid import rotation_from_vector
from multiview.recordings.ground_truth import Truth
from multiview.recordings.pose_table import Poses
from multiview.selfcalib.extrinsic_drift import KnockDetector
from multiview.synthetic import Options, Studio, make_studio

RIGS = {"true": (0.0, 0.0), "fair": (0.2, 0.01), "poor": (0.4, 0.02)}  # degrees, m


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--degrees", type=float, default=0.5, help="how far the camera is turned (0.5)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each session (30)")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seeds", type=seeds, default=list(range(10)), metavar="0-9", help="first and last seed")
    parser.add_argument("--rigs", nargs="+", default=list(RIGS), choices=RIGS)


class Knock(NamedTuple):
    """When which camera is turned about which axis of its own."""

    frame: int
    camera: int
    degrees: float
    axis: np.ndarray

    def applied(self, frame: int, camera: int, keypoints: Keypoints2D | None, rig: Rig) -> Keypoints2D | None:
        if keypoints is None or camera != self.camera or frame < self.frame:
            return keypoints
        return turned(keypoints, rig.cameras[camera], self.degrees, self.axis)


class Session(NamedTuple):
    """What came out: the poses, and which camera was left out from which frame on."""

    poses: Poses
    noticed: dict[int, int]


def play(
    studio: Studio,
    rig: Rig,
    knock: Knock | None,
    heed: bool = True,
    turn_back: bool = False,
    without: int = -1,
    since: int = 0,
) -> Session:
    """One session as fusion does it live; with `heed` knocked cameras are left out or turned back.

    Camera `without` is left out from frame `since` on.
    """
    pipeline, detector = Pipeline(rig, studio.skeleton), KnockDetector(rig, studio.fps, turn_back)
    noticed: dict[int, int] = {}
    ticks = []
    for frame in range(studio.frames):
        views = studio.views(frame)
        seen = list(views.keypoints)
        if knock is not None:
            seen = [knock.applied(frame, c, keypoints, studio.rig) for c, keypoints in enumerate(seen)]
        if without >= 0 and frame >= since:
            seen[without] = None
        ticks.append(pipeline.step(detector.heeded(Views(views.tick, views.time_ns, tuple(seen)))))
        if heed and pipeline.sighted is not None:
            detector.look(pipeline.sighted.rays, ticks[-1])
        for camera in (*detector.knocked, *detector.turned):
            noticed.setdefault(camera, frame)
    return Session(Poses.from_tracks(ticks, studio.skeleton), noticed)


def disturbed_rig(rig: Rig, rng: np.random.Generator, degrees: float, metres: float) -> Rig:
    """A rig file that is a little off, in every camera."""
    turns = rotation_from_vector(np.radians(degrees) / math.sqrt(3) * rng.normal(size=(len(rig), 3)))
    steps = rng.normal(size=(len(rig), 3)) * metres / math.sqrt(3)
    cameras = zip(rig.cameras, turns, steps, strict=True)
    return Rig(tuple(replace(c, R=turn @ c.R, t=turn @ c.t + step) for c, turn, step in cameras))


def mpjpe_mm(studio: Studio, session: Session, first: int) -> float:
    """Of all frames from `first` on."""
    truth, poses = studio.truth, session.poses
    rows = truth.frame >= first
    later = Truth(truth.frame[rows], truth.actor[rows], truth.xyz[rows], truth.joints)
    return 1e3 * compare(later, poses.take(poses.frame >= first)).mpjpe


def run(args: argparse.Namespace) -> int:
    """Print one row per kind of rig, and what went wrong."""
    table = Table(
        title=f"one camera turned by {args.degrees:g} degrees; {len(args.seeds)} sessions a row",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in (
        "rig",
        "noticed",
        "within s",
        "another named",
        "false alarms",
        "in camera-min",
        "MPJPE x",
        "turned back x",
        "used on x",
        "never there x",
    ):
        table.add_column(column, justify="left" if column == "rig" else "right")
    words = []
    for name in args.rigs:
        delays, wrong, alarms, minutes, ratios, back, unheeded, absent = [], 0, 0, 0.0, [], [], [], []
        for seed in progress(args.seeds, name, console=Console(stderr=True), transient=True):
            options = Options(
                cameras=4 + seed % 5,
                people=1 + seed % 3,
                seconds=args.seconds,
                fps=args.fps,
                seed=seed,
                correlation=0.5,
            )
            studio, rng = make_studio(options), np.random.default_rng(seed)
            rig = disturbed_rig(studio.rig, rng, *RIGS[name])
            direction = rng.uniform(0, 2 * math.pi)
            axis = np.array([math.cos(direction), math.sin(direction), 0.0])
            knock = Knock(studio.frames // 2, int(rng.integers(len(rig))), args.degrees, axis)
            calm, knocked = play(studio, rig, None), play(studio, rig, knock)
            alarms += len(calm.noticed) + sum(frame < knock.frame for frame in knocked.noticed.values())
            minutes += len(rig) * args.seconds / 60
            wrong += len(knocked.noticed.keys() - {knock.camera})
            if knock.camera in knocked.noticed:
                delays.append((knocked.noticed[knock.camera] - knock.frame) / args.fps)
            base = mpjpe_mm(studio, calm, knock.frame)
            ratios.append(mpjpe_mm(studio, knocked, knock.frame) / base)
            unheeded.append(mpjpe_mm(studio, play(studio, rig, knock, heed=False), knock.frame) / base)
            turning = play(studio, rig, knock, turn_back=True)
            wrong += len(turning.noticed.keys() - {knock.camera})
            back.append(mpjpe_mm(studio, turning, knock.frame) / base)
            gone = play(studio, rig, None, heed=False, without=knock.camera, since=knock.frame)
            absent.append(mpjpe_mm(studio, gone, knock.frame) / base)
            words.append(
                f"{name} seed {seed}: {len(rig)} cameras, {options.people} people: camera {knock.camera} turned; "
                f"noticed { ({c: round((f - knock.frame) / args.fps, 1) for c, f in knocked.noticed.items()}) }, "
                f"without a knock { ({c: round(f / args.fps, 1) for c, f in calm.noticed.items()}) }, "
                f"MPJPE {base:.1f} mm, x {ratios[-1]:.2f}, "
                f"turned back x {back[-1]:.2f}, used on x {unheeded[-1]:.2f}, never there x {absent[-1]:.2f}"
            )
        latest = f"{max(delays):.1f}" if delays else "-"
        spread = [f"{np.mean(x):.2f} (worst {max(x):.2f})" for x in (ratios, back, unheeded, absent)]
        noticed = f"{len(delays)}/{len(args.seeds)}"
        table.add_row(name, noticed, latest, str(wrong), str(alarms), f"{minutes:.0f}", *spread)
    wide_console().print(table)
    print("\n".join(words))
    return 0
