"""A take of two parts, what stands where in its files, and ways to damage it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from mcap.reader import make_reader
from mcap.stream_reader import StreamReader

from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take, begin_take, finish_take
from multiview.wire.messages import Heartbeat, Stamp, encode

TOPICS = ("poses", "keypoints/cam01", "keypoints/cam02", "heartbeat")
PART = 400  # messages
EVERY_NS = 5_000_000


class ChunkAt(NamedTuple):
    """Where a chunk stands, by the library's own index, and the hub's numbers of its messages."""

    begin: int
    end: int
    sequences: frozenset[int]


def record_of(number: int, rng: random.Random) -> Record:
    """Of any size; the body is no message, but for heartbeats."""
    topic = TOPICS[number % len(TOPICS)]
    body = rng.randbytes(rng.randrange(50, 3000))
    if topic == "heartbeat":
        body = encode(Heartbeat(boot_id=1, hub_ns=number, utc_ns=number))
    return Record(topic, Stamp(number, number // len(TOPICS), number * EVERY_NS), body)


def two_parts(folder: Path, seed: int = 1) -> tuple[Take, list[Record]]:
    """A finished take, and all that it holds."""
    rng = random.Random(seed)
    take = begin_take(folder, "two", datetime.now(UTC), "rig", "studio")
    records = [record_of(number, rng) for number in range(2 * PART)]
    for part in (records[:PART], records[PART:]):
        writer = RecordingWriter(take.next_recording(), {"rig.toml": b"rig", "studio.toml": b"studio"})
        for record in part:
            writer.write(record)
        writer.close()
    return finish_take(take), records


def chunks_of(path: Path) -> list[ChunkAt]:
    """Every chunk of a whole file."""
    content = path.read_bytes()
    summary = make_reader(BytesIO(content)).get_summary()
    assert summary is not None
    found = []
    for index in summary.chunk_indexes:
        begin, end = index.chunk_start_offset, index.chunk_start_offset + index.chunk_length
        inside = StreamReader(BytesIO(content[:8] + content[begin:end]), emit_chunks=False)
        sequences = set()
        try:
            for record in inside.records:
                if hasattr(record, "publish_time"):
                    sequences.add(Stamp.decode(record.data[:24]).sequence)
        except Exception:  # the end of the piece
            pass
        found.append(ChunkAt(begin, end, frozenset(sequences)))
    return found


def flipped(content: bytes, bit: int) -> bytes:
    """One bit is the other."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
