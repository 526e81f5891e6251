"""The recorder: write the hub's stream into a take, unchanged."""

from __future__ import annotations

import argparse
import logging
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from multiview.errors import SourceError
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take, finish_take
from multiview.studio.config import Studio, load_studio
from multiview.studio.new_take import new_take
from multiview.wire import topics
from multiview.wire.messages import ServiceHealth, encode
from services.nodes.ready_signal import ReadySignal
from services.runtime.process import Stopping, begin_service
from services.transport.bus import Sender, Subscriber

RETRY_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")
    parser.add_argument("--take", help="name of the take; default: the studio's name and the time")
    parser.add_argument("--notes", default="", help="a remark to save with the take")
    parser.add_argument("--secondary", action="store_true", help="run as a second recorder; do not publish status")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service("recorder", studio.logging.json)
    stopping = Stopping()
    directory = Path(studio.recorder.directory)
    now = datetime.now().astimezone()
    take = continue_take(directory, args.take) or new_take(studio, args.take or "", now, args.notes)
    finished = Recorder(studio, take, reports=not args.secondary).record(stopping)
    logging.info("recorded %s", finished.folder)


def continue_take(directory: Path, name: str | None) -> Take | None:
    """The unfinished take of this name, if a recorder before this one has begun it."""
    folder = directory / f"{name}.partial"
    return Take(folder) if name and folder.is_dir() else None


class Recorder:
    """Writes the hub's stream to a take; only one recorder of a studio `reports` its health."""

    def __init__(self, studio: Studio, take: Take, reports: bool = True) -> None:
        self._take, self._reports = take, reports
        self._subscriber = Subscriber(studio.hub, name="recorder")
        self._sender, self._ready_signal = Sender(studio.hub, "recorder"), ReadySignal(studio.hub, "recorder")
        self._boot_id = secrets.randbits(62)
        self._writer: RecordingWriter | None = None
        self._messages = self._missed = 0
        self._error = ""
        self._next_health = self._next_try = 0.0

    def record(self, stopping: Stopping) -> Take:
        """Record until a stop is requested, then write the messages in flight and give the take its name."""
        while not stopping:
            received = self._subscriber.receive(0.1)
            if received is not None:
                self._write(Record(*received))
                if self._reports:
                    self._ready_signal.refresh()
            self._report()
        for received in self._subscriber.remaining():
            self._write(Record(*received))
        if self._writer is not None:
            self._guarded(self._writer.close)
        return finish_take(self._take)

    def _write(self, record: Record) -> None:
        """Continue after any disk error: a full disk is tried again, with a new file."""
        if self._writer is None and time.monotonic() >= self._next_try:
            self._next_try = time.monotonic() + RETRY_S
            self._guarded(self._open)
        writer = self._writer
        if writer is None:
            self._missed += 1
        elif self._guarded(lambda: writer.write(record)):
            self._messages += 1

    def _open(self) -> None:
        inside = {path.name: path.read_bytes() for path in (self._take.rig, self._take.studio) if path.exists()}
        self._writer = RecordingWriter(self._take.next_recording(), inside)
        self._error = ""

    def _guarded(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except (OSError, SourceError) as error:
            self._error = f"cannot write: {getattr(error, 'strerror', None) or error}"
            logging.error("%s; earlier data are safe; trying again every %g s", self._error, RETRY_S)
            self._writer = None
            self._missed += 1
            return False
        return True

    def _report(self) -> None:
        if not self._reports or time.monotonic() < self._next_health:
            return
        self._next_health = time.monotonic() + 1.0
        counts = {"messages": self._messages, "missed": self._missed, "dropped": self._subscriber.dropped}
        health = ServiceHealth(
            service="recorder",
            boot_id=self._boot_id,
            state="error" if self._error else "running",
            counts=counts,
            texts={"take": str(self._take.folder)[-500:], "error": self._error[:500]},
        )
        self._sender.send(topics.topic_of(topics.SERVICE_HEALTH, "recorder"), encode(health))
