"""What `multiview capture` tells a program that watches it: figures of every camera, small pictures, and the board.

One message after the other on standard output: its length (uint32, little-endian), then a MessagePack map, a
`CaptureReport`. Whoever closes the pipe ends the capture.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import msgspec

__all__ = ["CameraReport", "CaptureReport", "read_reports", "report_message"]

MAX_BYTES = 64 << 20
_LENGTH = struct.Struct("<I")


class CameraReport(msgspec.Struct, kw_only=True):
    """One camera now.

    Attributes:
        name: Its name.
        size: Of its pictures, px.
        rate_hz: Of late; `expected_hz` is the nominal rate.
        frames: Recorded, or seen where nothing is recorded.
        dropped: Not recorded.
        brightness: Mean grey level, 0 to 255; -1 before the first picture.
        sharpness: Variance of the Laplacian at 640 px; -1 before the first picture.
        advice: What to do about it; empty where all is well.
        jpeg: A small picture.
        corners: Of the board in one of the newest pictures, as shares of width and height.
        cells: Which cells of the picture the board has covered, row by row.
        covered: The share of them.
        boards: Views of the board: one that lies still counts once.
        next_step: Where to hold the board; empty where this camera has enough.
    """

    name: str
    size: tuple[int, int]
    rate_hz: float = 0.0
    expected_hz: float = 0.0
    frames: int = 0
    dropped: int = 0
    brightness: float = -1.0
    sharpness: float = -1.0
    advice: list[str] = []
    jpeg: bytes = b""
    corners: list[tuple[float, float]] = []
    cells: list[list[bool]] = []
    covered: float = 0.0
    boards: int = 0
    next_step: str = ""


class CaptureReport(msgspec.Struct, kw_only=True):
    """All cameras now.

    Attributes:
        cameras: Each.
        pairs: Cameras and how many boards both have seen at once.
        enough_boards: From how many on two cameras are linked.
        linked: Whether all cameras hang together.
        warning: What is wrong beside the cameras, such as a slow disk.
        lacks: What is missing before there is anything to solve; empty if nothing is.
        note: What is unlike the board file, or which cameras are not linked yet.
        scene: What goes on, where cameras are simulated.
        seconds: Since recording began; 0 where nothing is recorded.
        take: Its folder, at the end.
    """

    cameras: list[CameraReport] = []
    pairs: list[tuple[str, str, int]] = []
    enough_boards: int = 0
    linked: bool = False
    warning: str = ""
    lacks: str = ""
    note: str = ""
    scene: str = ""
    seconds: float = 0.0
    take: str = ""


def report_message(report: CaptureReport) -> bytes:
    """One message."""
    data = msgspec.msgpack.encode(report)
    return _LENGTH.pack(len(data)) + data


def read_reports(read: Callable[[int], bytes]) -> Iterator[CaptureReport]:
    """Until the pipe is closed, from which `read` takes so many bytes."""
    decoder = msgspec.msgpack.Decoder(CaptureReport)
    while len(head := read(_LENGTH.size)) == _LENGTH.size:
        (size,) = _LENGTH.unpack(head)
        if size > MAX_BYTES or len(data := read(size)) < size:
            return
        yield decoder.decode(data)
