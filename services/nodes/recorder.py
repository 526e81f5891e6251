"""The recorder: write the hub's stream into a take, unchanged."""

from __future__ import annotations

import argparse
import logging
import secrets
import time
from datetime import datetime
from pathlib import Path

from multiview.common.ledger import note_missing
from multiview.common.names import check_name, named_path
from multiview.errors import ConfigError, MessageError, MultiviewError
from multiview.recordings.mcap_log import Record
from multiview.recordings.take import PARTIAL, Take, discard_take, finish_take
from multiview.studio.config import Studio
from multiview.studio.new_take import new_take
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, ServiceHealth, decode, encode
from services.nodes.disk_room import DiskRoom
from services.nodes.ready_signal import ReadySignal
from services.nodes.take_writer import TakeWriter
from services.nodes.video_wish import VIDEOS
from services.runtime.process import Stopping, begin_service
from services.transport.bus import Received, Sender, Subscriber

VIDEOS_S = 20.0  # for so long their ends are waited for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")
    parser.add_argument("--take", help="name of the take; default: the studio's name and the time")
    parser.add_argument("--notes", default="", help="a remark to save with the take")
    parser.add_argument("--video", action="store_true", help="with the videos of the cameras that run on this machine")
    parser.add_argument("--secondary", action="store_true", help="run as a second recorder; do not publish status")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service("recorder", studio.logging.json)
    if args.video and args.secondary:
        raise ConfigError("only the recorder that publishes its status records video: leave out --secondary or --video")
    stopping = Stopping()
    directory = Path(studio.recorder.directory)
    now = datetime.now().astimezone()
    take = continue_take(directory, args.take) or new_take(studio, args.take or "", now, args.notes)
    try:
        recorder = Recorder(studio, take, reports=not args.secondary, video=args.video)
    except MultiviewError:
        discard_take(take)
        raise
    finished = recorder.record(stopping)
    if recorder.missed:
        note_missing(f"{finished.folder} lacks {recorder.missed} messages, which could not be written")
    logging.info("recorded %s", finished.folder)


def continue_take(directory: Path, name: str | None) -> Take | None:
    """The unfinished take of this name, if a recorder before this one has begun it."""
    folder = named_path(directory, check_name(name, "take"), PARTIAL) if name else None
    return Take(folder) if folder is not None and folder.is_dir() else None


class Recorder:
    """Writes the hub's stream to a take; only one recorder of a studio `reports` its health.

    With `video`, its health asks the cameras' workers for videos, and it waits for them at the end.
    """

    def __init__(self, studio: Studio, take: Take, reports: bool = True, video: bool = False) -> None:
        self._take, self._reports, self._video = take, reports, video
        self._filming: set[str] = set()  # cameras whose video is not whole yet
        self._subscriber = Subscriber(studio.hub, topics.RECORDED, "recorder")
        self._sender, self._ready_signal = Sender(studio.hub, "recorder"), ReadySignal(studio.hub, "recorder")
        self._boot_id = secrets.randbits(62)
        self._writer, self._room = TakeWriter(take), DiskRoom(take.folder)
        self._next_health = 0.0

    @property
    def missed(self) -> int:
        """Messages that are not in the take, because they could not be written."""
        return self._writer.missed

    def record(self, stopping: Stopping) -> Take:
        """Record until a stop is requested, then write the messages in flight and give the take its name."""
        while not stopping:
            self._record_next()
        self._end_videos()
        for received in self._subscriber.remaining():
            self._writer.write(Record(*received), time.monotonic())
        self._writer.close()
        return finish_take(self._take)

    def _record_next(self) -> None:
        received = self._subscriber.receive(0.1)
        now = time.monotonic()
        if received is None:
            self._writer.poll(now)
        else:
            self._writer.write(Record(*received), now)
            self._note_filming(received)
            if self._reports:
                self._ready_signal.refresh()
        self._report(now)

    def _end_videos(self) -> None:
        """Say that none are wanted any more, and go on recording until they are whole."""
        if not self._video:
            return
        self._video, self._next_health, end = False, 0.0, time.monotonic() + VIDEOS_S
        while self._filming and time.monotonic() < end:
            self._record_next()
        if self._filming:
            logging.warning("the videos of %s may lack their ends", ", ".join(sorted(self._filming)))

    def _note_filming(self, received: Received) -> None:
        """Which cameras write a video."""
        if not received.topic.startswith(f"{topics.CAMERA_HEALTH}/"):
            return
        try:
            message = decode(received.body)
        except MessageError:
            return
        if isinstance(message, CameraHealth):
            (self._filming.add if message.films else self._filming.discard)(message.camera)

    def _report(self, now: float) -> None:
        if now < self._next_health:
            return
        self._next_health = now + 1.0
        self._room.note(now, self._writer.bytes_written)
        if warning := self._room.warning():
            logging.warning("%s", warning)
        if not self._reports:
            return
        counts = {"messages": self._writer.messages, "missed": self.missed, "dropped": self._subscriber.dropped}
        minutes = self._room.minutes()
        health = ServiceHealth(
            service="recorder",
            boot_id=self._boot_id,
            state="error" if self._writer.error else "running",
            counts=counts,
            values={} if minutes is None else {"disk_minutes": minutes},
            texts={
                "take": str(self._take.folder)[-500:],
                "error": self._writer.error[:500],
                "disk": self._room.words(),
                **({VIDEOS: self._take.folder.name} if self._video else {}),
            },
        )
        self._sender.send(topics.topic_of(topics.SERVICE_HEALTH, "recorder"), encode(health))
