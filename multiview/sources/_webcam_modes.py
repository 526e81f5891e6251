"""The modes of a webcam: pixel formats, sizes and rates that its driver offers (Linux, V4L2).

The requests and the structures are those of the kernel's interface: https://docs.kernel.org/userspace-api/media/v4l/
vidioc-enum-fmt.html, vidioc-enum-framesizes.html and vidioc-enum-frameintervals.html.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from multiview.errors import SourceError

__all__ = ["WebcamMode", "webcam_modes"]

_FORMAT = struct.Struct("=3I32sI4I")  # index, kind, flags, description, pixel format
_SIZE = struct.Struct("=3I6I2I")  # index, pixel format, kind; width, height, or smallest, largest and step of each
_RATE = struct.Struct("=5I6I2I")  # index, pixel format, width, height, kind; numerator, denominator of the interval
_CAPTURE, _DISCRETE = 1, 1
_MOST = 64  # of anything that a driver lists
_USUAL = ((1920, 1080), (1280, 720), (640, 480))  # offered where a driver takes any size


class WebcamMode(NamedTuple):
    """One way in which a webcam sends pictures."""

    pixel_format: str
    """Four letters: "MJPG", "YUYV" ..."""
    size: tuple[int, int]
    """Width and height, px."""
    fps: float
    """Hz; 0: the driver does not say."""


Ask = Callable[[int, bytearray], bool]
"""One request with its structure, which the driver fills in; False where there is no such entry."""


def webcam_modes(address: str) -> list[WebcamMode]:
    """What a webcam offers, the largest pictures first, of equal ones the fastest.

    Args:
        address: Its number, or its device.

    Returns:
        Each mode once; none where the system does not tell.

    Raises:
        SourceError: It cannot be opened.
    """
    if sys.platform != "linux":
        return []
    path = Path(f"/dev/video{address}" if address.isdigit() else address)
    try:
        with path.open("rb", buffering=0) as device:
            return modes_by(_driver(device.fileno()))
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}") from None


def modes_by(ask: Ask) -> list[WebcamMode]:
    """The modes, by a driver's answers.

    Args:
        ask: Asks it.

    Returns:
        As of `webcam_modes`.
    """
    found = {
        WebcamMode(pixel_format.decode("ascii", "replace").strip(), size, fps)
        for pixel_format in _formats(ask)
        for size in _sizes(ask, pixel_format)
        for fps in _rates(ask, pixel_format, size)
    }
    return sorted(found, key=lambda mode: (-mode.size[0] * mode.size[1], -mode.fps, mode.pixel_format))


def _formats(ask: Ask) -> Iterator[bytes]:
    for index in range(_MOST):
        data = bytearray(_FORMAT.pack(index, _CAPTURE, 0, b"", 0, 0, 0, 0, 0))
        if not ask(_request(2, _FORMAT.size), data):
            return
        yield struct.pack("=I", _FORMAT.unpack(data)[4])


def _sizes(ask: Ask, pixel_format: bytes) -> Iterator[tuple[int, int]]:
    code = struct.unpack("=I", pixel_format)[0]
    for index in range(_MOST):
        data = bytearray(_SIZE.pack(index, code, *[0] * 9))
        if not ask(_request(74, _SIZE.size), data):
            return
        _, _, kind, a, b, _, c, d, *_ = _SIZE.unpack(data)
        if kind == _DISCRETE:
            yield a, b
            continue
        yield b, d  # the largest of any size in steps
        yield from ((w, h) for w, h in _USUAL if a <= w <= b and c <= h <= d)
        return


def _rates(ask: Ask, pixel_format: bytes, size: tuple[int, int]) -> Iterator[float]:
    code = struct.unpack("=I", pixel_format)[0]
    for index in range(_MOST):
        data = bytearray(_RATE.pack(index, code, *size, *[0] * 9))
        if not ask(_request(75, _RATE.size), data):
            break
        _, _, _, _, kind, seconds, parts, *_ = _RATE.unpack(data)  # of any interval, the shortest comes first
        yield round(parts / seconds, 3) if seconds else 0.0
        if kind != _DISCRETE:
            return
    else:
        return
    if index == 0:
        yield 0.0


def _request(number: int, size: int) -> int:
    """Of V4L2, read and written (_IOWR of the kernel's ioctl.h)."""
    return 3 << 30 | size << 16 | ord("V") << 8 | number


def _driver(handle: int) -> Ask:
    import fcntl

    def ask(request: int, data: bytearray) -> bool:
        try:
            fcntl.ioctl(handle, request, data, True)
        except OSError:
            return False
        return True

    return ask
