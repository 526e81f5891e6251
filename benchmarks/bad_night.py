"""A studio through a bad night: what cannot start, dies twelve times, blocks, stands still or is told to end.

One studio with simulated cameras records all the time. Of every kind of process one is killed twelve times on end as
soon as it has been started again, and stopped (SIGSTOP) as if it hung; a camera is not there at the start, and a port
is taken; a camera is unplugged, and comes back; then `multiview run` is stopped with all its processes, as a paused
machine is, and told to end. Times are seconds until everyone comes out again with every camera. Whatever is recorded
must be one finished take.

    python -m benchmarks bad_night
    python -m benchmarks bad_night --only loop pause --deaths 3
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from benchmarks.faults import RunningStudio
from benchmarks.stream_listener import StreamListener
from multiview.errors import MultiviewError
from multiview.recordings.take import Take
from multiview.studio.config import (
    CameraOptions,
    CameraSource,
    HubOptions,
    KeypointsSource,
    MetricsOptions,
    RecorderOptions,
    Studio,
    SyntheticSource,
)
from multiview.studio.studio_file import write_studio
from multiview.studio.take_studio import recorded_poses
from services.runtime.display import virtual_display
from services.supervise.launch import Launch

FREE = HubOptions(ingest_port=0, publish_port=0, request_port=0)
OWN = HubOptions(ingest_port=17755, publish_port=17756, request_port=17757)
KINDS = ("hub", "fusion", "recorder", "worker cam03", "metrics", "viewer")
NIGHTS = ("start", "unplug", "loop", "block", "pause", "end")
UNPLUGGED_S = 15.0
CAMERA = '''
"""A live camera that is there unless a file `unplugged` lies beside this one."""

import time
from pathlib import Path

import numpy as np

from multiview.data import VideoFrame
from multiview.errors import SourceError

UNPLUGGED = Path(__file__).with_name("unplugged")


class Source:
    live, frames, fps, size = True, 0, 25.0, (1280, 720)

    def __init__(self, name):
        self.name, self.index, self.due_s = name, 0, time.monotonic()
        self.image = np.zeros((720, 1280, 3), np.uint8)
        if UNPLUGGED.exists():
            raise SourceError("the camera does not answer")

    def read(self):
        if UNPLUGGED.exists():
            raise SourceError("the camera is gone")
        self.due_s = max(self.due_s + 1 / self.fps, time.monotonic() - 1.0)
        time.sleep(max(0.0, self.due_s - time.monotonic()))
        self.index += 1
        return VideoFrame(self.image, self.index - 1, time.monotonic_ns(), self.name)

    def skip(self):
        return self.read() is not None

    def close(self):
        pass
'''
PATIENCE_S = 180.0
SETTLED_S = 8.0  # longer than the silence after which a process is killed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--only", nargs="+", choices=NIGHTS, default=NIGHTS, metavar="FAULT", help=", ".join(NIGHTS))
    parser.add_argument("--deaths", type=int, default=12, help="of each process in a row (default 12)")
    parser.add_argument("--pause", type=float, default=30.0, help="s that all processes stand still (default 30)")
    parser.add_argument(
        "--kinds", nargs="+", default=["hub", "fusion", "recorder", "worker cam03", "metrics", "viewer"]
    )


def run(args: argparse.Namespace) -> int:
    """Print a row for every figure."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, by children as well
    logging.disable(logging.WARNING)  # of what is done here on purpose
    acts = {"start": _start, "unplug": _unplug, "loop": _loop, "block": _block, "pause": _pause, "end": _end}
    print(f"{'fault':6} {'figure':66} {'s':>7}", flush=True)
    for night in NIGHTS:
        if night in args.only:
            with tempfile.TemporaryDirectory() as folder:
                acts[night](args, Path(folder))
    return 0


def _row(fault: str, figure: str, seconds: float) -> None:
    print(f"{fault:6} {figure:66} {seconds:7.2f}", flush=True)


def _studio(folder: Path, hub: HubOptions) -> Studio:
    options = {"cameras": 3, "people": 2, "fps": 25.0, "seconds": 10.0, "skeleton": "coco17"}
    return Studio(
        name="night",
        skeleton="coco17",
        source=SyntheticSource(options=options, loop=True),
        hub=hub,
        recorder=RecorderOptions(directory=str(folder)),
        metrics=MetricsOptions(enabled=True, port=0),
    )


@contextlib.contextmanager
def _running(studio: Studio, folder: Path, viewer: bool = False) -> Iterator[RunningStudio]:
    """A supervised studio, someone who listens, and a finished take at the end."""
    launch = Launch(studio, take="night", viewer=viewer, logs=folder / "logs")
    with virtual_display() if viewer else contextlib.nullcontext(), launch:
        launch.start()
        listener = StreamListener(launch.studio.hub)
        listener.start()
        yield RunningStudio(launch, listener, {})
        listener.ending = True
        listener.join()
    if launch.take is None or launch.take.partial or not list(recorded_poses(launch.take.records())):
        raise MultiviewError(f"no finished take: {launch.take}")


def _start(args: argparse.Namespace, folder: Path) -> None:
    """A camera that is not there, and a port in use; then both are mended."""
    missing = folder / "keypoints"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        source = CameraOptions(source=KeypointsSource(directory=str(missing), fps=25.0, loop=True))
        metrics = MetricsOptions(enabled=True, port=holder.getsockname()[1])
        studio = _studio(folder, FREE)
        studio = msgspec.structs.replace(studio, cameras={"cam03": source}, metrics=metrics)
        began = time.monotonic()
        with _running(studio, folder) as running:
            troubles = running.launch.troubles
            _row("start", "without a camera and a port: until the sources play", time.monotonic() - began)
            running.until(lambda: running.listener.first(began, lambda m: len(m.people) == 2))
            _row("start", "until poses of everyone", time.monotonic() - began)
            running.until(lambda: {"metrics", "worker cam03"} <= troubles().keys())
            running.pause(20.0)  # so that the pauses have grown
            holder.close()
            mended = time.monotonic()
            running.until(lambda: "metrics" not in troubles())
            _row("start", "port free again: until metrics are served", time.monotonic() - mended)
            (missing / "cam03").mkdir(parents=True)
            (missing / "cam03" / "0.json").write_text('{"people": []}')
            mended = time.monotonic()
            running.until(lambda: running.listener.first(mended, lambda m: "cam03" in m.cameras))
            _row("start", "camera there: until a pose uses it", time.monotonic() - mended)


def _unplug(args: argparse.Namespace, folder: Path) -> None:
    """A live camera that is unplugged, and plugged in again."""
    (folder / "camera.py").write_text(CAMERA)
    studio = _studio(folder, FREE)
    assert isinstance(studio.source, SyntheticSource)
    simulated = {"studio": {**studio.source.options, "skeleton": "coco17"}}
    source = CameraSource(address=str(folder / "camera.py"), detector="synthetic", options=simulated, fps=25.0)
    studio = msgspec.structs.replace(
        studio,
        source=msgspec.structs.replace(studio.source, own_clocks=True),
        cameras={"cam03": CameraOptions(source=source)},
    )
    with _running(studio, folder) as running:
        uses = lambda since: running.listener.first(since, lambda m: "cam03" in m.cameras)
        running.until(lambda: uses(0.0))
        (folder / "unplugged").touch()
        gone = time.monotonic()
        without = running.until(lambda: running.listener.first(gone, lambda m: "cam03" in m.missing))
        _row("unplug", "camera gone: until a pose without it", without - gone)
        running.pause(UNPLUGGED_S)  # so that the pauses have grown
        if set(running.launch.troubles()) != {"worker cam03"}:
            raise MultiviewError(f"others suffered: {running.launch.troubles()}")
        (folder / "unplugged").unlink()
        back = time.monotonic()
        _row("unplug", "camera back: until a pose uses it", running.until(lambda: uses(back)) - back)


def _whole_again(running: RunningStudio, since: float) -> float:
    """Seconds until nothing is amiss."""
    running.until(lambda: not running.launch.troubles() and running.listener.poses[-1][0] > since)
    running.until(lambda: running.listener.whole() and running.listener.poses[-10][0] > since)
    return time.monotonic() - since


def _loop(args: argparse.Namespace, folder: Path) -> None:
    with _running(_studio(folder, FREE), folder, "viewer" in args.kinds) as running:
        running.until(running.listener.whole)
        for kind in args.kinds:
            began, last = time.monotonic(), 0
            for _ in range(args.deaths):
                last = _kill_next(running, kind, last)
            killed = time.monotonic()
            _row("loop", f"{kind}: {args.deaths} deaths on end", killed - began)
            _row("loop", f"{kind}: from the last to all well", _whole_again(running, killed))
            others = {n: s for n, s in running.launch.states().items() if n not in args.kinds and s != "running"}
            if others:
                raise MultiviewError(f"others suffered: {others}")


def _kill_next(running: RunningStudio, kind: str, last: int) -> int:
    """Kill the process that was started after the `last` one; its id."""
    pid = lambda: running.launch.pids()[kind]
    running.until(lambda: pid() != last)
    killed = pid()
    os.kill(killed, signal.SIGKILL)
    running.until(lambda: pid() != killed or running.launch.states()[kind].startswith("dead"))
    return killed


def _block(args: argparse.Namespace, folder: Path) -> None:
    with _running(_studio(folder, FREE), folder, "viewer" in args.kinds) as running:
        running.until(running.listener.whole)
        for kind in args.kinds:
            running.until(lambda kind=kind: _heard(running, kind))  # who never was may still be loading
            blocked = time.monotonic()
            _row("block", f"{kind}: stopped, until a new one is started", _stop(running, kind))
            _row("block", f"{kind}: until all is well", _whole_again(running, blocked))
            running.pause(2.0)


def _heard(running: RunningStudio, kind: str) -> bool:
    """Whether the hub hears a process; the hub itself, where it replies."""
    status = running.launch.status()
    role = f"camera/{kind.removeprefix('worker ')}" if kind.startswith("worker") else f"service/{kind}"
    return status is not None and (kind == "hub" or role in status.roles)


def _stop(running: RunningStudio, kind: str) -> float:
    """Stop a process as if it hung; seconds until another has its place."""
    pid, began = running.launch.pids()[kind], time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    running.until(lambda: running.launch.pids()[kind] != pid)
    return time.monotonic() - began


@contextlib.contextmanager
def _run(folder: Path) -> Iterator[tuple[subprocess.Popen[str], StreamListener]]:
    """`multiview run` in a process of its own, once all is well."""
    write_studio(_studio(folder, OWN), folder / "studio.toml")
    (folder / "scratch").mkdir()
    command = [sys.executable, "-m", "multiview", "run", str(folder / "studio.toml"), "--take", "night", "--no-viewer"]
    environment = {**os.environ, "TMPDIR": str(folder / "scratch")}
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, env=environment)
    listener = StreamListener(OWN)
    listener.start()
    try:
        _until(listener.whole)
        yield process, listener
    finally:
        listener.ending = True
        listener.join()
        process.kill()
        process.wait()


def _ended(process: subprocess.Popen[str], folder: Path, number: int, fault: str, figure: str) -> None:
    """Tell it to end; the take must be whole, and nothing else left."""
    began = time.monotonic()
    process.send_signal(number)
    status = process.wait(PATIENCE_S)
    _row(fault, figure, time.monotonic() - began)
    left = list((folder / "scratch").glob("multiview-*")) + list(folder.glob("*.partial"))
    poses = list(recorded_poses(Take(folder / "night").records()))
    if status or left or not poses:
        raise MultiviewError(f"exit status {status}, left {left}, {len(poses)} poses recorded")


def _pause(args: argparse.Namespace, folder: Path) -> None:
    with _run(folder) as (process, listener):
        time.sleep(3.0)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        before = [int(word) for word in children.read_text().split()]
        for pid in (*before, process.pid):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(args.pause)
        for pid in (process.pid, *before):
            os.kill(pid, signal.SIGCONT)
        again = time.monotonic()
        _until(lambda: listener.whole() and listener.poses[-10][0] > again)
        _row("pause", f"all stood still for {args.pause:g} s: until all is well", time.monotonic() - again)
        time.sleep(SETTLED_S)
        after = [int(word) for word in children.read_text().split()]
        _row("pause", "processes killed because of it (count)", float(len(set(before) - set(after))))
        _ended(process, folder, signal.SIGINT, "pause", "Ctrl-C: until the take is whole and `run` has ended")


def _end(args: argparse.Namespace, folder: Path) -> None:
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        (folder / name).mkdir()
        with _run(folder / name) as (process, _):
            words = f"{name} to `run`: until the take is whole and it has ended"
            _ended(process, folder / name, getattr(signal, name), "end", words)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise MultiviewError("it never happened")
        time.sleep(0.01)
