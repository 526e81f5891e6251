"""Show the state of a running studio: a live table of its cameras and services, from the hub's stream alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multiview.common.console import plain_console
from multiview.common.counted import counted
from multiview.errors import SourceError
from multiview.studio.config import HubOptions
from multiview.studio.derived import studio_rig
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from services.runtime.process import Stopping
from services.supervise.watcher import Watcher, rate_of
from services.transport.bus import Subscriber
from services.transport.keyring import HUB

__all__ = ["StatusTable"]


SILENT_S = 3.0
FIRST_MESSAGE_S, LOOK_S = 6.0, 2.0  # a busy computer needs seconds until the first message
MAX_HUB_COUNTS = 8  # received, rejected, and the reasons of it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, nargs="?", help="the studio file; default: a hub at its default ports")
    parser.add_argument(
        "--once", action="store_true", help="print one table after two seconds and end (default without a terminal)"
    )


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False) if args.studio else None
    hub = studio.hub if studio else HubOptions()
    stopping = Stopping()
    once = args.once or not sys.stdout.isatty()
    with StatusTable(hub, studio_rig(studio).names if studio else (), live=not once) as table:
        table.update_for(FIRST_MESSAGE_S, until_first=True)
        if not table.watcher.received:
            start = (
                f"start it with `multiview run {args.studio}`" if args.studio else "start the studio, or name its file"
            )
            raise SourceError(f"no messages from a hub at {hub.host}:{hub.publish_port}: {start}")
        table.update_for(LOOK_S)
        while not once and not stopping.wait(0.1):
            table.update()
        if once:
            table.print()


class StatusTable:
    """The live table on a terminal; without a terminal, a plain one at the end."""

    def __init__(self, hub: HubOptions, cameras: Iterable[str] = (), live: bool = True) -> None:
        self.watcher = Watcher(cameras)
        self._subscriber = Subscriber(hub, topics.RECORDED)
        self._console = plain_console()
        self._live = Live(console=self._console, refresh_per_second=5, auto_refresh=False) if live else None
        if not self._console.is_terminal:
            self._live = None
        self._next = 0.0

    def __enter__(self) -> StatusTable:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()
        self._subscriber.close()

    def update(self) -> None:
        """Process the messages received, and redraw five times a second."""
        for received in self._subscriber.drain():
            self.watcher.take(received)
        if self._live and time.monotonic() >= self._next:
            self._live.update(self.table(), refresh=True)
            self._next = time.monotonic() + 0.2

    def update_for(self, seconds: float, until_first: bool = False) -> None:
        """Update for so long, or until there is a first message."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not (until_first and self.watcher.received):
            self.update()
            time.sleep(0.02)

    def print(self) -> None:
        self._console.print(self.table())
        sys.stdout.flush()

    def table(self) -> Group:
        """The cameras' table, and a line for each service."""
        watcher, table = self.watcher, Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for column in ("camera", "alive", "rate", "valid", "Hz", "people", "dropped", "2D ms", "clock ms", "error px"):
            table.add_column(column, justify="left" if column == "camera" else "right")
        for name in sorted(watcher.cameras):
            s = watcher.state(name)
            marks = [_mark(s.alive), _mark(s.rate_ok and s.alive), _mark(s.valid and s.alive)]
            if s.finished and not s.alive:
                marks = [Text("done", style="dim"), Text("-"), Text("-")]
            numbers = [f"{s.rate_hz:.1f}" if s.alive else "-", str(s.people), str(s.dropped)]
            numbers.append(f"{s.detect_ms:.1f}" if s.detect_ms else "-")
            sigma, error = (watcher.value("fusion", f"{name}.{what}") for what in ("clock_sigma_ms", "residual_px"))
            numbers += ["-" if sigma is None else f"± {sigma:.2f}", "-" if error is None else f"{error:.1f}"]
            table.add_row(Text(name), *marks, *numbers)
        return Group(table, *self._lines())

    def _lines(self) -> list[Text]:
        watcher, lines = self.watcher, []
        for name, camera in sorted(watcher.cameras.items()):
            if camera.health is not None and camera.health.note:
                lines.append(Text(f"{name:8} {camera.health.state}: {camera.health.note}"))
        if watcher.pose is not None:
            tick_latencies, fusion_latencies = sorted(watcher.tick_latencies), sorted(watcher.fusion_latencies)
            middle, last = len(tick_latencies) // 2, len(tick_latencies) * 99 // 100
            people = counted(len(watcher.pose.people), "person", "people")
            lines.append(
                Text(
                    f"poses    {rate_of(watcher.ticks):.1f} Hz, {people}, complete "
                    f"{tick_latencies[middle] / 1e6:.0f} ms after the tick, computed and sent in "
                    f"{fusion_latencies[middle] / 1e6:.1f} ms (p99 {fusion_latencies[last] / 1e6:.1f})"
                )
            )
        for name, (health, seen) in sorted(watcher.services.items()):
            state = "silent" if time.monotonic() - seen > SILENT_S else health.state
            counts = _counts(name, health.counts)
            style = "red" if state in ("silent", "error") else ""
            lines.append(Text(f"{name:8} {state}{': ' if counts else ''}{counts}", style=style))
            lines += [Text(f"         {key}: {text}", style="yellow") for key, text in health.texts.items() if text]
        return lines


def _counts(service: str, counts: Mapping[str, int]) -> str:
    """What a service counts, in words; of the hub, whose reasons of `rejected` come most frequent first, not all."""
    if service == HUB:
        shown = [f"{n} {key}" for key, n in counts.items() if n]
        more = len(shown) - MAX_HUB_COUNTS
        return ", ".join(shown[:MAX_HUB_COUNTS]) + (f", {counted(more, 'other reason')}" if more > 0 else "")
    return ", ".join(f"{n} {key}" for key, n in counts.items() if n and "." not in key)  # not those of each camera


def _mark(good: bool) -> Text:
    return Text("yes", style="green") if good else Text("no", style="bold red")
