"""A TCP connection that can be cut without a word to either end, made noisy, and mended."""

from __future__ import annotations

import random
import select
import socket
import threading

__all__ = ["TcpProxy"]


class TcpProxy(threading.Thread):
    """Passes on what comes to `host`:`port` (0: a free one) to a port of this machine, while it is not `cut`.

    With `noise` one packet in twenty has a wrong bit.
    """

    def __init__(self, to_port: int, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(daemon=True)
        self._to_port = to_port
        self._listener = socket.create_server((host, port))
        self.port = self._listener.getsockname()[1]
        self.cut = False
        self.ending = False
        self.noise: random.Random | None = None
        self._pairs: dict[socket.socket, socket.socket] = {}

    def run(self) -> None:
        while not self.ending:
            ready, _, _ = select.select([self._listener, *self._pairs], [], [], 0.05)
            for end in ready:
                if end is self._listener:
                    self._join()
                elif end in self._pairs and not self._pass_on(end):
                    self._part(end)
        for end in self._pairs:
            end.close()
        self._listener.close()

    def _join(self) -> None:
        near = self._listener.accept()[0]
        try:
            far = socket.create_connection(("127.0.0.1", self._to_port))
        except OSError:
            near.close()
            return
        self._pairs |= {near: far, far: near}

    def _pass_on(self, end: socket.socket) -> bool:
        """False once this end is closed."""
        try:
            data = end.recv(65536)
            if data and not self.cut:
                self._pairs[end].sendall(self._spoilt(data))
        except OSError:
            return False
        return bool(data)

    def _part(self, end: socket.socket) -> None:
        other = self._pairs.pop(end)
        self._pairs.pop(other, None)
        end.close()
        other.close()

    def _spoilt(self, data: bytes) -> bytes:
        if self.noise is None or self.noise.random() > 0.05:
            return data
        spoilt = bytearray(data)
        spoilt[self.noise.randrange(len(spoilt))] ^= 1 << self.noise.randrange(8)
        return bytes(spoilt)
