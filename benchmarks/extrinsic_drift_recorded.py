"""The detector of displaced cameras on a real recording: its false alarms, and whether it detects a rotation.

    python -m benchmarks extrinsic_drift_recorded --rig rig.toml --keypoints keypoints --skeleton body25 --fps 25

The recording is played there and back until --seconds are full: once as it is, and twice for each camera, which is
rotated by --degrees in the middle. With --late one camera after the other is late by so many frames instead, from the
start: that is no displacement.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import track as progress
from rich.table import Table

from benchmarks.load import fold
from benchmarks.wide import wide_console
from multiview.cameras.camera import Rig
from multiview.cameras.rig_file import load_rig
from multiview.cameras.rotate import rotate_keypoints
from multiview.commands.arguments import add_recorded_keypoints
from multiview.data import NS_PER_S, Keypoints2D, Views
from multiview.fusion.pipeline import Pipeline
from multiview.keypoint_formats import open_keypoints
from multiview.selfcalib.extrinsic_drift import ExtrinsicDriftDetector

HORIZONTAL, VERTICAL = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])  # axes of a pan and of a tilt


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    add_recorded_keypoints(parser)
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each session (60)")
    parser.add_argument("--degrees", type=float, default=0.5, help="by how much the camera is rotated (0.5)")
    parser.add_argument(
        "--late", type=int, default=0, metavar="FRAMES", help="a late camera instead of a displaced one"
    )


class Recorded:
    """A recording in memory, played there and back."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.rig: Rig = load_rig(args.rig)
        opened = open_keypoints(args.keypoints, self.rig, args.skeleton, args.format)
        self.skeleton, folders = opened.skeleton, opened.source
        self._frames = [[folders.read(c, frame) for c in range(len(self.rig))] for frame in folders.frames]
        self.fps, self.ticks = args.fps, round(args.seconds * args.fps)

    def keypoints(self, tick: int) -> list[Keypoints2D | None]:
        return list(self._frames[fold(max(tick, 0), len(self._frames))])

    def play(self, camera: int, degrees: float, axis: np.ndarray, late: int) -> tuple[dict[int, float], str]:
        """The detected cameras, after how many seconds, and the state of the calibration in words.

        `camera` rotates in the middle, or is late; -1 for none.
        """
        pipeline, detector = Pipeline(self.rig, self.skeleton), ExtrinsicDriftDetector(self.rig, self.fps)
        detected: dict[int, float] = {}
        for tick in range(self.ticks):
            keypoints = self.keypoints(tick)
            if camera >= 0:
                own = keypoints[camera] if not late else self.keypoints(tick - late)[camera]
                if own is not None and degrees and 2 * tick >= self.ticks:
                    own = rotate_keypoints(own, self.rig.cameras[camera], degrees, axis)
                keypoints[camera] = own
            views = Views(tick, round(tick * NS_PER_S / self.fps), tuple(keypoints))
            tracks = pipeline.step(detector.apply_corrections(views))
            if pipeline.last_observations is not None:
                detector.update(pipeline.last_observations.rays, tracks)
            for c in (*detector.displaced, *detector.rotated):
                detected.setdefault(c, tick / self.fps)
        kept = f"{len(detector.rotated)} still used" if detector.rotated else ""
        suspect = "suspect: " if detector.calibration_suspect else ""
        return detected, f"{suspect}off by {math.degrees(detector.rotation_error_rad):.2f} degrees {kept}"


def run(args: argparse.Namespace) -> int:
    """One row per session."""
    recorded = Recorded(args)
    sessions = [(-1, 0.0, HORIZONTAL, 0)]
    for camera in range(len(recorded.rig)):
        if args.late:
            sessions.append((camera, 0.0, HORIZONTAL, args.late))
        else:
            sessions += [(camera, args.degrees, axis, 0) for axis in (HORIZONTAL, VERTICAL)]
    table = Table("session", "detected", "after s", "another named, at s", "calibration", box=box.SIMPLE_HEAD)
    for camera, degrees, axis, late in progress(sessions, "sessions", console=Console(stderr=True), transient=True):
        detected, words = recorded.play(camera, degrees, axis, late)
        names = recorded.rig.names
        what = f"late by {late} frames" if late else f"rotated ({'pan' if axis is HORIZONTAL else 'tilt'})"
        session = "as recorded" if camera < 0 else f"{names[camera]} {what}"
        own = detected.pop(camera, math.nan) if degrees else math.nan
        wrong = ", ".join(f"{names[c]} {at:.1f}" for c, at in detected.items())
        found = "-" if not degrees else "yes" if own == own else "no"
        table.add_row(session, found, f"{own - args.seconds / 2:.1f}" if own == own else "", wrong, words)
    wide_console().print(table)
    return 0
