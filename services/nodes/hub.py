"""The hub: the one process that binds ports; it numbers, stamps and publishes every message.

Fusion and recordings share its order and its times of arrival. It reads topics and connections, not bodies, so that
no malformed body can stop it.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import time
from collections import Counter
from pathlib import Path

import msgspec

from multiview.errors import MessageError
from multiview.studio.config import HubOptions, load_studio
from multiview.wire import topics
from multiview.wire.messages import Heartbeat, Stamp, encode
from services.runtime.process import Stopping, begin_service, use_realtime_scheduling
from services.transport.bus import HubSockets, Incoming, ZapSocket
from services.transport.keyring import load_allowed
from services.transport.requests import Probe, ProbeReply, Ready, Start, StatusReply, decode_request
from services.transport.zap_authenticator import ZapAuthenticator

HEARTBEAT_S = 0.05
RATE, BURST = 1000.0, 500.0  # messages a second that one sender may send, and how many at once
MAX_SENDERS = 200
LEASE_NS = 500_000_000  # a camera belongs to a connection until that was silent for so long


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service("hub", studio.logging.json)
    use_realtime_scheduling()
    Hub(studio.hub).serve()


class Hub:
    """ConfigError if a port is in use."""

    def __init__(self, options: HubOptions) -> None:
        self.boot_id = secrets.randbits(62)
        self.start_ns = 0
        self._authenticator = _authenticator(options)
        self._sockets = HubSockets(options)
        self._sequence = 0
        self._topic_sequences: Counter[bytes] = Counter()
        self._owners: dict[str, tuple[bytes, int]] = {}  # camera or service: connection, last message
        self._buckets: dict[str, tuple[float, int]] = {}
        self._roles: dict[str, int] = {}
        self._received = 0
        self._rejected: Counter[str] = Counter()

    def serve(self) -> None:
        """Until the process is told to stop."""
        stopping = Stopping()
        next_heartbeat = time.monotonic()
        while not stopping:
            self._sockets.wait(next_heartbeat - time.monotonic())
            for message in self._sockets.incoming():
                self._relay(message, time.monotonic_ns())
            for client, request in self._sockets.requests():
                self._reply(client, request, time.monotonic_ns())
            if time.monotonic() >= next_heartbeat:
                self._send_heartbeat(time.monotonic_ns())
                self._count_failed_handshakes()
                next_heartbeat = max(next_heartbeat + HEARTBEAT_S, time.monotonic())
        self._sockets.close()
        if self._authenticator:
            self._authenticator.close()

    def _relay(self, message: Incoming | None, now_ns: int) -> None:
        self._received += 1
        if message is None:
            self._reject("malformed")
            return
        owner = topics.owner_of(message.topic)
        if owner is None or (owner not in self._owners and len(self._owners) >= MAX_SENDERS):
            self._reject("unknown topic")
            return
        if message.user is not None and message.user != owner.partition("/")[2]:
            self._reject(f"{message.user}'s key used for {owner}")
            return
        if not self._within_rate(owner, now_ns):
            self._rejected[f"too fast: {owner}"] += 1
            return
        connection, last_ns = self._owners.get(owner, (message.connection, now_ns))
        if connection != message.connection and now_ns - last_ns < LEASE_NS:
            self._reject(f"second sender for {owner}")
            return
        self._owners[owner] = (message.connection, now_ns)
        self._publish(message.topic, now_ns, message.body)

    def _reject(self, reason: str) -> None:
        if reason not in self._rejected:
            logging.warning("message rejected: %s (further ones are only counted)", reason)
        self._rejected[reason] += 1

    def _within_rate(self, owner: str, now_ns: int) -> bool:
        """A token bucket for each sender, refilled at RATE tokens a second."""
        level, last_ns = self._buckets.get(owner, (BURST, now_ns))
        level = min(BURST, level + (now_ns - last_ns) * RATE / 1e9)
        self._buckets[owner] = (level - 1 if level >= 1 else level, now_ns)
        return level >= 1

    def _count_failed_handshakes(self) -> None:
        failed = self._sockets.failed_handshakes()
        if failed:
            self._reject("handshake")
            self._rejected["handshake"] += failed - 1

    def _publish(self, topic: bytes, now_ns: int, body: bytes) -> None:
        self._sockets.publish(topic, Stamp(self._sequence, self._topic_sequences[topic], now_ns), body)
        self._sequence += 1
        self._topic_sequences[topic] += 1

    def _send_heartbeat(self, now_ns: int) -> None:
        heartbeat = Heartbeat(
            boot_id=self.boot_id,
            hub_ns=now_ns,
            utc_ns=time.time_ns(),
            received=self._received,
            rejected=self._rejected.total(),
        )
        self._publish(topics.HEARTBEAT.encode(), now_ns, encode(heartbeat))

    def _reply(self, client: bytes, data: bytes, now_ns: int) -> None:
        try:
            request = decode_request(data)
        except MessageError:
            self._rejected["malformed request"] += 1
            return
        if isinstance(request, Probe):
            reply: msgspec.Struct = ProbeReply(received_ns=now_ns, replied_ns=time.monotonic_ns())
        else:
            if isinstance(request, Ready) and len(self._roles) < 1000:
                self._roles[request.role] = now_ns
                self.start_ns = self.start_ns or request.start_ns  # a restarted hub gets it from the sources that play
            if isinstance(request, Start):
                self.start_ns = self.start_ns or now_ns + request.delay_ns
            reply = self._status(now_ns)
        self._sockets.reply(client, msgspec.msgpack.encode(reply))

    def _status(self, now_ns: int) -> StatusReply:
        return StatusReply(
            boot_id=self.boot_id,
            hub_ns=now_ns,
            start_ns=self.start_ns,
            roles={role: (now_ns - last_ns) / 1e9 for role, last_ns in self._roles.items()},
            received=self._received,
            rejected=self._rejected.total(),
            reasons=dict(self._rejected.most_common(50)),
        )


def _authenticator(options: HubOptions) -> ZapAuthenticator | None:
    """None where the studio has no keys."""
    return ZapAuthenticator(ZapSocket(), ZapSocket.encode_key, load_allowed(options.keys)) if options.keys else None
