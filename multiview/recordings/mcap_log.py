"""Recordings: the hub's stream in an MCAP file, unchanged. A file that was cut off is read up to the cut.

Each record holds the hub's stamp (24 bytes) and the message's body; its log time is the hub's time of arrival. The
MCAP schema is the JSON Schema of the messages, its name their schema version. The rig and the studio file are attached.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from mcap.exceptions import McapError
from mcap.records import Attachment, Channel, Footer, Message, Schema
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, IndexType, Writer

from multiview.errors import MessageError, SourceError
from multiview.wire.messages import SCHEMA_VERSION, Stamp, json_schema

__all__ = ["Record", "RecordingReader", "RecordingWriter"]

PROFILE = "multiview"
CHUNK_BYTES = 64 * 1024
SYNC_NS = 1_000_000_000
# Indexes are kept in memory until the end; an index of messages would be most of that, and every reader does without.
INDEXES = IndexType.CHUNK | IndexType.ATTACHMENT | IndexType.METADATA
ENCODING = "multiview-msgpack"  # 24 bytes of stamp, MessagePack, 4 bytes of CRC-32
SCHEMA_NAME = f"multiview-{SCHEMA_VERSION}"  # "multiview" alone is version 1


class Record(NamedTuple):
    """One message of the hub's stream."""

    topic: str
    stamp: Stamp
    body: bytes


class _UnbufferedFile:
    """A file whose every write reaches the system at once; MCAP's writer would put a buffer around a raw one."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        return len(data)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        pass

    def sync(self) -> None:
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class RecordingWriter:
    """Writes one file: small chunks, straight to the system, and to the disk itself once a second of the stream."""

    def __init__(self, path: Path, attachments: dict[str, bytes] | None = None) -> None:
        """SourceError if the file cannot be made or exists."""
        try:
            self._file = _UnbufferedFile(path)
        except OSError as error:
            raise SourceError(f"{path}: cannot be written ({error.strerror})") from None
        self._writer = Writer(
            cast(IO[bytes], self._file),
            chunk_size=CHUNK_BYTES,
            compression=CompressionType.LZ4,
            index_types=INDEXES,
        )
        self._writer.start(profile=PROFILE, library="multiview")
        schema = json.dumps(json_schema()).encode()
        self._schema = self._writer.register_schema(SCHEMA_NAME, "jsonschema", schema)
        self._channels: dict[str, int] = {}
        self._synced_ns = 0  # arrival of the last record that is known to be on the disk
        self.messages = 0
        for name, data in (attachments or {}).items():
            self._writer.add_attachment(0, 0, name, "application/toml", data)

    @property
    def bytes_written(self) -> int:
        return self._file.tell()

    def write(self, record: Record) -> None:
        """OSError when the disk is full."""
        topic, stamp, body = record
        if topic not in self._channels:
            self._channels[topic] = self._writer.register_channel(topic, ENCODING, self._schema)
        self._writer.add_message(
            self._channels[topic],
            log_time=stamp.arrival_ns,
            publish_time=stamp.arrival_ns,
            sequence=stamp.sequence & 0xFFFFFFFF,
            data=stamp.encode() + body,
        )
        self.messages += 1
        if abs(stamp.arrival_ns - self._synced_ns) >= SYNC_NS:  # either way: a hub on another machine has another clock
            self._file.sync()
            self._synced_ns = stamp.arrival_ns

    def close(self) -> None:
        """OSError when the disk is full; what was written before stays readable."""
        try:
            self._writer.finish()  # type: ignore[no-untyped-call]
            self._file.sync()
        finally:
            self._file.close()


class RecordingReader:
    """Reads one file from front to back, up to its end or to where it was cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = ""  # why the file ended before its end, once it has been read
        self.attachments: dict[str, bytes] = {}

    def __iter__(self) -> Iterator[Record]:
        """Every record; SourceError if this is no recording of ours, or of another schema version."""
        channels: dict[int, str] = {}
        self.torn, ended, seen = "", False, False
        try:
            with self.path.open("rb") as file:
                for record in _records(StreamReader(file, validate_crcs=True)):
                    seen = True
                    if isinstance(record, Schema):
                        self._check_version(record.name)
                    elif isinstance(record, Channel):
                        if record.message_encoding != ENCODING:
                            raise SourceError(f"{self.path}: not a recording of multiview ({record.message_encoding})")
                        channels[record.id] = record.topic
                    elif isinstance(record, Attachment):
                        self.attachments[record.name] = record.data
                    elif isinstance(record, Message) and record.channel_id in channels:
                        data = record.data
                        yield Record(channels[record.channel_id], Stamp.decode(data[:24]), data[24:])
                    elif isinstance(record, Footer):
                        ended = True
                        break
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read ({error.strerror})") from None
        except (McapError, MessageError, ValueError, RuntimeError, EOFError) as error:
            self.torn = f"cut off or damaged: {error or type(error).__name__}"
        if not seen:
            raise SourceError(f"{self.path}: not a recording (MCAP file)")
        if not ended and not self.torn:
            self.torn = "cut off"

    def _check_version(self, schema: str) -> None:
        name = re.fullmatch(r"multiview(?:-(\d+))?", schema)
        version = int(name[1] or 1) if name else SCHEMA_VERSION
        if version < SCHEMA_VERSION:
            raise SourceError(
                f"{self.path}: recorded by an older multiview (schema version {version}, this one reads "
                f"{SCHEMA_VERSION}): record again, or let the multiview that recorded it write poses.parquet, which "
                "this one reads (`multiview replay TAKE --out DIR`)"
            )
        if version > SCHEMA_VERSION:
            raise SourceError(
                f"{self.path}: recorded by a newer multiview (schema version {version}, this one reads "
                f"{SCHEMA_VERSION}): update multiview"
            )


def _records(reader: StreamReader) -> Iterable[object]:
    return reader.records
