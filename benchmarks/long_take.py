"""A long take smoothed as a whole by `multiview fuse --smooth`: how much faster than real time, and in what memory.

    python -m benchmarks long_take [--minutes 5 10 20] [--cameras 5] [--people 4]

One minute of a synthetic studio is repeated (the same files under other names); people who jump at the seam are found
anew. Wall clock and peak memory are those of the whole process: its start, reading one JSON file per camera and frame,
writing parquet. `beyond` is the peak without the poses' own bytes, which should not grow with the take.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from rich import box
from rich.table import Table

from benchmarks.wide import wide_console

__all__ = ["add_arguments", "run"]

_JOINT_BYTES = 8 * (3 + 9 + 1 + 1) + 1  # position, covariance, score, views, filled
_MB, _FPS = 1e6, 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=int, nargs="+", default=[5, 10, 20], help="lengths of the take (5 10 20)")
    parser.add_argument("--cameras", type=int, default=5, help="how many (5)")
    parser.add_argument("--people", type=int, default=4, help="how many (4)")


def run(args: argparse.Namespace) -> int:
    table = Table(title="multiview fuse --smooth", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("minutes", "wall s", "x real time", "CPU s", "peak MB", "poses MB", "beyond MB"):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory(prefix="long_take_") as folder:
        minute = Path(folder) / "minute"
        # In a process of its own: what this one needs would count as its children's peak.
        make = [sys.executable, "-m", "multiview", "synthesize", "--out", str(minute), "--seconds", "60"]
        make += ["--fps", str(_FPS), "--cameras", str(args.cameras), "--people", str(args.people)]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        fuse(minute, minute, _FPS)  # compiles what is not compiled yet
        for minutes in args.minutes:
            take = Path(folder) / str(minutes)
            repeat(minute / "keypoints", take / "keypoints", minutes, 60 * _FPS)
            wall, cpu, peak = fuse(minute, take, _FPS)
            poses = pq.read_metadata(take / "poses" / "poses.parquet").num_rows * _JOINT_BYTES / _MB
            figures = (wall, 60 * minutes / wall, cpu, peak, poses, peak - poses)
            table.add_row(str(minutes), *(f"{figure:.1f}" for figure in figures))
    wide_console().print(table)
    return 0


def repeat(minute: Path, take: Path, times: int, frames: int) -> None:
    """Link each camera's files again and again, with numbers that go on."""
    for camera in sorted(minute.iterdir()):
        (take / camera.name).mkdir(parents=True)
        for path in sorted(camera.iterdir()):
            frame = int(path.stem.split("_")[-2])
            for i in range(times):
                os.link(path, take / camera.name / f"{camera.name}_{frame + i * frames:06d}_keypoints.json")


def fuse(rig: Path, take: Path, fps: float) -> tuple[float, float, float]:
    """Wall clock and CPU seconds, and peak memory in MB, of the command."""
    command = [sys.executable, "-m", "multiview", "fuse", "--rig", str(rig / "rig.toml"), "--skeleton", "coco17"]
    command += ["--keypoints", str(take / "keypoints"), "--fps", f"{fps:g}", "--smooth", "--out", str(take / "poses")]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} failed")
    kilobyte = 1 if sys.platform == "darwin" else 1024
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * kilobyte / _MB
