"""A camera is rotated in mid-session: how soon that is detected, which camera is named, what it costs; false alarms.

    python -m benchmarks extrinsic_drift [--degrees 0.5] [--seeds 0-9]

Rigs of 4 to 8 cameras (4 + seed mod 5) and 1 to 3 people; a "fair" and a "poor" rig file is off the truth by 0.2
degrees, 1 cm and by 0.4 degrees, 2 cm in every camera (standard deviation), as calibrations are. The same studio is
played with and without the rotation. MPJPE is after the rotation, relative to the run without: with the camera excluded
once detected (if that is worth it), with its rotation compensated instead, with it ignored, and without rotation or
camera, which is what excluding it costs.
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
from multiview.cameras.rotate import rotate_keypoints
from multiview.data import Keypoints2D
from multiview.evaluation.metrics import compare
from multiview.fusion.pipeline import Pipeline
from multiview.geometry.rigid import rotation_from_vector
from multiview.recordings.ground_truth import Truth
from multiview.recordings.pose_table import Poses
from multiview.selfcalib.extrinsic_drift import ExtrinsicDriftDetector
from multiview.synthetic import Studio, StudioOptions, make_studio

RIGS = {"true": (0.0, 0.0), "fair": (0.2, 0.01), "poor": (0.4, 0.02)}  # degrees, m


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--degrees", type=float, default=0.5, help="by how much the camera is rotated (0.5)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each session (30)")
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--seeds", type=seeds, default=list(range(10)), metavar="0-9", help="first and last seed")
    parser.add_argument("--rigs", nargs="+", default=list(RIGS), choices=RIGS)


class Displacement(NamedTuple):
    """When which camera is rotated about which axis of its own."""

    frame: int
    camera: int
    degrees: float
    axis: np.ndarray

    def apply(self, frame: int, camera: int, keypoints: Keypoints2D | None, rig: Rig) -> Keypoints2D | None:
        if keypoints is None or camera != self.camera or frame < self.frame:
            return keypoints
        return rotate_keypoints(keypoints, rig.cameras[camera], self.degrees, self.axis)


class Session(NamedTuple):
    """What came out: the poses, and when each displaced camera was detected (frame)."""

    poses: Poses
    detected: dict[int, int]


def play(
    studio: Studio,
    rig: Rig,
    displacement: Displacement | None,
    correct: bool = True,
    compensate: bool = False,
    without: int = -1,
    since: int = 0,
) -> Session:
    """One session as fusion does it live; with `correct` displaced cameras are excluded, or their rotation compensated.

    Camera `without` is missing from frame `since` on.
    """
    pipeline, detector = Pipeline(rig, studio.skeleton), ExtrinsicDriftDetector(rig, studio.fps, compensate)
    detected: dict[int, int] = {}
    ticks = []
    for frame in range(studio.frames):
        views = studio.views(frame)
        keypoints = list(views.keypoints)
        if displacement is not None:
            keypoints = [displacement.apply(frame, c, own, studio.rig) for c, own in enumerate(keypoints)]
        if without >= 0 and frame >= since:
            keypoints[without] = None
        ticks.append(pipeline.step(detector.apply_corrections(replace(views, keypoints=tuple(keypoints)))))
        if correct and pipeline.last_observations is not None:
            detector.update(pipeline.last_observations.rays, ticks[-1])
        for camera in (*detector.displaced, *detector.rotated):
            detected.setdefault(camera, frame)
    return Session(Poses.from_tracks(ticks, studio.skeleton), detected)


def disturbed_rig(rig: Rig, rng: np.random.Generator, degrees: float, metres: float) -> Rig:
    """A rig file that is a little off, in every camera."""
    rotations = rotation_from_vector(np.radians(degrees) / math.sqrt(3) * rng.normal(size=(len(rig), 3)))
    steps = rng.normal(size=(len(rig), 3)) * metres / math.sqrt(3)
    cameras = zip(rig.cameras, rotations, steps, strict=True)
    return Rig(tuple(replace(c, R=R @ c.R, t=R @ c.t + step) for c, R, step in cameras))


def mpjpe_mm(studio: Studio, session: Session, first: int) -> float:
    """Of all frames from `first` on."""
    truth, poses = studio.truth, session.poses
    rows = truth.frame >= first
    later = Truth(truth.frame[rows], truth.actor[rows], truth.xyz[rows], truth.joints)
    return 1e3 * compare(later, poses.select(poses.frame >= first)).mpjpe


def run(args: argparse.Namespace) -> int:
    """Print one row per kind of rig, and what went wrong."""
    table = Table(
        title=f"one camera rotated by {args.degrees:g} degrees; {len(args.seeds)} sessions a row",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in (
        "rig",
        "detected",
        "within s",
        "another named",
        "false alarms",
        "in camera-min",
        "excluded x",
        "compensated x",
        "ignored x",
        "absent x",
    ):
        table.add_column(column, justify="left" if column == "rig" else "right")
    words = []
    for name in args.rigs:
        delays, wrong, alarms, minutes, excluded, compensated, ignored, absent = [], 0, 0, 0.0, [], [], [], []
        for seed in progress(args.seeds, name, console=Console(stderr=True), transient=True):
            options = StudioOptions(
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
            displacement = Displacement(studio.frames // 2, int(rng.integers(len(rig))), args.degrees, axis)
            begin = displacement.frame
            still, moved = play(studio, rig, None), play(studio, rig, displacement)
            alarms += len(still.detected) + sum(frame < begin for frame in moved.detected.values())
            minutes += len(rig) * args.seconds / 60
            wrong += len(moved.detected.keys() - {displacement.camera})
            if displacement.camera in moved.detected:
                delays.append((moved.detected[displacement.camera] - begin) / args.fps)
            base = mpjpe_mm(studio, still, begin)
            excluded.append(mpjpe_mm(studio, moved, begin) / base)
            ignored.append(mpjpe_mm(studio, play(studio, rig, displacement, correct=False), begin) / base)
            corrected = play(studio, rig, displacement, compensate=True)
            wrong += len(corrected.detected.keys() - {displacement.camera})
            compensated.append(mpjpe_mm(studio, corrected, begin) / base)
            gone = play(studio, rig, None, correct=False, without=displacement.camera, since=begin)
            absent.append(mpjpe_mm(studio, gone, begin) / base)
            words.append(
                f"{name} seed {seed}: {len(rig)} cameras, {options.people} people; "
                f"camera {displacement.camera} rotated, "
                f"detected { ({c: round((f - begin) / args.fps, 1) for c, f in moved.detected.items()}) }, "
                f"without rotation { ({c: round(f / args.fps, 1) for c, f in still.detected.items()}) }, "
                f"MPJPE {base:.1f} mm, excluded x {excluded[-1]:.2f}, "
                f"compensated x {compensated[-1]:.2f}, ignored x {ignored[-1]:.2f}, absent x {absent[-1]:.2f}"
            )
        latest = f"{max(delays):.1f}" if delays else "-"
        spread = [f"{np.mean(x):.2f} (worst {max(x):.2f})" for x in (excluded, compensated, ignored, absent)]
        detected = f"{len(delays)}/{len(args.seeds)}"
        table.add_row(name, detected, latest, str(wrong), str(alarms), f"{minutes:.0f}", *spread)
    wide_console().print(table)
    print("\n".join(words))
    return 0
