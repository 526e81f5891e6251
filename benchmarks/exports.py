"""Every export format of a long take of several people: seconds from the command's start to its end."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.export import exporter_names
from multiview.recordings.pose_table import Poses, write_poses
from multiview.synthetic import StudioOptions, make_studio

__all__ = ["add_arguments", "long_take", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0, help="default 10")
    parser.add_argument("--people", type=int, default=4, help="default 4")
    parser.add_argument("--fps", type=float, default=30.0, help="default 30")
    parser.add_argument("--skeleton", default="body25", help="default body25")
    parser.add_argument("--formats", nargs="+", default=[], help="only these")


def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        poses = long_take(args.people, args.minutes, args.fps, args.skeleton)
        write_poses(poses, Path(folder) / "poses.parquet")
        print(f"{args.minutes:g} minutes x {args.people} people x {args.skeleton} at {args.fps:g} fps")
        for name in args.formats or exporter_names():
            command = [sys.executable, "-m", "multiview", "export", folder, "--to", name, "--out", f"{folder}/{name}"]
            began, before = time.monotonic(), os.times()
            subprocess.run(command, check=True, capture_output=True)
            seconds, after = time.monotonic() - began, os.times()
            busy = after.children_user + after.children_system - before.children_user - before.children_system
            size = sum(path.stat().st_size for path in Path(folder, name).iterdir()) / 1e6
            print(f"  {name:8} {seconds:5.1f} s   {busy:5.1f} s of CPU time   {size:6.1f} MB", flush=True)
    return 0


def long_take(people: int, minutes: float, fps: float, skeleton: str) -> Poses:
    """Synthetic people with noise, joints that are now and then unknown or filled; nobody is there all the time."""
    options = StudioOptions(people=people, seconds=60.0 * minutes, fps=fps, skeleton=skeleton)
    truth, rng = make_studio(options).truth, np.random.default_rng(0)
    order = np.lexsort((truth.actor, truth.frame))
    xyz = truth.xyz[order] + rng.normal(0.0, 0.005, truth.xyz.shape)
    unknown, filled = rng.random(xyz.shape[:2]) < 0.01, rng.random(xyz.shape[:2]) < 0.05
    xyz[unknown] = np.nan
    cov = np.where(unknown[..., None, None], np.nan, np.broadcast_to(np.eye(3) * 2.5e-5, (*xyz.shape, 3)))
    frame = truth.frame[order].astype(np.int64)
    poses = Poses(
        frame=frame,
        time_ns=np.round(frame * 1e9 / fps).astype(np.int64),
        utc_ns=np.zeros(len(frame), dtype=np.int64),
        person=truth.actor[order].astype(np.int64),
        xyz=xyz,
        cov=cov,
        score=np.where(unknown, 0.0, 0.9),
        views=np.where(unknown | filled, 0, 4),
        filled=filled & ~unknown,
        joints=load_skeleton(skeleton).joints,
        skeleton=skeleton,
    )
    return poses.select(~((poses.person == 1) & (poses.frame < 10 * fps)))
