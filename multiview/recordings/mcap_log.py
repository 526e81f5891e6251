"""Recordings: the hub's stream in an MCAP file, unchanged. What is damaged in it or cut off is missing, not the rest.

Each record holds the hub's stamp (24 bytes) and the message's body; its log time is the hub's time of arrival. The
MCAP schema is the JSON Schema of the messages, its name their schema version. The rig and the studio file are attached.
Schema and channels stand in the chunk that first needs them; metadata repeat them, so that the loss of that chunk is
not the loss of all.
"""

from __future__ import annotations

import json
import os
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Attachment, Channel, DataEnd, Footer, McapRecord, Message, Metadata, Schema
from mcap.summary import Summary as Index
from mcap.writer import CompressionType, IndexType, Writer

from multiview.common.ledger import reading
from multiview.errors import ConfigError, MessageError, SourceError
from multiview.recordings.mcap_records import Broken, Opened, read_records
from multiview.wire.messages import SCHEMA_VERSION, Stamp, json_schema

__all__ = ["Gap", "Record", "RecordingReader", "RecordingWriter", "Summary", "UnreadableError", "read_summary"]

PROFILE = "multiview"
CHUNK_BYTES = 64 * 1024
SYNC_NS = 1_000_000_000
# Indexes are kept in memory until the end; an index of messages would be most of that, and every reader does without.
INDEXES = IndexType.CHUNK | IndexType.ATTACHMENT | IndexType.METADATA
ENCODING = "multiview-msgpack"  # 24 bytes of stamp, MessagePack, 4 bytes of CRC-32
SCHEMA_NAME = f"multiview-{SCHEMA_VERSION}"  # "multiview" alone is version 1
CHANNEL = "channel"  # name of the metadata that repeat a channel
FOOTER_BYTES = 9 + 20 + 8  # the last record of a file, and the magic bytes behind it


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

    def cut(self, size: int) -> None:
        self._file.truncate(size)

    def close(self) -> None:
        self._file.close()


class RecordingWriter:
    """Writes one file: small chunks, straight to the system; once a second of the stream all of it, to the disk itself.

    `pending` are the records of the chunk that is not in the file yet: whoever finds the disk full has them still.
    """

    def __init__(self, path: Path, attachments: dict[str, bytes] | None = None) -> None:
        """SourceError if the file cannot be made or exists; OSError when the disk is full."""
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
        self._channels: dict[str, int] = {}
        self._synced_ns = 0  # arrival of the last record that is known to be on the disk
        self._whole = 0  # bytes of the file up to the last record that was written completely
        self.path = path
        self.pending: list[Record] = []
        self.messages = 0
        try:
            self._writer.start(profile=PROFILE, library="multiview")
            schema = json.dumps(json_schema()).encode()
            self._schema = self._writer.register_schema(SCHEMA_NAME, "jsonschema", schema)
            for name, data in (attachments or {}).items():
                self._writer.add_attachment(0, 0, name, "application/toml", data)
        except OSError:
            self._file.close()
            raise
        self._whole = self._file.tell()

    @property
    def bytes_written(self) -> int:
        return self._whole

    def write(self, record: Record) -> None:
        """OSError when the disk is full."""
        topic, stamp, body = record
        self.pending.append(record)
        if topic not in self._channels:
            self._register(topic)
        self._writer.add_message(
            self._channels[topic],
            log_time=stamp.arrival_ns,
            publish_time=stamp.arrival_ns,
            sequence=stamp.sequence & 0xFFFFFFFF,
            data=stamp.encode() + body,
        )
        self.messages += 1
        if abs(stamp.arrival_ns - self._synced_ns) >= SYNC_NS:  # either way: a hub on another machine has another clock
            self._writer.flush()  # type: ignore[no-untyped-call]
            self._file.sync()
            self._synced_ns = stamp.arrival_ns
        self._note_written()

    def close(self) -> None:
        """OSError when the disk is full: then `abandon` it; what was written before stays readable."""
        self._writer.finish()  # type: ignore[no-untyped-call]
        self._file.sync()
        self._whole = self._file.tell()
        self.pending.clear()
        self._file.close()

    def abandon(self) -> None:
        """End a file that could not be written to its end: without the piece that was begun, and without an index."""
        try:
            self._file.cut(self._whole)
        except OSError:
            pass  # then the piece stays; readers step over it
        finally:
            self._file.close()

    def _register(self, topic: str) -> None:
        number = self._writer.register_channel(topic, ENCODING, self._schema)
        self._channels[topic] = number
        self._writer.add_metadata(CHANNEL, _channel_note(number, topic, SCHEMA_NAME))
        self._whole = self._file.tell()  # of the chunk in progress nothing is in the file

    def _note_written(self) -> None:
        """A file that has grown holds all that was given: a chunk ends with the record that makes it large enough."""
        if self._file.tell() != self._whole:
            self._whole = self._file.tell()
            self.pending.clear()


def _channel_note(number: int, topic: str, schema: str) -> dict[str, str]:
    crc = zlib.crc32(f"{number} {topic} {schema}".encode())
    return {"id": str(number), "topic": topic, "schema": schema, "crc32": f"{crc:08x}"}


class UnreadableError(SourceError):
    """Not one record of a file can be read."""


class Gap(NamedTuple):
    """A stretch of a recording that could not be read.

    Attributes:
        after_ns: Arrival of the last message before it, on the hub's clock; None at the beginning.
        before_ns: Of the first message behind it; None at the end.
        messages: How many are missing, by the hub's count; None if that cannot be known.
        reason: In words.
    """

    after_ns: int | None
    before_ns: int | None
    messages: int | None
    reason: str


class Summary(NamedTuple):
    """What a file says it holds."""

    messages: dict[str, int]
    """By topic."""
    first_ns: int
    last_ns: int


class RecordingReader:
    """Reads one file from front to back, and steps over what is damaged.

    Once it has been read: `torn` says what is wrong with it, in words; `gaps` are the stretches that gave nothing;
    `counts` the messages read, by topic; `first` and `last` their stamps; `ended` whether the file has its end.
    """

    def __init__(self, path: Path, before: Stamp | None = None) -> None:
        """`before` is the stamp of the last message of the part before this one."""
        self.path = path
        self.attachments: dict[str, bytes] = {}
        self._before = before
        self._restart()

    def _restart(self) -> None:
        self.torn, self.ended = "", False
        self.gaps: list[Gap] = []
        self.counts: Counter[str] = Counter()
        self.first: Stamp | None = None
        self.last: Stamp | None = None
        self._topics: dict[int, str] = {}
        self._broken = ""  # what is wrong with the file between the last message and the next

    @property
    def messages(self) -> int:
        """How many were read."""
        return self.counts.total()

    def __iter__(self) -> Iterator[Record]:
        """Every record; SourceError if this is no recording of ours, or of another schema version."""
        self._restart()
        places, seen, in_data = 0, False, True
        try:
            with reading(self.path).open("rb") as file:
                for found in read_records(file, os.fstat(file.fileno()).st_size):
                    if isinstance(found, Broken):
                        if found.in_data:
                            places += 1
                            self._broken = "damaged"
                        continue
                    seen = True
                    self.ended = isinstance(found, Footer)
                    in_data = in_data and not isinstance(found, DataEnd)
                    if in_data:
                        for record in found.records if isinstance(found, Opened) else [found]:
                            yield from self._messages(record)
        except OSError as error:
            raise UnreadableError(f"{self.path}: cannot be read ({error.strerror})") from None
        except ConfigError as error:
            raise UnreadableError(str(error)) from None
        if not seen:
            raise UnreadableError(f"{self.path}: not a recording (MCAP file)")
        self._finish(places)

    def _finish(self, places: int) -> None:
        if not self.ended:
            places -= bool(self._broken)  # what is broken at the end of a file that was cut off is the cut
            self._broken = "cut off"
        self._close_gap(None)
        words = [f"damaged in {places} place{'s' * (places > 1)}"] if places else []
        words += [] if self.ended else ["cut off"]
        self.torn = ", ".join(words)

    def _messages(self, record: McapRecord) -> Iterator[Record]:
        """The message in a record of the file, if it is one; everything else is remembered."""
        if isinstance(record, Schema):
            self._check_version(record.name)
        elif isinstance(record, Channel):
            if record.message_encoding != ENCODING:
                raise SourceError(f"{self.path}: not a recording of multiview ({record.message_encoding})")
            self._topics[record.id] = record.topic
        elif isinstance(record, Metadata) and record.name == CHANNEL:
            self._note_channel(record.metadata)
        elif isinstance(record, Attachment):
            self.attachments[record.name] = record.data
        elif isinstance(record, Message):
            message = self._message(record)
            if message is None:
                self._broken = "damaged"
            else:
                yield message

    def _message(self, record: Message) -> Record | None:
        topic = self._topics.get(record.channel_id)
        if topic is None:
            index = _read_index(self.path)
            self._topics |= {number: channel.topic for number, channel in index.channels.items()} if index else {}
            topic = self._topics.get(record.channel_id)
        try:
            stamp = Stamp.decode(record.data[:24])
        except MessageError:
            return None
        if topic is None:
            return None
        self._close_gap(stamp)
        self.first = self.first or stamp
        self.last = stamp
        self.counts[topic] += 1
        return Record(topic, stamp, record.data[24:])

    def _close_gap(self, behind: Stamp | None) -> None:
        """A gap is known when the message behind it is."""
        if not self._broken:
            return
        before, missing = self.last or self._before, None
        if before is not None and behind is not None and behind.sequence > before.sequence:
            missing = behind.sequence - before.sequence - 1
        if missing != 0:
            self.gaps.append(Gap(before and before.arrival_ns, behind and behind.arrival_ns, missing, self._broken))
        self._broken = ""

    def _note_channel(self, note: dict[str, str]) -> None:
        """From metadata, which have no checksum of their own."""
        number, topic, schema = (note.get(name, "") for name in ("id", "topic", "schema"))
        if number.isdecimal() and note == _channel_note(int(number), topic, schema):
            self._check_version(schema)
            self._topics.setdefault(int(number), topic)

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


def read_summary(path: Path) -> Summary | None:
    """What the index at the end of a recording says it holds; None where there is none, or it is damaged."""
    index = _read_index(path)
    if index is None or index.statistics is None:
        return None
    statistics = index.statistics
    topics = {number: channel.topic for number, channel in index.channels.items()}
    if not statistics.channel_message_counts.keys() <= topics.keys():
        return None
    messages = {topics[number]: count for number, count in statistics.channel_message_counts.items()}
    return Summary(messages, statistics.message_start_time, statistics.message_end_time)


def _read_index(path: Path) -> Index | None:
    try:
        with reading(path).open("rb") as file:
            if not _index_is_whole(file):
                return None
            file.seek(0)
            return make_reader(file).get_summary()
    except (OSError, ConfigError, McapError, ValueError, RuntimeError, EOFError, OverflowError, struct.error):
        return None


def _index_is_whole(file: IO[bytes]) -> bool:
    """Whether the index has the CRC-32 that the footer says: from its beginning up to that CRC-32 itself."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - FOOTER_BYTES))
    footer = file.read(FOOTER_BYTES)
    if len(footer) < FOOTER_BYTES or footer[:9] != b"\x02" + (20).to_bytes(8, "little"):
        return False
    begin, crc = int.from_bytes(footer[9:17], "little"), int.from_bytes(footer[25:29], "little")
    if not 0 < begin < size - FOOTER_BYTES:
        return False
    file.seek(begin)
    return zlib.crc32(file.read(size - begin - 12)) == crc
