"""Authentication of connections to the hub: the ZAP handler (RFC 27) that ZeroMQ asks for every new connection.

CURVE alone proves that a peer has some key; this handler checks that the key is permitted, and whose it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

__all__ = ["ReplySocket", "ZapAuthenticator"]

QUIET_S = 1.0  # rejections are logged at most this often


@runtime_checkable
class ReplySocket(Protocol):
    """A reply socket bound at ZeroMQ's own address for such requests."""

    def receive(self, timeout_s: float) -> list[bytes] | None: ...
    def reply(self, parts: list[bytes]) -> None: ...
    def close(self) -> None: ...


class ZapAuthenticator:
    """Replies in a separate thread, because handshakes wait for it."""

    def __init__(self, socket: ReplySocket, encode_key: Callable[[bytes], str], allowed: dict[str, str]) -> None:
        """`allowed` is public keys by name."""
        self._socket, self._encode = socket, encode_key
        self._names = {public: name for name, public in allowed.items()}
        self._next_log = 0.0
        self.rejected = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._ending.is_set():
            parts = self._socket.receive(0.1)
            if parts is not None and len(parts) >= 6:
                self._socket.reply(self._authenticate(parts))
        self._socket.close()

    def _authenticate(self, parts: list[bytes]) -> list[bytes]:
        version, request, _domain, address, _identity, mechanism = parts[:6]
        name = self._names.get(self._encode(parts[6])) if mechanism == b"CURVE" and len(parts) == 7 else None
        if name is not None:
            return [version, request, b"200", b"OK", name.encode(), b""]
        self.rejected += 1
        if time.monotonic() >= self._next_log:
            self._next_log = time.monotonic() + QUIET_S
            logging.warning(
                "rejected a connection from %s: its key is not in allowed.toml; run `multiview keys`",
                address.decode(errors="replace"),
            )
        return [version, request, b"400", b"not allowed", b"", b""]
