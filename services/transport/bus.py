"""Connections to the hub: a `Sender` to its ingest port, a `Subscriber` to its publish port, a `RequestClient` to its
request port.

Only the hub binds (`hub_sockets.py`). A sender never blocks and queues next to nothing: a frame that cannot be sent now
is stale by the time it could.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import zmq

from multiview.errors import MessageError
from multiview.studio.config import HubOptions
from multiview.wire.messages import MAX_BYTES, AnyMessage, Stamp, decode
from multiview.wire.topics import HEARTBEAT
from services.transport.keyring import ANYONE, load_hub_public, load_key

__all__ = [
    "FINAL_SEND_S",
    "PUBLISH_QUEUE",
    "SEND_QUEUE",
    "Received",
    "RequestClient",
    "Sender",
    "Subscriber",
    "decoded",
    "is_loopback",
    "milliseconds",
]

ZMQ_HEARTBEAT_MS = 200
SEND_QUEUE = 8
PUBLISH_QUEUE = 1000
FINAL_SEND_S = 1.0  # the longest that the last message may take to leave
RECEIVE_QUEUE = 20_000
MAX_REMAINING_S = 2.0  # the longest that a process told to stop goes on receiving
DEAD_SENDER_S = 1.0
DEAD_HUB_S = 2.0
QUIET_S = 0.2  # nothing for so long: the hub is gone


class Received(NamedTuple):
    """One message of the hub's stream."""

    topic: str
    stamp: Stamp
    body: bytes


def _socket(kind: int, send_queue: int, receive_queue: int) -> zmq.Socket[bytes]:
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
    socket.linger = 0
    socket.sndhwm, socket.rcvhwm = send_queue, receive_queue
    socket.setsockopt(zmq.MAXMSGSIZE, MAX_BYTES)
    socket.setsockopt(zmq.RECONNECT_IVL, 50)
    socket.setsockopt(zmq.RECONNECT_IVL_MAX, 400)
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, 3)
    return socket


def _beat(socket: zmq.Socket[bytes]) -> None:
    """Notice within 0.6 s that the hub is gone, and let the hub notice as soon.

    Not for subscribers: libzmq 4.3.5 aborts the process when a heartbeat is due on a connection that broke off while
    its receive queue was full. They notice by the hub's own messages, and TCP ends a dead connection.
    """
    socket.setsockopt(zmq.HEARTBEAT_IVL, ZMQ_HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 3 * ZMQ_HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, 3 * ZMQ_HEARTBEAT_MS)


def _connect(socket: zmq.Socket[bytes], options: HubOptions, port: int, name: str) -> None:
    """With the key of this name, where there are keys."""
    if options.keys:
        key = load_key(options.keys, name)
        socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
        socket.curve_serverkey = load_hub_public(options.keys).encode()
    socket.connect(f"tcp://{options.host}:{port}")


class Sender:
    """One connection to the hub's ingest port.

    ZeroMQ abandons a connection for good after invalid bytes (a flipped bit, a rejected key): a connection that has
    sent nothing for a second is replaced.
    """

    def __init__(self, options: HubOptions, name: str = ANYONE, queue: int = SEND_QUEUE) -> None:
        """`queue` messages may wait to leave: few where a late one is worthless, many where bursts are to arrive."""
        self._options, self._name, self._queue = options, name, queue
        self._socket = self._connect()
        self._last_ok = time.monotonic()

    def send_within(self, topic: str, body: bytes, timeout_s: float) -> bool:
        """For what must arrive: waits for room; False if there was none in time."""
        end = time.monotonic() + timeout_s
        while not (left := self.send(topic, body)) and time.monotonic() < end:
            time.sleep(0.002)
        return left

    def send(self, topic: str, body: bytes) -> bool:
        """False if it could not leave now, and so is dropped."""
        try:
            self._socket.send_multipart([topic.encode(), body], zmq.NOBLOCK)
        except zmq.Again:
            if time.monotonic() > self._last_ok + DEAD_SENDER_S:
                self._socket.close()
                self._socket, self._last_ok = self._connect(), time.monotonic()
            return False
        self._last_ok = time.monotonic()
        return True

    def _connect(self) -> zmq.Socket[bytes]:
        socket = _socket(zmq.DEALER, self._queue, 1)
        _beat(socket)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing is queued for a hub that is not there
        _connect(socket, self._options, self._options.ingest_port, self._name)
        return socket

    def close(self, linger_s: float = 0.0) -> None:
        """`linger_s` is how long what was sent last may still take to leave."""
        self._socket.close(linger=round(linger_s * 1e3))


class Subscriber:
    """The hub's stream, or its topics that begin with one of `topics`; gaps are counted in `dropped`.

    It always receives the hub's heartbeat too, and reconnects if none has come for two seconds.
    """

    def __init__(self, options: HubOptions, topics: Iterable[str] = ("",), name: str = ANYONE) -> None:
        self._options, self._name, self._topics = options, name, tuple(topics)
        self._sequences: dict[str, int] = {}
        self.dropped = 0
        self.malformed = 0
        self._socket = self._connect()
        self._last_ok, self._received = time.monotonic(), False

    def receive(self, timeout_s: float) -> Received | None:
        """The next message; None when none comes within `timeout_s`."""
        end = 0.0
        while True:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                now = time.monotonic()
                end = end or now + timeout_s
                if now < end and self._socket.poll(milliseconds(end - now)):
                    continue
                break
            self._received = True
            received = self._decode(parts)
            if received is not None and received.topic.startswith(self._topics):
                return received
        if self._received:
            self._received, self._last_ok = False, time.monotonic()
        elif time.monotonic() > self._last_ok + DEAD_HUB_S:
            self._socket.close()
            self._socket, self._last_ok = self._connect(), time.monotonic()
        return None

    def subscribe(self, *topics: str) -> None:
        """Receive these topics from now on; the hub does not send the others."""
        wanted = {*topics, HEARTBEAT}
        for topic in wanted - {*self._topics, HEARTBEAT}:
            self._socket.subscribe(topic)
        for topic in {*self._topics, HEARTBEAT} - wanted:
            self._socket.unsubscribe(topic)
            self._sequences = {known: n for known, n in self._sequences.items() if not known.startswith(topic)}
        self._topics = topics

    def _connect(self) -> zmq.Socket[bytes]:
        socket = _socket(zmq.SUB, 1000, RECEIVE_QUEUE)  # subscriptions are sent, and must fit
        for topic in {*self._topics, HEARTBEAT}:
            socket.subscribe(topic)
        _connect(socket, self._options, self._options.publish_port, self._name)
        return socket

    def drain(self) -> Iterator[Received]:
        """The messages that have arrived already."""
        while (received := self.receive(0.0)) is not None:
            yield received

    def remaining(self) -> Iterator[Received]:
        """The messages on their way when this is called: a later heartbeat of the hub shows that all have arrived."""
        called_ns, end = time.monotonic_ns(), time.monotonic() + MAX_REMAINING_S
        while time.monotonic() < end and (received := self.receive(QUIET_S)) is not None:
            yield received
            if received.stamp.arrival_ns > called_ns:
                return

    def close(self) -> None:
        self._socket.close()

    def _decode(self, parts: list[bytes]) -> Received | None:
        try:
            topic_bytes, stamp_bytes, body = parts
            topic, stamp = topic_bytes.decode(), Stamp.decode(stamp_bytes)
        except (ValueError, MessageError):
            self.malformed += 1
            return None
        expected = self._sequences.get(topic, stamp.topic_sequence)
        if stamp.topic_sequence > expected:  # smaller: the hub was restarted
            self.dropped += stamp.topic_sequence - expected
        self._sequences[topic] = stamp.topic_sequence + 1
        return Received(topic, stamp, body)


def decoded(received: Iterable[Received]) -> Iterator[AnyMessage]:
    """The messages in these; broken ones are skipped, as the next one is on its way."""
    for one in received:
        try:
            message = decode(one.body)
        except MessageError:
            continue
        yield message


class RequestClient:
    """Requests to the hub, one at a time."""

    def __init__(self, options: HubOptions, name: str = ANYONE) -> None:
        self._options, self._name = options, name
        self._socket = self._connect()

    def request(self, request: bytes, timeout_s: float) -> bytes | None:
        """The reply; None if none comes in time. A late reply is never taken for that to another request."""
        while self._socket.poll(0):
            self._socket.recv()  # replies that came too late
        try:
            self._socket.send(request, zmq.NOBLOCK)
        except zmq.Again:
            return None
        if self._socket.poll(milliseconds(timeout_s)):
            return self._socket.recv()
        self._socket.close()
        self._socket = self._connect()
        return None

    def close(self) -> None:
        self._socket.close()

    def notify(self, request: bytes) -> bool:
        """Send without waiting for a reply; True if a reply has come since the last call.

        Use a client either for `notify` or for `request`: they would take each other's replies.
        """
        replied = False
        while self._socket.poll(0):
            self._socket.recv()
            replied = True
        with contextlib.suppress(zmq.Again):
            self._socket.send(request, zmq.NOBLOCK)
        return replied

    def _connect(self) -> zmq.Socket[bytes]:
        socket = _socket(zmq.DEALER, 10, 10)
        _beat(socket)
        _connect(socket, self._options, self._options.request_port, self._name)
        return socket


def milliseconds(seconds: float) -> int:
    """Rounded up, so that a wait does not end just before its time."""
    return max(0, math.ceil(seconds * 1e3))


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from its own machine alone."""
    return host == "localhost" or host == "::1" or host.startswith("127.")
