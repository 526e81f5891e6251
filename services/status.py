"""How a running studio is: a live table of its cameras and services, made from the hub's stream alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multiview.config import HubOptions, load_studio, studio_rig
from multiview.errors import MessageError, SourceError
from multiview.messages import CameraHealth, KeypointsMessage, PosesMessage, ServiceHealth, decode
from services.bus import Received, Subscriber
from services.process import Stopping

__all__ = ["Board", "CameraState", "Watcher"]

ALIVE_S = 1.0  # a camera that was silent for longer is not alive
RATE_SHARE = 0.9  # of its expected frame rate, which a camera must reach


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, nargs="?", help="the studio file; default: a hub at its default ports")
    parser.add_argument("--once", action="store_true", help="print one table after two seconds and end")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False) if args.studio else None
    hub = studio.hub if studio else HubOptions()
    stopping = Stopping()
    with Board(hub, studio_rig(studio).names if studio else (), live=not args.once) as board:
        board.settle(2.0)
        if not board.watcher.heard:
            raise SourceError(f"nothing comes from a hub at {hub.host}:{hub.publish_port}: is the studio running?")
        while not args.once and not stopping.wait(0.1):
            board.update()
        if args.once:
            board.print()


class CameraState(NamedTuple):
    """A camera's health as three yeses, and its figures."""

    alive: bool
    rate_ok: bool
    valid: bool
    rate_hz: float
    people: int
    frames: int
    dropped: int
    detect_ms: float  # of the 2D detector, per frame; 0 where there is none


class _Camera:
    def __init__(self) -> None:
        self.arrivals: deque[int] = deque(maxlen=400)
        self.health: CameraHealth | None = None
        self.last_seen = 0.0
        self.people = self.frames = 0


class Watcher:
    """Takes in messages, and knows each camera's rate and health, and everyone's pose."""

    def __init__(self, cameras: Iterable[str] = ()) -> None:
        self.cameras: dict[str, _Camera] = {name: _Camera() for name in cameras}
        self.services: dict[str, tuple[ServiceHealth, float]] = {}
        self.pose: PosesMessage | None = None
        self.ticks: deque[int] = deque(maxlen=400)
        self.ages: deque[int] = deque(maxlen=400)
        self.latencies: deque[int] = deque(maxlen=400)
        self.misses: dict[str, int] = {}  # ticks, one after the other, that lacked a camera
        self.heard = self.refused = 0

    def take(self, received: Received) -> None:
        self.heard += 1
        try:
            message = decode(received.body)
        except MessageError:
            self.refused += 1
            return
        now_ns = received.stamp.arrival_ns
        if isinstance(message, KeypointsMessage):
            camera = self.cameras.setdefault(message.camera, _Camera())
            camera.arrivals.append(now_ns)
            camera.people, camera.last_seen = message.people, time.monotonic()
            camera.frames += 1
        elif isinstance(message, CameraHealth):
            self.cameras.setdefault(message.camera, _Camera()).health = message
        elif isinstance(message, ServiceHealth):
            self.services[message.service] = (message, time.monotonic())
        elif isinstance(message, PosesMessage):
            self.pose = message
            self.ticks.append(now_ns)
            self.ages.append(message.age_ns)
            self.latencies.append(now_ns - message.arrival_ns)
            for name in message.cameras:
                self.misses[name] = 0
            for name in message.missing:
                self.misses[name] = self.misses.get(name, 0) + 1

    def state(self, name: str) -> CameraState:
        camera = self.cameras[name]
        health = camera.health
        rate, expected = rate_of(camera.arrivals), health.expected_hz if health else 0.0
        return CameraState(
            alive=time.monotonic() - camera.last_seen < ALIVE_S,
            rate_ok=rate >= RATE_SHARE * expected,
            valid=self.misses.get(name, 0) < 3,
            rate_hz=rate,
            people=camera.people,
            frames=camera.frames,
            dropped=health.dropped if health else 0,
            detect_ms=health.detect_ms if health else 0.0,
        )


def rate_of(arrivals: Iterable[int]) -> float:
    """Hz over the last two seconds of arrivals (ns)."""
    recent = list(arrivals)
    recent = [t for t in recent if t > recent[-1] - 2_000_000_000] if recent else []
    return (len(recent) - 1) * 1e9 / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0


class Board:
    """The table on the terminal; where there is none, a plain one at the end."""

    def __init__(self, hub: HubOptions, cameras: Iterable[str] = (), live: bool = True) -> None:
        self.watcher = Watcher(cameras)
        self._subscriber = Subscriber(hub)
        self._console = Console()
        self._live = Live(console=self._console, refresh_per_second=5, auto_refresh=False) if live else None
        if not self._console.is_terminal:
            self._live = None
        self._next = 0.0

    def __enter__(self) -> Board:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()
        self._subscriber.close()

    def update(self) -> None:
        """Take in what has come, and draw five times a second."""
        for received in self._subscriber.drain():
            self.watcher.take(received)
        if self._live and time.monotonic() >= self._next:
            self._live.update(self.table(), refresh=True)
            self._next = time.monotonic() + 0.2

    def settle(self, seconds: float) -> None:
        """Go on for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.update()
            time.sleep(0.02)

    def print(self) -> None:
        self._console.print(self.table())
        sys.stdout.flush()

    def table(self) -> Group:
        """The cameras' table, and a line for each service."""
        watcher, table = self.watcher, Table(title=None, expand=False)
        for column in ("camera", "alive", "rate", "valid", "Hz", "people", "frames", "dropped", "2D ms"):
            table.add_column(column, justify="left" if column == "camera" else "right")
        for name in sorted(watcher.cameras):
            s = watcher.state(name)
            marks = [_mark(s.alive), _mark(s.rate_ok and s.alive), _mark(s.valid and s.alive)]
            numbers = [f"{s.rate_hz:.1f}" if s.alive else "-", str(s.people), str(s.frames), str(s.dropped)]
            numbers.append(f"{s.detect_ms:.1f}" if s.detect_ms else "-")
            table.add_row(name, *marks, *numbers)
        return Group(table, *self._lines())

    def _lines(self) -> list[Text]:
        watcher, lines = self.watcher, []
        for name, camera in sorted(watcher.cameras.items()):
            if camera.health is not None and camera.health.note:
                lines.append(Text(f"{name:8} {camera.health.state}: {camera.health.note}"))
        if watcher.pose is not None:
            ages, latencies = sorted(watcher.ages), sorted(watcher.latencies)
            middle, last = len(ages) // 2, len(ages) * 99 // 100
            lines.append(
                Text(
                    f"poses    {rate_of(watcher.ticks):.1f} Hz, {len(watcher.pose.people)} people, complete "
                    f"{ages[middle] / 1e6:.0f} ms after the tick, computed and sent in "
                    f"{latencies[middle] / 1e6:.1f} ms (p99 {latencies[last] / 1e6:.1f})"
                )
            )
        for name, (health, seen) in sorted(watcher.services.items()):
            stale = time.monotonic() - seen > 3.0
            counts = {key: n for key, n in health.counts.items() if "." not in key}
            words = ", ".join(f"{n} {key}" for key, n in counts.items())
            words += "".join(f"; {key}: {text}" for key, text in health.texts.items() if text)
            state = "silent" if stale else health.state
            style = "red" if stale or health.state == "trouble" else ""
            lines.append(Text(f"{name:8} {state}: {words}", style=style))
        return lines


def _mark(good: bool) -> Text:
    return Text("yes", style="green") if good else Text("no", style="bold red")
