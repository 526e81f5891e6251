"""What can go wrong in a studio, done to real processes: how long until it is noticed, and until all is well again.

Workers with clocks of their own, hub, fusion, recorder and viewer are supervised as `multiview run` does it, and killed
by SIGKILL one after the other; the network is cut between one worker and the rest. Times are those of a subscriber like
any other, in seconds: the best and the worst of all repeats. What was recorded before the recorder's death is compared
with what the subscriber had received by then.

    python -m benchmarks faults
    python -m benchmarks faults --only hub fusion --repeats 10
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.stream_listener import FRAMING, Arrival, StreamListener
from benchmarks.tcp_proxy import TcpProxy
from multiview.commands.recover import recover
from multiview.errors import MultiviewError
from multiview.recordings.mcap_log import RecordingReader
from multiview.recordings.take import Take
from multiview.studio.config import HubOptions, RecorderOptions, Studio, SyntheticSource
from multiview.studio.studio_file import write_studio
from services.runtime.display import virtual_display
from services.supervise.launch import Launch
from services.transport.bus import Sender

FAULTS = ("worker", "fusion", "hub", "recorder", "viewer", "network")
WATCH_S = 0.05  # how often `run` looks at its processes
PATIENCE_S = 120.0
APART_S = 10.5  # between two deaths of one process, which `run` would take for one that keeps dying
ELSEWHERE = "127.0.0.2"  # the hub as the camera behind the proxy knows it
CHUNK_KB = 64.0
SUBSCRIBED_NS = 100_000_000  # by then a hub that has just started has all subscriptions of the recorder

Figures = dict[tuple[str, str], list[float]]

# fault, figure: the limit, where there is one
LIMITS = {
    ("worker", "its process's start to a pose with its camera"): 1.0,
    ("fusion", "kill to poses of everyone"): 2.0,
    ("hub", "kill to poses of everyone"): 2.0,
    ("network", "cut to a pose without the camera"): 0.6,
    ("network", "cut to `status` saying so"): 0.6,
    ("network", "cut to its sender knowing"): 0.6,
    ("recorder", "received before the kill, not recorded, KB"): CHUNK_KB,
    ("recorder", "messages missing before that"): 0.0,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--repeats", type=int, default=5, help="how often each fault is made (default 5)")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=FAULTS, metavar="FAULT", help=", ".join(FAULTS))
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--fps", type=float, default=30.0, help="Hz")
    parser.add_argument("--people", type=int, default=2)


def run(args: argparse.Namespace) -> int:
    """Print a row for every figure; 1 if one is beyond its limit."""
    figures: Figures = defaultdict(list)
    faults = [fault for fault in FAULTS if fault in args.only]
    print(f"{args.cameras} cameras x {args.fps:g} Hz x {args.people} people, {args.repeats} times each", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if supervised := [fault for fault in faults if fault != "network"]:
            _supervised(args, Path(folder), supervised, figures)
        if "network" in faults:
            _network(args, Path(folder), figures)
    print("\n| fault | interval or count | best | worst | limit |\n|---|---|---|---|---|")  # as in docs/operations.md
    beyond = False
    for (fault, figure), values in figures.items():
        limit = LIMITS.get((fault, figure))
        bad = limit is not None and max(values) > limit
        beyond |= bad
        unit = "" if fault == "recorder" and "kill to" not in figure else " s"
        best, worst = (f"{value:.2f}{unit}" if unit else f"{value:.0f}" for value in (min(values), max(values)))
        words = "" if limit is None else f"{'≤ ' if limit else ''}{limit:g}{unit}" + (" BEYOND" if bad else "")
        print(f"| {fault} | {figure} | {best} | {worst} | {words} |")
    return int(beyond)


def _studio(args: argparse.Namespace, folder: Path, hub: HubOptions, seconds: float = 10.0) -> Studio:
    options = {
        "cameras": args.cameras,
        "people": args.people,
        "fps": args.fps,
        "seconds": seconds,
        "skeleton": "coco17",
        "clock_offset_ms": 1000.0,
    }
    return Studio(
        name="faults",
        skeleton="coco17",
        source=SyntheticSource(options=options, own_clocks=True, loop=True),
        hub=hub,
        recorder=RecorderOptions(directory=str(folder)),
    )


class RunningStudio:
    """A supervised studio, and someone who listens."""

    def __init__(self, launch: Launch, listener: StreamListener, figures: Figures) -> None:
        self.launch, self.listener, self.figures = launch, listener, figures
        self._deaths: dict[str, float] = {}

    def until(self, condition: Callable[[], float | bool | None]) -> float:
        """Watch the processes as `run` does until something is true; what it was."""
        end, next_watch = time.monotonic() + PATIENCE_S, 0.0
        while not (value := condition()):
            now = time.monotonic()
            if now > end:
                raise MultiviewError("it never came back; the last words: " + str(self.launch.states()))
            if now >= next_watch:
                self.launch.watch()
                next_watch = now + WATCH_S
            time.sleep(0.002)
        return float(value)

    def pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end)

    def kill(self, name: str) -> float:
        """When it was killed; only once all is well, and not too soon after the last time."""
        self.until(self.listener.whole)
        self.pause(max(0.5, self._deaths.get(name, 0.0) + APART_S - time.monotonic()))
        self.until(self.listener.whole)
        killed = self._deaths[name] = time.monotonic()
        os.kill(self.launch.pids()[name], signal.SIGKILL)
        return killed

    def note(self, fault: str, figure: str, value: float) -> None:
        self.figures[fault, figure].append(value)


def _supervised(args: argparse.Namespace, folder: Path, faults: list[str], figures: Figures) -> None:
    hub = HubOptions(ingest_port=0, publish_port=0, request_port=0)
    acts = {"worker": _worker, "fusion": _fusion, "hub": _hub, "recorder": _recorder, "viewer": _viewer}
    shows = "viewer" in faults
    with virtual_display() if shows else contextlib.nullcontext():
        launch = Launch(_studio(args, folder, hub), take="faults", viewer=shows, logs=folder / "logs")
        with launch:
            launch.start()
            listener = StreamListener(launch.studio.hub)
            listener.start()
            running = RunningStudio(launch, listener, figures)
            running.until(listener.whole)
            for repeat in range(args.repeats):
                for fault in faults:
                    print(f"\r{repeat + 1}: {fault:10}", end="", file=sys.stderr, flush=True)
                    acts[fault](running)
            print(end="\r", file=sys.stderr)
            listener.ending = True
            listener.join()


def _worker(running: RunningStudio) -> None:
    listener, camera = running.listener, running.launch.rig.names[-1]
    name = f"worker {camera}"
    pid = running.launch.pids()[name]
    killed = running.kill(name)
    before = set(listener.first_frames)
    without = running.until(lambda: listener.first(killed, lambda m: camera in m.missing))
    started = running.until(lambda: time.monotonic() if running.launch.pids()[name] != pid else None)
    used = running.until(lambda: listener.first(max(started, without), lambda m: camera in m.cameras))
    spoke = min(at for run, at in listener.first_frames.items() if run not in before and run[0] == camera)
    running.note("worker", "kill to a pose without its camera", without - killed)
    running.note("worker", "its process's start to its first frame", spoke - started)
    running.note("worker", "its process's start to a pose with its camera", used - started)
    running.note("worker", "kill to a pose with its camera", used - killed)


def _fusion(running: RunningStudio) -> None:
    boot = running.listener.poses[-1][1].boot_id
    killed = running.kill("fusion")
    fresh = lambda m: m.boot_id != boot
    first = running.until(lambda: running.listener.first(killed, fresh))
    everyone = running.until(lambda: running.listener.first(killed, lambda m: fresh(m) and bool(m.people)))
    whole = running.until(lambda: running.listener.first(everyone, lambda m: not m.missing))
    running.note("fusion", "kill to the first tick", first - killed)
    running.note("fusion", "kill to poses of everyone", everyone - killed)
    running.note("fusion", "kill to all cameras in use", whole - killed)


def _hub(running: RunningStudio) -> None:
    killed = running.kill("hub")
    silent = killed + 0.1  # what the hub had sent before may still be on its way
    everyone = running.until(lambda: running.listener.first(silent, lambda m: bool(m.people)))
    whole = running.until(lambda: running.listener.first(everyone, lambda m: not m.missing))
    running.note("hub", "kill to poses of everyone", everyone - killed)
    running.note("hub", "kill to all cameras in use", whole - killed)


def _recorder(running: RunningStudio) -> None:
    take = running.launch.take
    assert take is not None
    part, parts = take.recordings()[-1], len(take.recordings())
    killed_ns = round(running.kill("recorder") * 1e9)
    running.until(lambda: len(take.recordings()) > parts)  # first: meanwhile nobody would start it again
    running.pause(2.0)
    kept = _recovered(take, part)
    begun = max(i for i, h in enumerate(kept) if i == 0 or h.sequence < kept[i - 1].sequence)  # of this hub's run
    since_ns = kept[begun].arrival_ns + SUBSCRIBED_NS
    kept = [h for h in kept[begun:] if h.arrival_ns >= since_ns]
    arrivals = [h for h in running.listener.arrivals if h.arrival_ns >= since_ns]
    before = [h for h in arrivals if h.arrival_ns <= kept[-1].arrival_ns]
    unrecorded = [h for h in arrivals if kept[-1].arrival_ns < h.arrival_ns <= killed_ns]
    again = _stamps(take.recordings()[-1])
    running.note("recorder", "received before the kill, not recorded, KB", sum(h.size for h in unrecorded) / 1024)
    running.note("recorder", "messages missing before that", len(set(before) - set(kept)))
    running.note("recorder", "kill to the next message recorded", (again[0].arrival_ns - killed_ns) / 1e9)


def _recovered(take: Take, part: Path) -> list[Arrival]:
    """What a copy of the take holds of the part that was cut off, once it has been made whole."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / take.folder.name
        shutil.copytree(take.folder, copy)
        whole, _ = recover(Take(copy))
        return _stamps(whole.folder / part.name)


def _stamps(path: Path) -> list[Arrival]:
    records = RecordingReader(path)
    return [Arrival(r.stamp.arrival_ns, r.stamp.sequence, len(r.body) + FRAMING) for r in records]


def _viewer(running: RunningStudio) -> None:
    log = running.launch.logs / "viewer.log"
    shown = lambda: log.read_text().count("shows people")
    running.until(lambda: shown() > 0)
    dropped, boot, seen = running.listener.poses[-1][1].dropped, running.listener.poses[-1][1].boot_id, shown()
    killed = running.kill("viewer")
    back = running.until(lambda: time.monotonic() if shown() > seen else None)
    poses = [(at, message) for at, message in running.listener.poses if at > killed - 0.5]
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(poses)]
    running.note("viewer", "longest pause in the poses meanwhile", max(gaps))
    running.note("viewer", "messages dropped before fusion meanwhile", poses[-1][1].dropped - dropped)
    running.note("viewer", "other processes that died", float(poses[-1][1].boot_id != boot))
    running.note("viewer", "kill to people shown again", back - killed)


def _network(args: argparse.Namespace, folder: Path, figures: Figures) -> None:
    """One worker reaches the hub over proxies that can be cut; the others are on the hub's machine."""
    hub = HubOptions(ingest_port=17655, publish_port=17656, request_port=17657)
    write_studio(_studio(args, folder, hub), folder / "network.toml")
    ports = (hub.ingest_port, hub.publish_port, hub.request_port)
    proxies = [TcpProxy(port, ELSEWHERE, port) for port in ports]
    for proxy in proxies:
        proxy.start()
    names = [f"cam{number + 1:02}" for number in range(args.cameras)]
    listener = StreamListener(hub)
    with _processes(folder / "network.toml", names):
        listener.start()
        for repeat in range(args.repeats):
            print(f"\r{repeat + 1}: network   ", end="", file=sys.stderr, flush=True)
            for figure, value in _cut(listener, hub, proxies, names[-1]).items():
                figures["network", figure].append(value)
        print(end="\r", file=sys.stderr)
        listener.ending = True
        listener.join()
    for proxy in proxies:
        proxy.ending = True
        proxy.join()


@contextlib.contextmanager
def _processes(studio: Path, cameras: list[str]) -> Iterator[None]:
    words = [["hub"], ["fusion"], *(["worker", "--camera", camera] for camera in cameras)]
    words[-1] += ["--connect", ELSEWHERE]
    base = [sys.executable, "-m", "multiview"]
    log = (studio.parent / "network.log").open("ab")
    started = [subprocess.Popen([*base, w[0], str(studio), *w[1:]], stdout=log, stderr=log) for w in words]
    try:
        yield
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
        log.close()


def _cut(listener: StreamListener, hub: HubOptions, proxies: list[TcpProxy], camera: str) -> dict[str, float]:
    sender = Sender(HubOptions(host=ELSEWHERE, ingest_port=hub.ingest_port), "cut")
    _until(lambda: sender.send("service_health/cut", b"there"))
    _until(listener.whole)
    time.sleep(1.0)
    _until(listener.whole)
    cut = time.monotonic()
    for proxy in proxies:
        proxy.cut = True
    knows = [0.0]

    def everyone_knows() -> bool:
        if not knows[0] and not sender.send("service_health/cut", b"there?"):
            knows[0] = time.monotonic()
        return bool(knows[0] and listener.first(cut, lambda m: camera in m.missing) and listener.noticed(cut, camera))

    _until(everyone_knows, every_s=1 / 60)
    time.sleep(2.0)
    mended = time.monotonic()
    for proxy in proxies:
        proxy.cut = False
    back = _until(lambda: listener.first(mended, lambda m: camera in m.cameras))
    sender.close()
    without, said = listener.first(cut, lambda m: camera in m.missing), listener.noticed(cut, camera)
    assert without
    assert said
    return {
        "cut to a pose without the camera": without - cut,
        "cut to `status` saying so": said - cut,
        "cut to its sender knowing": knows[0] - cut,
        "mended to a pose with the camera": back - mended,
    }


def _until(condition: Callable[[], float | bool | None], every_s: float = 0.005) -> float:
    end = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        if time.monotonic() > end:
            raise MultiviewError("it never happened")
        time.sleep(every_s)
    return float(value)
