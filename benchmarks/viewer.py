"""The 3D viewer beside fusion: how many pictures it draws, and what it costs fusion.

Four cameras at 60 Hz through the real processes, the viewer at 720p on a virtual display; runs with and without the
viewer take turns, so that both meet the same machine. Fusion's latency is from the arrival of the message that
completes a tick to the arrival of its poses, both at the hub, as recorded. A picture's cost in processor time says what
it takes where other programs keep the machine busy; pictures are counted from the first with somebody in it.

`--stop 60` halts the viewer by SIGSTOP for a minute: what that does to fusion and recorder, and how soon after SIGCONT
it shows the present again.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from multiview.recordings.take import Take
from multiview.studio.config import HubOptions, RecorderOptions, Studio, SyntheticSource
from multiview.wire.messages import PosesMessage, decode
from services.runtime.display import virtual_display
from services.supervise.launch import Launch

__all__ = ["add_arguments", "run"]


_BETWEEN_S = 6.0  # from one stop to the next


class Run(NamedTuple):
    """p50 and p99 of fusion's latency (ms), ticks a second, pictures a second, their cost (ms)."""

    p50: float
    p99: float
    ticks: float
    rate: float
    cost: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=8.0, help="of each run (default 8)")
    parser.add_argument("--repeats", type=int, default=5, help="runs with and without the viewer (default 5)")
    parser.add_argument("--people", type=int, default=4, help="default 4")
    parser.add_argument("--skeleton", nargs="+", default=["coco17", "coco133"], help="default coco17 coco133")
    parser.add_argument(
        "--stop", type=float, nargs="+", metavar="S", help="only halt the viewer for S seconds, once or several times"
    )


def run(args: argparse.Namespace) -> int:
    with virtual_display():
        if args.stop:
            return _stopped(args)
        for skeleton in args.skeleton:
            runs: dict[bool, list[Run]] = {False: [], True: []}
            for _ in range(args.repeats):
                for viewer in (False, True):
                    runs[viewer].append(_one(args, skeleton, viewer))
            _print(args, skeleton, runs)
    return 0


def _print(args: argparse.Namespace, skeleton: str, runs: dict[bool, list[Run]]) -> None:
    alone, beside = runs[False], runs[True]
    ratio = min(r.p99 for r in beside) / min(r.p99 for r in alone)
    middle = float(np.median([b.p99 / a.p99 for a, b in zip(alone, beside, strict=True)]))
    print(f"{args.people} people x {skeleton} at 60 Hz, {args.repeats} runs of {args.seconds:g} s each way")
    print(f"  pictures a second   {', '.join(f'{r.rate:.1f}' for r in beside)}")
    print(f"  CPU time            {min(r.cost for r in beside):.1f} ms a picture")
    print(f"  ticks a second      {min(r.ticks for r in alone):.1f} alone, {min(r.ticks for r in beside):.1f} beside")
    print(f"  fusion's p50        {min(r.p50 for r in alone):.2f} ms alone, {min(r.p50 for r in beside):.2f} beside")
    print(f"  fusion's p99        alone  {', '.join(f'{r.p99:.2f}' for r in alone)} ms")
    print(f"                      beside {', '.join(f'{r.p99:.2f}' for r in beside)} ms")
    print(f"                      best against best x {ratio:.2f}, median of the pairs x {middle:.2f}", flush=True)


def _one(args: argparse.Namespace, skeleton: str, viewer: bool) -> Run:
    """Figures of one run, without its first second."""
    with tempfile.TemporaryDirectory() as folder:
        studio = _studio(args.people, args.seconds, skeleton, folder)
        logs = Path(folder) / "logs"
        with Launch(studio, viewer=viewer, logs=logs) as launch:
            launch.start()
            launch.wait(timeout_s=args.seconds + 60)
        assert launch.take is not None
        latency, arrivals = _latency(launch.take)
        words = (logs / "viewer.log").read_text() if viewer else ""
    found = re.search(r"drew ([0-9.]+) images per second, ([0-9.]+) ms", words)
    rate, cost = (float(found[1]), float(found[2])) if found else (0.0, 0.0)
    p50, p99 = np.percentile(latency[60:], [50, 99])
    ticks = (len(arrivals) - 1) * 1e9 / (arrivals[-1] - arrivals[0])
    return Run(float(p50), float(p99), ticks, rate, cost)


def _stopped(args: argparse.Namespace) -> int:
    """Halt the viewer in the middle of a run, once or several times."""
    seconds = sum(args.stop) + _BETWEEN_S * (len(args.stop) + 1)
    with tempfile.TemporaryDirectory() as folder:
        studio = _studio(args.people, seconds, args.skeleton[0], folder)
        logs = Path(folder) / "logs"
        with Launch(studio, viewer=True, logs=logs) as launch:
            launch.start()
            pid = launch.pids()["viewer"]
            for stop in args.stop:
                launch.wait(timeout_s=_BETWEEN_S)
                os.kill(pid, signal.SIGSTOP)
                launch.wait(timeout_s=stop)
                os.kill(pid, signal.SIGCONT)
            launch.wait(timeout_s=seconds)
            restarts = [f"{name} {state}" for name, state in launch.states().items() if "restart" in state]
        assert launch.take is not None
        latency, arrivals = _latency(launch.take)
        words = [line for line in (logs / "viewer.log").read_text().splitlines() if "present again" in line]
        if restarts:
            print((logs / "fusion.log").read_text())
    print("\n".join(line.partition("INFO ")[2] for line in words) or "the viewer never showed the present again")
    print(
        f"fusion: {len(arrivals)} of {round(seconds * 60)} ticks recorded, p99 {np.percentile(latency[60:], 99):.2f} ms"
    )
    print(f"started anew: {', '.join(restarts) or 'nothing'}")
    return 0


def _studio(people: int, seconds: float, skeleton: str, folder: str) -> Studio:
    options = {"cameras": 4, "people": people, "seconds": seconds, "fps": 60.0, "skeleton": skeleton}
    return Studio(
        name="bench",
        skeleton=skeleton,
        source=SyntheticSource(options=options),
        hub=HubOptions(ingest_port=0, publish_port=0, request_port=0),
        recorder=RecorderOptions(directory=folder),
    )


def _latency(take: Take) -> tuple[list[float], list[int]]:
    """Of each tick, from the message that completed it to its poses at the hub (ms), and when these arrived (ns)."""
    latency, arrivals = [], []
    for record in take.records():
        message = decode(record.body) if record.topic == "poses" else None
        if isinstance(message, PosesMessage):
            latency.append((record.stamp.arrival_ns - message.arrival_ns) / 1e6)
            arrivals.append(record.stamp.arrival_ns)
    return latency, arrivals
