"""The hub's three bound sockets: what comes in by them, from whom, within bounds; and what goes out.

ZeroMQ's heartbeats are the clients' business alone. The hub sends none: libzmq 4.3.5 aborts the process when a
heartbeat is due on a connection that broke off while its queue was full. What is asked of the clients (a time to live
in each of their heartbeats) closes dead connections as soon.
"""

from __future__ import annotations

import errno
import struct
import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import zmq
from zmq.utils import z85

from multiview.errors import ConfigError
from multiview.studio.config import HubOptions
from multiview.wire.messages import Stamp
from services.transport.bus import PUBLISH_QUEUE, SEND_QUEUE, is_loopback, milliseconds
from services.transport.connections import ConnectionTable, Limits
from services.transport.keyring import HUB, load_key
from services.transport.permissions import Permissions
from services.transport.rights import may_send
from services.transport.roles import ANYBODY, Peer
from services.transport.zap_authenticator import INGEST, ZapAuthenticator

__all__ = ["HubSockets", "Incoming"]

HANDSHAKE_MS = 2000
REPLY_QUEUE = 100
MAX_PARTS, TOO_MANY_PARTS = 2, 16  # of a message; with so many more its connection is closed
PARTS_AT_ONCE = 64  # of such a message that are read, and dropped, between others
SWEEP_S, SHARE_S = 0.005, 0.0005  # between two rounds of all connections, between two shares of one
EVENTS_AT_ONCE = 16  # what is relayed waits meanwhile
# Whoever asks or subscribes sends little. Of that the kernel holds a few KB and libzmq a few messages, the rest waits
# in its sender: one that goes beyond its limits is closed before what it sent takes much memory (50 bytes for each
# byte of a subscription, 64 for a part without content).
SHORT = Limits(
    waiting=32,
    window_bytes=4096,
    part_bytes=1024,
    queue=16,
    unfinished=16 * 1024,
    unfinished_at_once=64 * 1024,
)
LIMITS = {
    "ingest": Limits(kept=0),  # nobody who may only listen is let in
    "publish": SHORT._replace(window_bytes=1024, queue=2, speaks=False),  # a queue of 1 never moves
    "request": SHORT._replace(messages_s=500.0, messages=1000.0, bytes_s=1e6, bytes=1e6, listeners_s=1000.0),
}
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | _FAILED


class Incoming(NamedTuple):
    """One message as it reached the hub; without keys, `peer` is anybody."""

    connection: bytes
    topic: bytes
    body: bytes
    peer: Peer


class HubSockets:
    """ConfigError if a port is taken, a key is missing, or the hub would be open to a network without keys."""

    def __init__(self, options: HubOptions) -> None:
        secret = load_key(options.keys, HUB).secret if options.keys else ""
        address = options.bind or options.host
        if not secret and not is_loopback(address):
            raise ConfigError(
                f"the hub would listen on {address}, open to the network: make keys with `multiview keys studio.toml`, "
                'then set [hub] keys = "keys"'
            )
        self.permissions = Permissions(options.keys) if options.keys else None
        self._context = zmq.Context(io_threads=len(LIMITS))  # a flood at one port leaves the others their thread
        self._authenticator = (
            ZapAuthenticator(_ZapSocket(self._context), _key_text, self.permissions) if self.permissions else None
        )
        self._ingest = self._socket(zmq.ROUTER, "ingest", SEND_QUEUE)
        self._publish = self._socket(zmq.XPUB, "publish", PUBLISH_QUEUE)
        self._request = self._socket(zmq.ROUTER, "request", REPLY_QUEUE)
        self._publish.setsockopt(zmq.XPUB_VERBOSER, 1)  # says who subscribes to what
        self._sockets = {"ingest": self._ingest, "publish": self._publish, "request": self._request}
        self._poller, self._monitors = zmq.Poller(), dict[str, zmq.Socket[bytes]]()
        self._ready: set[object] = set()  # sockets at which something waited at the last call of `wait`
        for port, socket in self._sockets.items():
            if secret:
                socket.curve_server, socket.curve_secretkey = True, secret.encode()
                socket.zap_domain = INGEST if port == "ingest" else b"listen"
            self._monitors[port] = socket.get_monitor_socket(_EVENTS)
        self._connections = ConnectionTable(LIMITS, self._has_part)
        self._rejected: Counter[str] = Counter()
        self._unread: set[zmq.Socket[bytes]] = set()  # in the middle of a message that has too many parts
        self._senders_of_many: set[int] = set()  # who sent those: their connections may not be known yet
        self._next_sweep = 0.0
        try:
            _bind(self._ingest, address, options.ingest_port, "ingest_port")
            _bind(self._publish, address, options.publish_port, "publish_port")
            _bind(self._request, address, options.request_port, "request_port")
        except ConfigError:
            self.close()
            raise
        for socket in (*self._sockets.values(), *self._monitors.values()):
            self._poller.register(socket, zmq.POLLIN)

    def wait(self, timeout_s: float) -> None:
        """Return when something has come, at the latest after `timeout_s`."""
        self._ready = {socket for socket, _ in self._poller.poll(milliseconds(timeout_s))}

    def incoming(self, limit: int = 64) -> Iterator[Incoming | None]:
        """What workers and services sent; None for what does not even have the right number of parts."""
        for _ in range(limit if self._ingest in self._ready else 0):
            came = self._receive(self._ingest)
            if came is None:
                return
            client, parts, peer = came
            if peer is not None:
                yield Incoming(client, parts[0], parts[1], peer) if len(parts) == 2 else None

    def requests(self, limit: int = 4) -> Iterator[tuple[bytes, bytes, Peer]]:
        """(client, request, who asks)."""
        for _ in range(limit if self._request in self._ready else 0):
            came = self._receive(self._request)
            if came is None:
                return
            client, parts, peer = came
            if peer is not None and len(parts) == 1:
                yield client, parts[0], peer

    def reply(self, client: bytes, reply: bytes) -> None:
        try:
            self._request.send_multipart([client, reply], zmq.NOBLOCK)
        except zmq.ZMQError:
            return  # the client has gone, or does not read

    def publish(self, topic: bytes, stamp: Stamp, body: bytes) -> None:
        self._publish.send_multipart([topic, stamp.encode(), body])

    def guard(self) -> Counter[str]:
        """Keep connections within their limits, and follow the list of keys; why any were rejected since the last call.

        Call it when everything that has come has been taken.
        """
        for port, monitor in self._monitors.items():
            if monitor in self._ready:
                self._follow(port)
        if self._publish in self._ready:
            self._subscriptions()
        while self._senders_of_many:
            self._connections.close(self._senders_of_many.pop(), "message of too many parts")
        now_s = time.monotonic()
        if now_s >= self._next_sweep:
            self._next_sweep = now_s + (SWEEP_S if self._connections.sweep(now_s) else SHARE_S)
        if not self._rejected and not self._connections.closed_for:
            return Counter()
        rejected = self._rejected + self._connections.closed_for
        self._rejected.clear()
        self._connections.closed_for.clear()
        return rejected

    def follow_permissions(self) -> None:
        """Close the connections of keys that are no longer permitted."""
        permissions = self.permissions
        if permissions is not None and permissions.refresh():
            self._connections.close_users({u for u in self._connections.users() if permissions.peer(u) is None})

    def close(self) -> None:
        for socket in self._sockets.values():
            socket.disable_monitor()
            socket.close(linger=200)
        for monitor in self._monitors.values():
            monitor.close()
        if self._authenticator is not None:
            self._authenticator.close()
        self._connections.close_all()
        self._context.term()

    def _receive(self, socket: zmq.Socket[bytes]) -> tuple[bytes, list[bytes], Peer | None] | None:
        """One message: its connection, its parts (few, if there are too many), and who sent it if it may be used."""
        try:
            if socket in self._unread and not self._drop_parts(socket):
                return None
            frame = socket.recv(zmq.NOBLOCK, copy=False)
            client, frames, size = frame.bytes, list[zmq.Frame](), 0
            while frame.more and len(frames) < TOO_MANY_PARTS:
                frame = socket.recv(zmq.NOBLOCK, copy=False)
                size += len(frame)
                frames.append(frame)
        except zmq.Again:
            return None
        if frame.more:
            self._unread.add(socket)
        if not frames:
            return client, [], ANYBODY
        try:
            file, user = self._origin(frames[0])
        except zmq.ZMQError:  # the message is not used; its connection is closed when it has sent too much
            self._rejected["a client of ZMTP 1 or 2"] += 1
            return client, [], None
        fits = self._connections.count(file, user, size, time.monotonic())
        peer = self.permissions.peer(user) if self.permissions is not None else ANYBODY
        if peer is None:
            self._connections.close(file, "revoked key")
        elif socket in self._unread:
            self._senders_of_many.add(file)
        elif not fits:
            self._rejected["a connection sends too fast"] += 1
            peer = None
        return client, [part.bytes for part in frames[: MAX_PARTS + 1]], peer

    def _drop_parts(self, socket: zmq.Socket[bytes]) -> bool:
        """Read some parts of a message that has too many; whether that was the last of it."""
        for _ in range(PARTS_AT_ONCE):
            if not socket.recv(zmq.NOBLOCK, copy=False).more:
                self._unread.discard(socket)
                return True
        return False

    def _origin(self, frame: zmq.Frame) -> tuple[int, str]:
        """The file of the connection by which this came, and its public key; ZMQError if ZeroMQ does not know."""
        return frame.get(zmq.SRCFD), str(frame.get("User-Id")) if self.permissions is not None else ""

    def _subscriptions(self) -> None:
        """All that ZeroMQ has taken in: each byte of them costs it 50 until who goes beyond the bounds is closed."""
        limits = LIMITS["publish"]
        for _ in range(limits.queue * limits.connections):
            try:
                frame = self._publish.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            data = bytes(frame.bytes)
            try:
                file, user = self._origin(frame)
            except zmq.ZMQError:
                continue  # a subscriber has gone
            while file not in self._connections and self._follow("publish"):
                pass  # its coming was reported before
            self._connections.count(file, user, len(data), time.monotonic())
            if self.permissions is not None and self.permissions.peer(user) is None:
                self._connections.close(file, "revoked key")
            self._connections.subscribed(file, data[1:], data[:1] == b"\1")

    def _has_part(self, user: str) -> bool:
        """Whether the owner of a key may do more than listen; without keys, everybody may."""
        peer = self.permissions.peer(user) if self.permissions is not None else ANYBODY
        return peer is not None and may_send(peer.role)

    def _follow(self, port: str) -> bool:
        """What a socket's monitor reports of its connections; whether there may be more."""
        for _ in range(EVENTS_AT_ONCE):
            try:
                event, value = struct.unpack("=hi", self._monitors[port].recv_multipart(zmq.NOBLOCK)[0])
            except zmq.Again:
                return False
            if event == zmq.EVENT_ACCEPTED:
                self._connections.accepted(port, value, time.monotonic())
            elif event & _FAILED:
                self._rejected["handshake"] += 1
            else:
                self._connections.gone(value)
        return True

    def _socket(self, kind: int, port: str, send_queue: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.linger = 0
        socket.sndhwm, socket.rcvhwm = send_queue, LIMITS[port].queue
        socket.setsockopt(zmq.RCVBUF, LIMITS[port].window_bytes)
        socket.setsockopt(zmq.MAXMSGSIZE, LIMITS[port].part_bytes)
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        socket.setsockopt(zmq.AFFINITY, 1 << list(LIMITS).index(port))
        socket.setsockopt(zmq.BACKLOG, 128)
        socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 5)
        socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 5)
        socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
        return socket


class _ZapSocket:
    """The endpoint at which ZeroMQ asks, within this process, whether to accept a connection."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._socket: zmq.Socket[bytes] = context.socket(zmq.REP)
        self._socket.linger = 0
        self._socket.bind("inproc://zeromq.zap.01")

    def receive(self, timeout_s: float) -> list[bytes] | None:
        return self._socket.recv_multipart() if self._socket.poll(milliseconds(timeout_s)) else None

    def reply(self, parts: list[bytes]) -> None:
        self._socket.send_multipart(parts)

    def close(self) -> None:
        self._socket.close()


def _key_text(key: bytes) -> str:
    """Z85 text of a raw key."""
    return bytes(z85.encode(key)).decode() if len(key) == 32 else ""


def _bind(socket: zmq.Socket[bytes], host: str, port: int, option: str) -> None:
    try:
        socket.bind(f"tcp://{host}:{port}")
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} on {host} is in use: stop the other hub, or set another [hub] {option}"
            ) from None
        raise ConfigError(f"cannot listen on {host}:{port} ({error}): set [hub] host and {option}") from None
