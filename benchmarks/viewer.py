"""The 3D viewer beside fusion: how many pictures it draws, and what it costs fusion.

Four cameras at 60 Hz through the real processes, 720p on a virtual display; runs with and without the viewer take
turns. Fusion's latency is from the arrival of the message that completes a tick to the arrival of its poses, both at
the hub. A picture's cost in processor time says what it takes where other programs keep the machine busy.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import numpy as np

from multiview.config import HubOptions, RecorderOptions, Studio, SyntheticSource
from multiview.messages import PosesMessage, decode
from services.display import virtual_display
from services.launch import Launch

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=8.0, help="of each run (default 8)")
    parser.add_argument("--repeats", type=int, default=3, help="runs with and without the viewer (default 3)")
    parser.add_argument("--people", type=int, default=4, help="default 4")
    parser.add_argument("--skeleton", default="coco17", help="default coco17")


def run(args: argparse.Namespace) -> int:
    p99: dict[bool, list[float]] = {False: [], True: []}
    pictures: list[tuple[float, float]] = []
    with virtual_display():
        for _ in range(args.repeats):
            for viewer in (False, True):
                latency_ms, rate = _one(args, viewer)
                p99[viewer].append(float(np.percentile(latency_ms, 99)))
                if rate is not None:
                    pictures.append(rate)
    without, beside = min(p99[False]), min(p99[True])
    print(f"{args.people} people x {args.skeleton} at 60 Hz, best of {args.repeats}")
    print(f"pictures a second   {max(rate for rate, _ in pictures):.1f}")
    print(f"processor time      {min(cost for _, cost in pictures):.1f} ms a picture")
    print(f"fusion's p99        {without:.2f} ms alone, {beside:.2f} ms beside the viewer: x {beside / without:.2f}")
    return 0


def _one(args: argparse.Namespace, viewer: bool) -> tuple[list[float], tuple[float, float] | None]:
    """Latency of each tick (ms) after the first second; the viewer's pictures a second and cost of each (ms)."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"cameras": 4, "people": args.people, "seconds": args.seconds, "fps": 60.0, "skeleton": args.skeleton}
        studio = Studio(
            name="bench",
            skeleton=args.skeleton,
            source=SyntheticSource(options=options),
            hub=HubOptions(ingest_port=0, publish_port=0, request_port=0),
            recorder=RecorderOptions(directory=folder),
        )
        logs = Path(folder) / "logs"
        with Launch(studio, viewer=viewer, logs=logs) as launch:
            launch.start()
            launch.wait(timeout_s=args.seconds + 60)
        assert launch.take is not None
        latency = []
        for record in launch.take.records():
            if record.topic == "poses":
                message = decode(record.body)
                if isinstance(message, PosesMessage):
                    latency.append((record.stamp.arrival_ns - message.arrival_ns) / 1e6)
        words = (logs / "viewer.log").read_text() if viewer else ""
    found = re.search(r"drew ([0-9.]+) pictures a second, ([0-9.]+) ms", words)
    return latency[60:], (float(found[1]), float(found[2])) if found else None
