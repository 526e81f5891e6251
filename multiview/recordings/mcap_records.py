"""The records of an MCAP file one by one: what is damaged is stepped over, and reported in its place.

A record is an opcode (1 byte), a length (8 bytes) and so many bytes of content. Where one cannot be read, the next is
looked for: where the length says, or at the first beginning of a chunk behind it. A chunk is known by its content and
accepted by its checksum, whatever its opcode and length have become.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import IO, NamedTuple

import lz4.frame
from mcap.data_stream import RecordBuilder
from mcap.exceptions import EndOfFile, McapError
from mcap.opcode import Opcode
from mcap.records import Attachment, Chunk, DataEnd, Footer, McapRecord
from mcap.stream_reader import StreamReader, get_chunk_data_stream

__all__ = ["Broken", "Opened", "read_records"]

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
CHUNK_HEAD = struct.Struct("<QQQI")  # first and last time, size and CRC-32 of what is inside
LZ4 = b"\x03\x00\x00\x00lz4"  # name of the compression, as it stands in a chunk
BEFORE_LZ4 = HEAD.size + CHUNK_HEAD.size
AROUND_DATA = CHUNK_HEAD.size + len(LZ4) + 8  # bytes of a chunk that are not its data
DATA_END = HEAD.pack(Opcode.DATA_END, 4)
MAX_RECORD, MAX_INSIDE, BLOCK = 16 << 20, 64 << 20, 1 << 20  # bytes
_UNREADABLE = (McapError, struct.error, ValueError, RuntimeError, EOFError, OverflowError, MemoryError)


class Broken(NamedTuple):
    """A stretch of the file that holds no whole record."""

    offset: int
    size: int
    in_data: bool
    """Messages may have stood there: it is not in the index behind them."""


class Opened(NamedTuple):
    """A chunk that is whole."""

    records: list[McapRecord]


def read_records(file: IO[bytes], size: int) -> Iterator[McapRecord | Opened | Broken]:
    """Every record up to the footer.

    Args:
        file: Opened for reading.
        size: Of the file, bytes.

    Yields:
        Records, chunks opened, and what is broken in between. The last one is a `Footer` exactly if the file has its
        end.
    """
    at, in_data = len(MAGIC), True
    while at < size:
        record, end = _record_at(file, at, size)
        if record is None:
            end = _next_record(file, at, size)
            yield Broken(at, end - at, in_data)
        else:
            in_data = in_data and not isinstance(record, DataEnd)
            yield record
            if isinstance(record, Footer):
                return
        at = end


def _open_chunk(chunk: Chunk) -> Opened:
    """ValueError, among others, unless all of it is there, unchanged."""
    inside = _unpacked(chunk)
    if zlib.crc32(inside) != chunk.uncompressed_crc:
        raise ValueError("a chunk whose CRC-32 does not match")
    records: list[McapRecord] = []
    try:
        for record in StreamReader(BytesIO(inside), skip_magic=True).records:
            records.append(record)
    except EndOfFile:  # how this reader ends without a footer
        pass
    return Opened(records)


def _unpacked(chunk: Chunk) -> bytes:
    if chunk.compression != "lz4":  # another program's: ours are
        return get_chunk_data_stream(chunk)[0].read(min(chunk.uncompressed_size, MAX_INSIDE))
    unpacker = lz4.frame.LZ4FrameDecompressor()
    inside: bytes = unpacker.decompress(chunk.data, max_length=MAX_INSIDE)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("a chunk that is cut off or too large, or whose size has become so")
    return inside


def _record_at(file: IO[bytes], at: int, size: int) -> tuple[McapRecord | Opened | None, int]:
    """The whole record that begins there and where it ends, or None."""
    file.seek(at)
    head = file.read(HEAD.size + AROUND_DATA)
    if len(head) < HEAD.size:
        return None, size
    opcode, length = HEAD.unpack_from(head)
    lengths = [length]
    if head[BEFORE_LZ4 : BEFORE_LZ4 + len(LZ4)] == LZ4 and len(head) == HEAD.size + AROUND_DATA:
        opcode = Opcode.CHUNK
        lengths.insert(0, AROUND_DATA + int.from_bytes(head[-8:], "little"))  # its own of the two first
    elif opcode not in Opcode.__members__.values():
        return None, size
    for length in dict.fromkeys(lengths):
        end = at + HEAD.size + length
        if AROUND_DATA * (len(lengths) > 1) <= length <= MAX_RECORD and end <= size:
            file.seek(at + HEAD.size)
            content = file.read(length)
            if len(lengths) > 1:  # of the two sizes of a chunk only one may be right
                content = content[: AROUND_DATA - 8] + struct.pack("<Q", length - AROUND_DATA) + content[AROUND_DATA:]
            record = _parse(opcode, content)
            if record is not None and not (isinstance(record, Footer) and size - end > len(MAGIC)):
                return record, end
    return None, size


def _parse(opcode: int, content: bytes) -> McapRecord | Opened | None:
    """None if it is not whole."""
    if opcode == Opcode.DATA_END and len(content) != 4:
        return None
    try:
        stream = StreamReader(BytesIO(HEAD.pack(opcode, len(content)) + content), skip_magic=True, emit_chunks=True)
        record = next(iter(stream.records), None)
        if isinstance(record, Chunk):
            return _open_chunk(record)
        if record is not None and _size(record) != HEAD.size + len(content):
            return None  # a length that became too large: it would swallow what follows
    except _UNREADABLE:
        return None
    if isinstance(record, Attachment) and zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
        return None
    return record


def _size(record: McapRecord) -> int:
    """Bytes that a record takes when it is written."""
    builder = RecordBuilder()
    record.write(builder)
    return builder.count


def _next_record(file: IO[bytes], broken: int, size: int) -> int:
    """Where the next record begins behind one that is broken; the file's size if there is none."""
    file.seek(broken)
    head = file.read(HEAD.size)
    said = size
    if len(head) == HEAD.size:
        end = broken + HEAD.size + HEAD.unpack(head)[1]
        said = end if _plausible(file, end, size) else size
    at = broken + 1
    while at < said:
        file.seek(at)
        block = file.read(BLOCK + BEFORE_LZ4 + AROUND_DATA)
        found = [p for p in (_chunk_in(block), block.find(DATA_END)) if p >= 0]
        if found:
            return min(at + min(found), said)
        at += BLOCK
    return said


def _plausible(file: IO[bytes], at: int, size: int) -> bool:
    """Whether a record could begin there."""
    if at + HEAD.size > size:
        return False
    file.seek(at)
    opcode, length = HEAD.unpack(file.read(HEAD.size))
    return opcode in Opcode.__members__.values() and length <= min(MAX_RECORD, size - at - HEAD.size)


def _chunk_in(block: bytes) -> int:
    """Where the first beginning of a chunk lies in a block, whose two lengths agree; -1 if there is none."""
    found = block.find(LZ4, BEFORE_LZ4)
    while found >= 0:
        at = found - BEFORE_LZ4
        after = found + len(LZ4) + 8
        if after <= len(block):
            length = int.from_bytes(block[at + 1 : at + HEAD.size], "little")
            if length == AROUND_DATA + int.from_bytes(block[found + len(LZ4) : after], "little"):
                return at
        found = block.find(LZ4, found + 1)
    return -1
