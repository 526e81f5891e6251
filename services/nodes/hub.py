"""The hub: the one process that binds ports. It numbers and stamps every message and passes it on.

Its order and its times of arrival are the truth that fusion and recordings share. It looks at topics and connections,
never into a body, so no message can harm it.
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
from multiview.wire.messages import HubBeat, Stamp, encode
from services.runtime.process import Stopping, begin_service, come_first
from services.transport.bus import HubSockets, Incoming, ZapSocket
from services.transport.keyring import load_allowed
from services.transport.requests import Probe, ProbeReply, Ready, Start, StatusReply, decode_question
from services.transport.zap_authenticator import Gate

BEAT_S = 0.05
RATE, BURST = 1000.0, 500.0  # messages a second that one sender may send, and how many at once
MOST_SENDERS = 200
LEASE_NS = 500_000_000  # a camera belongs to a connection until that was silent for so long


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service("hub", studio.logging.json)
    come_first()
    Hub(studio.hub).serve()


class Hub:
    """ConfigError if a port is in use."""

    def __init__(self, options: HubOptions) -> None:
        self.boot_id = secrets.randbits(62)
        self.start_ns = 0
        self._gate = Gate(ZapSocket(), ZapSocket.encode_key, load_allowed(options.keys)) if options.keys else None
        self._sockets = HubSockets(options)
        self._sequence = 0
        self._topic_sequences: Counter[bytes] = Counter()
        self._owners: dict[str, tuple[bytes, int]] = {}  # camera or service: connection, last message
        self._buckets: dict[str, tuple[float, int]] = {}
        self._roles: dict[str, int] = {}
        self._received = 0
        self._refused: Counter[str] = Counter()

    def serve(self) -> None:
        """Until the process is told to stop."""
        stopping = Stopping()
        next_beat = time.monotonic()
        while not stopping:
            self._sockets.wait(next_beat - time.monotonic())
            for message in self._sockets.incoming():
                self._take(message, time.monotonic_ns())
            for asker, question in self._sockets.questions():
                self._answer(asker, question, time.monotonic_ns())
            if time.monotonic() >= next_beat:
                self._beat(time.monotonic_ns())
                self._note_failures()
                next_beat = max(next_beat + BEAT_S, time.monotonic())
        self._sockets.close()
        if self._gate:
            self._gate.close()

    def _take(self, message: Incoming | None, now_ns: int) -> None:
        self._received += 1
        if message is None:
            self._refuse("malformed")
            return
        owner = topics.owner_of(message.topic)
        if owner is None or (owner not in self._owners and len(self._owners) >= MOST_SENDERS):
            self._refuse("unknown topic")
            return
        if message.user is not None and message.user != owner.partition("/")[2]:
            self._refuse(f"{message.user}'s key used for {owner}")
            return
        if not self._within_rate(owner, now_ns):
            self._refused[f"too fast: {owner}"] += 1
            return
        connection, last_ns = self._owners.get(owner, (message.connection, now_ns))
        if connection != message.connection and now_ns - last_ns < LEASE_NS:
            self._refuse(f"second sender for {owner}")
            return
        self._owners[owner] = (message.connection, now_ns)
        self._publish(message.topic, now_ns, message.body)

    def _refuse(self, reason: str) -> None:
        if reason not in self._refused:
            logging.warning("refused: %s (further ones are only counted)", reason)
        self._refused[reason] += 1

    def _within_rate(self, owner: str, now_ns: int) -> bool:
        """A bucket of messages for each sender, that fills again at RATE a second."""
        level, last_ns = self._buckets.get(owner, (BURST, now_ns))
        level = min(BURST, level + (now_ns - last_ns) * RATE / 1e9)
        self._buckets[owner] = (level - 1 if level >= 1 else level, now_ns)
        return level >= 1

    def _note_failures(self) -> None:
        failed = self._sockets.failed_handshakes()
        if failed:
            self._refuse("handshake")
            self._refused["handshake"] += failed - 1

    def _publish(self, topic: bytes, now_ns: int, body: bytes) -> None:
        self._sockets.publish(topic, Stamp(self._sequence, self._topic_sequences[topic], now_ns), body)
        self._sequence += 1
        self._topic_sequences[topic] += 1

    def _beat(self, now_ns: int) -> None:
        beat = HubBeat(
            boot_id=self.boot_id,
            hub_ns=now_ns,
            utc_ns=time.time_ns(),
            received=self._received,
            refused=self._refused.total(),
        )
        self._publish(topics.HUB.encode(), now_ns, encode(beat))

    def _answer(self, asker: bytes, data: bytes, now_ns: int) -> None:
        try:
            question = decode_question(data)
        except MessageError:
            self._refused["malformed question"] += 1
            return
        if isinstance(question, Probe):
            reply: msgspec.Struct = ProbeReply(received_ns=now_ns, replied_ns=time.monotonic_ns())
        else:
            if isinstance(question, Ready) and len(self._roles) < 1000:
                self._roles[question.role] = now_ns
                self.start_ns = self.start_ns or question.start_ns  # a hub started anew learns it from who plays
            if isinstance(question, Start):
                self.start_ns = self.start_ns or now_ns + question.delay_ns
            reply = self._status(now_ns)
        self._sockets.answer(asker, msgspec.msgpack.encode(reply))

    def _status(self, now_ns: int) -> StatusReply:
        return StatusReply(
            boot_id=self.boot_id,
            hub_ns=now_ns,
            start_ns=self.start_ns,
            roles={role: (now_ns - last_ns) / 1e9 for role, last_ns in self._roles.items()},
            received=self._received,
            refused=self._refused.total(),
            reasons=dict(self._refused.most_common(50)),
        )
