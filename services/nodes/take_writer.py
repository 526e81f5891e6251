"""Writes a take through full disks and folders that vanish: what cannot be written yet waits, and is written then."""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable
from pathlib import Path

from multiview.common.atomic_file import writing
from multiview.errors import SourceError
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take
from multiview.recordings.take_lock import TakeLock
from services.nodes.disk_room import MIN_FREE

__all__ = ["TakeWriter"]

RETRY_S, CHECK_S = 1.0, 1.0
MAX_WAITING = 64 << 20  # bytes of messages kept in memory while nothing can be written: tens of seconds of a studio


class TakeWriter:
    """One part of the stream after the other; a new one is begun only where it can hold something.

    `error` says why nothing can be written now; `missed` are the messages that never will be. ConfigError if another
    process records the take.
    """

    def __init__(self, take: Take) -> None:
        self._take = take
        self._files = {path.relative_to(take.folder): path.read_bytes() for path in _settings(take)}
        self._inside = {
            file.name: data for file, data in self._files.items() if file.name in ("rig.toml", "studio.toml")
        }
        self._writer: RecordingWriter | None = None
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._next_try = self._next_check = 0.0
        self._written_before = 0  # bytes of the parts that have ended
        self._lock = TakeLock(take.folder)
        self._accepted = 0
        self.error = ""
        self.missed = 0

    @property
    def messages(self) -> int:
        """How many are in the take."""
        return self._accepted - len(self._waiting)

    @property
    def bytes_written(self) -> int:
        """Of the whole stream."""
        return self._written_before + (self._writer.bytes_written if self._writer is not None else 0)

    def write(self, record: Record, now_s: float) -> None:
        """Write it, or keep it until that is possible; where too much waits it is missed."""
        if self._waiting_bytes > MAX_WAITING:
            self.missed += 1
        else:
            self._accepted += 1
            self._wait(record)
        self.poll(now_s)

    def poll(self, now_s: float) -> None:
        """To be called often: what waits is tried again about once a second."""
        if self._writer is not None and now_s >= self._next_check:
            self._next_check = now_s + CHECK_S
            if not self._writer.path.exists():
                self._leave_folder(now_s)
        if self._writer is None and self._waiting and now_s >= self._next_try:
            self._next_try = now_s + RETRY_S
            self._try(self._begin_part)
        while self._writer is not None and self._waiting:
            self._try(self._write_next)

    def close(self) -> None:
        """End the take; what still waits then is missed."""
        self.poll(self._next_try)
        if self._writer is not None:
            self._try(self._writer.close)
        self._lock.release()
        if lost := len(self._waiting):
            logging.error("%d messages at the end are lost: %s", lost, self.error)
            self._accepted -= lost
            self.missed += lost
            self._waiting.clear()

    def _leave_folder(self, now_s: float) -> None:
        """Somebody moved the take, or deleted it: end it where it is, and go on under its name."""
        if self._writer is not None and self._try(self._writer.close):
            self._written_before += self._writer.bytes_written
            self._writer = None
        self.error = f"{self._take.folder} was moved or deleted: recording goes on in a new folder of this name"
        logging.error(self.error)
        self._next_try = now_s

    def _begin_part(self) -> None:
        if not self._take.folder.is_dir():
            for file, data in self._files.items():
                writing(self._take.folder / file).write_bytes(data)
            self._lock.release()
            self._lock = TakeLock(self._take.folder)
        if shutil.disk_usage(self._take.folder).free < MIN_FREE:
            raise SourceError("the disk is full")
        path = self._take.next_recording()
        try:
            self._writer = RecordingWriter(path, self._inside)
        except OSError:
            path.unlink(missing_ok=True)  # it holds nothing
            raise
        if self.error:
            logging.warning("recording again in %s; %d messages are lost", path, self.missed)
            self.error = ""

    def _write_next(self) -> None:
        assert self._writer is not None
        record = self._waiting.popleft()
        self._waiting_bytes -= len(record.body)
        self._writer.write(record)

    def _try(self, action: Callable[[], None]) -> bool:
        """Whether it could be done; if not, the part ends with what is safely in it."""
        try:
            action()
        except (OSError, SourceError) as error:
            self._end_part(f"cannot write: {getattr(error, 'strerror', None) or error}")
            return False
        return True

    def _end_part(self, reason: str) -> None:
        """Take back what the part has not written, and say once what is wrong."""
        writer, self._writer = self._writer, None
        if writer is not None:
            for record in reversed(writer.pending):
                self._wait(record, first=True)
            writer.abandon()
            self._written_before += writer.bytes_written
            if writer.messages <= len(writer.pending):
                writer.path.unlink(missing_ok=True)  # it holds nothing
        if not self.error:
            logging.error("%s: %s. Earlier data are safe; trying again every %g s", self._take.folder, reason, RETRY_S)
        self.error = reason

    def _wait(self, record: Record, first: bool = False) -> None:
        self._waiting_bytes += len(record.body)
        if first:
            self._waiting.appendleft(record)
        else:
            self._waiting.append(record)


def _settings(take: Take) -> list[Path]:
    """The files that a take began with."""
    return [path for path in take.folder.rglob("*.toml") if path.is_file()]
