"""Authentication of connections to the hub: the ZAP handler (RFC 27) that ZeroMQ asks for every new connection.

CURVE alone proves that a peer has some key; this handler checks that the key is permitted at the port it connects to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from services.transport.permissions import Permissions
from services.transport.rights import may_send

__all__ = ["INGEST", "ReplySocket", "ZapAuthenticator"]

INGEST = b"ingest"  # the domain of the port to which one sends
HANDSHAKES_S, HANDSHAKES = 8.0, 16.0  # of one listener's key: a second, and at once
QUIET_S, QUIETEST_S = 1.0, 3600.0  # rejections are logged at most this often: less and less


@runtime_checkable
class ReplySocket(Protocol):
    """A reply socket bound at ZeroMQ's own address for such requests."""

    def receive(self, timeout_s: float) -> list[bytes] | None: ...
    def reply(self, parts: list[bytes]) -> None: ...
    def close(self) -> None: ...


class ZapAuthenticator:
    """Replies in a separate thread, because handshakes wait for it. The user id of a connection is its public key."""

    def __init__(self, socket: ReplySocket, encode_key: Callable[[bytes], str], permissions: Permissions) -> None:
        self._socket, self._encode, self._permissions = socket, encode_key, permissions
        self._next_log, self._pause_s = 0.0, QUIET_S
        self._handshakes: dict[str, tuple[float, float]] = {}  # by key: how many of late, and when the last one was
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
        version, request, domain, address, _identity, mechanism = parts[:6]
        public = self._encode(parts[6]) if mechanism == b"CURVE" and len(parts) == 7 else ""
        peer = self._permissions.peer(public)
        if peer is not None and (domain != INGEST or may_send(peer.role)):
            if not may_send(peer.role) and not self._has_time_for(public):
                return [version, request, b"300", b"too many connections at once", b"", b""]  # it tries again later
            return [version, request, b"200", b"OK", public.encode(), b""]
        if time.monotonic() >= self._next_log:
            self._next_log = time.monotonic() + self._pause_s
            self._pause_s = min(2.0 * self._pause_s, QUIETEST_S)
            why = (
                f"{peer.name}'s key may only listen" if peer else "its key is not in allowed.toml; run `multiview keys`"
            )
            logging.warning("rejected a connection from %s: %s", address.decode(errors="replace")[:64], why)
        return [version, request, b"400", b"not allowed", b"", b""]

    def _has_time_for(self, public: str) -> bool:
        """What connections cost before they can be judged is bounded by how many there are."""
        now_s = time.monotonic()
        level, last_s = self._handshakes.get(public, (0.0, now_s))
        level = max(0.0, level - (now_s - last_s) * HANDSHAKES_S)
        fits = level + 1.0 <= HANDSHAKES
        self._handshakes[public] = (level + fits, now_s)
        return fits
