"""The live system under load: latency and losses of hub, fusion and recorder, beside an empty echo in the same run.

One process publishes for all cameras, all firing at once; hub, fusion and recorder are the real processes. Latency is
from the hub's arrival of the message that completes a tick to the pose at a subscriber; the echo's is the same way with
nothing computed: hub, another process, hub, subscriber. "at hub" is when the hub had the pose. CPU is per cent of one
core. With --memory the resident memory of each process is shown over time.

    python -m benchmarks live --cameras 8 --fps 60 --seconds 20
    python -m benchmarks live --cameras 16 --fps 120 --seconds 60 --repeat 5
    python -m benchmarks live --cameras 8 --fps 60 --seconds 600 --memory
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.load import PONG, playing
from multiview.recordings.take import open_take
from multiview.studio.config import HubOptions, RecorderOptions, Studio, SyntheticSource
from multiview.studio.studio_file import write_studio
from multiview.wire.messages import PosesMessage, ServiceHealth, decode
from services.transport.bus import RequestClient, Subscriber
from services.transport.requests import Status, StatusReply, request

COPIES = 6.0  # s of simulated people that are played there and back
EDGES_MS = (0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20, 50, np.inf)
SERVICES = ("hub", "fusion", "recorder")
MEMORY_ROWS = 11


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--people", type=int, default=4)
    parser.add_argument("--fps", type=float, default=60.0, help="Hz")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeat", type=int, default=1, help="how many runs; the best is what the machine can do")
    parser.add_argument("--port", type=int, default=17555, help="the first of three that the hub uses (17555)")
    parser.add_argument("--memory", action="store_true", help="show the memory of each process over time")


def run(args: argparse.Namespace) -> int:
    """Print one row per run, and the best run's latency as a histogram."""
    print(f"{args.cameras} cameras x {args.fps:g} Hz x {args.people} people, {args.seconds:g} s")
    print(
        "run ticks %  gaps dropped  late | pose p50   p99   max ms | at hub p50   p99 | echo p50   p99   max ms | "
        "CPU hub, fusion, recorder, load % | MB at 1/4, end | recorded"
    )
    runs = []
    for number in range(args.repeat):
        runs.append(measure(args.cameras, args.people, args.fps, args.seconds, args.port))
        print(f"{number + 1:3} {runs[-1].row()}", flush=True)
    best = min(runs, key=lambda r: np.percentile(r.poses_ms, 99) if len(r.poses_ms) else np.inf)
    pose, echo = _figures(best.poses_ms), _figures(best.echoes_ms)
    print(f"\nbest of {len(runs)} by p99 (p50, p99, max ms): pose {pose}| echo {echo}")
    print(f"last arrival to pose at a subscriber, of {len(best.poses_ms)} ticks:\n{histogram(best.poses_ms)}")
    if args.memory:
        print(f"\n{memory_table(best.memory)}")
    return 0


class Run(NamedTuple):
    """What one run gave."""

    ticks: float  # per cent of those due
    gaps: int
    dropped: int
    late: int
    poses_ms: np.ndarray
    hub_ms: np.ndarray
    echoes_ms: np.ndarray
    cpu: list[float]
    memory: list[tuple[float, ...]]
    recorded: int
    due: int

    def row(self) -> str:
        cpu = ", ".join(f"{share:3.0f}" for share in self.cpu)
        quarter, end = (sum(self.memory[len(self.memory) * part // 4 - 1][1:]) for part in (1, 4))
        return (
            f"{self.ticks:7.2f} {self.gaps:5} {self.dropped:7} {self.late:5} | {_figures(self.poses_ms)} | "
            f"{_figures(self.hub_ms)[:14]}   | {_figures(self.echoes_ms)} | {cpu:>33} | {quarter:6.1f}, {end:5.1f} | "
            f"{self.recorded} of {self.due}"
        )


def measure(cameras: int, people: int, fps: float, seconds: float, port: int) -> Run:
    """One run."""
    options = {"cameras": cameras, "people": people, "seconds": COPIES, "fps": fps, "skeleton": "coco17"}
    with tempfile.TemporaryDirectory() as folder:
        hub = HubOptions(ingest_port=port, publish_port=port + 1, request_port=port + 2)
        recorder = RecorderOptions(directory=folder)
        studio = Studio(skeleton="coco17", source=SyntheticSource(options=options), hub=hub, recorder=recorder)
        path = Path(folder) / "studio.toml"
        write_studio(studio, path)
        services = (["hub", str(path)], ["fusion", str(path)], ["record", str(path), "--take", "load"])
        processes = [subprocess.Popen([sys.executable, "-m", "multiview", *words]) for words in services]
        try:
            with playing(path, seconds, lambda: wait_for(hub, {"service/fusion", "service/recorder"})) as player:
                listener = Listener(hub, [p.pid for p in (*processes, player)])
                listener.listen(seconds)
                assert player.stdout is not None
                dropped = int(player.stdout.readline().split()[1])
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
                process.wait()
        records = open_take(Path(folder) / "load").records()
        recorded = sum(record.topic.startswith("keypoints/") for record in records)
    return Run(
        ticks=100.0 * len(listener.poses) / round(seconds * fps),
        gaps=listener.gaps,
        dropped=dropped,
        late=listener.late,
        poses_ms=np.array(listener.poses) / 1e6,
        hub_ms=np.array(listener.at_hub) / 1e6,
        echoes_ms=np.array(listener.echoes) / 1e6,
        cpu=listener.cpu,
        memory=listener.memory,
        recorded=recorded,
        due=round(seconds * fps) * cameras + cameras,
    )


class Listener:
    """A subscriber like any other, which also watches the processes that it is told of."""

    def __init__(self, hub: HubOptions, pids: list[int]) -> None:
        self._subscriber = Subscriber(hub, ["poses", PONG, "service_health/fusion"])
        self._pids = pids
        self.poses: list[int] = []
        self.at_hub: list[int] = []
        self.echoes: list[int] = []
        self.memory: list[tuple[float, ...]] = [(0.0,) * (1 + len(SERVICES))]  # s; MB of hub, fusion and recorder
        self.cpu: list[float] = []
        self.gaps, self.late = -1, -1

    def listen(self, seconds: float) -> None:
        """Until some seconds after the last frame is due."""
        began, finished = time.monotonic(), False
        used = [_cpu_s(pid) for pid in self._pids]
        while not finished and time.monotonic() < began + seconds + 5.0:
            received = self._subscriber.receive(0.2)
            now_ns = time.monotonic_ns()
            if received is None:
                continue
            message = decode(received.body)
            if received.topic == PONG and isinstance(message, ServiceHealth):
                self.echoes.append(now_ns - message.counts["arrival_ns"])
            elif isinstance(message, PosesMessage):
                self.poses.append(now_ns - message.arrival_ns)
                self.at_hub.append(received.stamp.arrival_ns - message.arrival_ns)
                self.gaps, self.late = message.dropped + self._subscriber.dropped, message.late
            elif isinstance(message, ServiceHealth):
                self.memory.append((time.monotonic() - began, *map(resident_mb, self._pids[: len(SERVICES)])))
                finished = message.state == "finished"
        passed = time.monotonic() - began
        self.cpu = [100.0 * (_cpu_s(pid) - before) / passed for pid, before in zip(self._pids, used, strict=True)]
        self._subscriber.close()


def histogram(times_ms: np.ndarray) -> str:
    """How many ticks took how long, as bars of text."""
    counts, _ = np.histogram(times_ms, EDGES_MS)
    rows, below = [], 0
    for low, high, count in zip(EDGES_MS, EDGES_MS[1:], counts.tolist(), strict=False):
        below += count
        bar = "#" * round(60 * count / max(1, counts.max()))
        rows.append(f"{low:5g} to {high:4g} ms {count:7} {100.0 * below / max(1, len(times_ms)):7.2f} % {bar}")
    return "\n".join(rows)


def memory_table(samples: list[tuple[float, ...]]) -> str:
    """Resident memory over time, and how much it grew from a tenth of the time on, once everything was loaded."""
    picked = [
        samples[min(len(samples) - 1, 1 + i * (len(samples) - 2) // (MEMORY_ROWS - 1))] for i in range(MEMORY_ROWS)
    ]
    rows = [f"{'s':>6} " + " ".join(f"{name:>9}" for name in SERVICES) + "  (MB)"]
    rows += [f"{time_s:6.0f} " + " ".join(f"{mb:9.1f}" for mb in sizes) for time_s, *sizes in picked]
    growth = zip(picked[1][1:], picked[-1][1:], strict=True)
    return "\n".join([*rows, "growth " + " ".join(f"{after - before:+9.1f}" for before, after in growth)])


def _figures(times_ms: np.ndarray) -> str:
    if not len(times_ms):
        return "none"
    p50, p99, most = np.percentile(times_ms, [50, 99, 100])
    return f"{p50:8.2f} {p99:5.2f} {most:6.1f}   "


def resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu_s(pid: int) -> float:
    """Seconds of processor time, in user and kernel mode."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(hub: HubOptions, roles: set[str]) -> None:
    client = RequestClient(hub)
    while True:
        status = request(client, Status(), StatusReply, 0.5)
        if status is not None and roles <= status.roles.keys():
            client.close()
            return
        time.sleep(0.1)
