"""What the kernel tells of a TCP connection, where it is Linux: what has come by it, and what waits on either side."""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["Traffic", "traffic", "waiting_bytes"]

_RECEIVED_AT, _UNSENT_AT = 128, 144  # places of tcpi_bytes_received and tcpi_notsent_bytes in struct tcp_info
_RECEIVED, _UNSENT = struct.Struct("<Q"), struct.Struct("<I")
_SIZE = _UNSENT_AT + _UNSENT.size


class Traffic(NamedTuple):
    """Bytes that have arrived so far, and bytes that wait here because the other side takes no more."""

    arrived: float = 0.0
    unsent: int = 0


def traffic(handle: socket.socket) -> Traffic:
    """Zeros where the kernel does not say (the first since 4.1, the second since 4.6)."""
    try:
        info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
    except OSError:
        return Traffic()
    if len(info) < _SIZE:
        return Traffic()
    return Traffic(float(_RECEIVED.unpack_from(info, _RECEIVED_AT)[0]), _UNSENT.unpack_from(info, _UNSENT_AT)[0])


def waiting_bytes(handle: socket.socket) -> int:
    """What of the bytes that have arrived nobody has read yet."""
    try:
        return int.from_bytes(fcntl.ioctl(handle.fileno(), termios.FIONREAD, b"\0\0\0\0"), sys.byteorder)
    except OSError:
        return 0
