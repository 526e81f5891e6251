"""The hub: the one process that binds ports; it checks, numbers, stamps and publishes every message.

Fusion and recordings share its order and its times of arrival. Who may say what is checked by `transport/rights.py`
before anything is remembered, logged or passed on; what the hub remembers is bounded (`hub_tables.py`), and so are
connections and what waits in them (`transport/connections.py`).
"""

from __future__ import annotations

import argparse
import gc
import secrets
import time
from collections import Counter
from pathlib import Path

import msgspec

from multiview.errors import MultiviewError
from multiview.studio.config import Studio
from multiview.studio.derived import studio_rig
from multiview.studio.identity import studio_id
from multiview.studio.studio_file import load_studio
from multiview.wire import topics
from multiview.wire.messages import Heartbeat, ServiceHealth, Stamp, encode
from services.nodes.hub_tables import Names, Reasons, SenderTable
from services.runtime.process import Stopping, allow_open_files, begin_service, give_memory_back
from services.runtime.realtime import RealtimeBudget
from services.transport.hub_sockets import HubSockets, Incoming
from services.transport.keyring import HUB, SERVICES
from services.transport.requests import MAX_DELAY_NS, Probe, ProbeReply, Ready, Start, StatusReply
from services.transport.rights import HUB_HEALTH, Rejection, check_body, check_request, check_topic, may_send
from services.transport.roles import Peer

HEARTBEAT_S, HEALTH_S = 0.05, 1.0
STATUS_NS = 20_000_000  # for so long the reply to listeners stays as it is, however many of them ask for it
OUTSIDE = -1  # the place in the stream of what is no part of it
MAX_REASONS = 50  # why messages were rejected, in what it says of itself
OPEN_FILES = 4096  # several times what connections within their limits need
MAX_TOPICS = 4000  # whose numbers are remembered; a topic that is forgotten begins at 0, as after a restart


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file")
    parser.add_argument("--run-id", default="", metavar="TEXT", help="what status says of who started this hub")


def run(args: argparse.Namespace) -> None:
    studio = load_studio(args.studio, check=False)
    begin_service("hub", studio.logging.json)
    allow_open_files(OPEN_FILES)
    give_memory_back()
    hub = Hub(studio, args.run_id[:100])
    hub.serve(RealtimeBudget())  # after the sockets, whose threads it schedules too


class Hub:
    """ConfigError if a port is in use."""

    def __init__(self, studio: Studio, run_id: str = "") -> None:
        self.boot_id = secrets.randbits(62)
        self.start_ns = 0
        self._name, self._id, self._run_id = studio.name, studio_id(studio), run_id
        self._sockets = HubSockets(studio.hub)
        self._own = _subjects(studio)
        self._sequence = 0
        self._topic_sequences: Counter[bytes] = Counter()
        self._senders, self._ready = SenderTable(self._known), Names(self._known)
        self._received = 0
        self._status_ns, self._status_reply = -STATUS_NS, b""
        self._reasons = Reasons()

    def serve(self, budget: RealtimeBudget | None = None) -> None:
        """Until the process is told to stop."""
        stopping = Stopping()
        gc.collect()
        gc.freeze()  # what is loaded stays; the collector need not visit it again
        next_heartbeat = next_health = time.monotonic()
        while not stopping:
            self._sockets.wait(next_heartbeat - time.monotonic())
            for message in self._sockets.incoming():
                self._relay(message, time.monotonic_ns())
            for client, request, peer in self._sockets.requests():
                self._reply(client, request, peer, time.monotonic_ns())
            for reason, count in self._sockets.guard().items():
                self._reasons.add(reason, count=count)
            if time.monotonic() >= next_heartbeat:
                self._send_heartbeat(time.monotonic_ns())
                if time.monotonic() >= next_health:
                    self._send_health(time.monotonic_ns())
                    next_health = time.monotonic() + HEALTH_S
                self._sockets.follow_permissions()
                next_heartbeat = max(next_heartbeat + HEARTBEAT_S, time.monotonic())
                if budget is not None:
                    budget.check(time.monotonic(), time.process_time())
        self._sockets.close()

    def _known(self, subject: str) -> bool:
        """Whether this camera or service is the studio's, or has a key."""
        permissions = self._sockets.permissions
        return subject in self._own or (permissions is not None and subject in permissions.subjects)

    def _relay(self, message: Incoming | None, now_ns: int) -> None:
        self._received += 1
        if message is None:
            self._reasons.add("malformed")
            return
        try:
            topic = check_topic(message.peer, message.topic, self._known)
            rejected_for = self._senders.rejection(topic.owner, message.connection, now_ns)
            if rejected_for:
                raise Rejection(f"{rejected_for} {topic.owner if self._known(topic.owner) else 'a stranger'}")
            check_body(topic, message.body, self._known)
        except Rejection as rejection:
            self._reasons.add(rejection.reason, rejection.detail)
            return
        self._senders.lease(topic.owner, message.connection, now_ns)
        self._publish(message.topic, now_ns, message.body)

    def _publish(self, topic: bytes, now_ns: int, body: bytes) -> None:
        kind = topic.partition(b"/")[0].decode()
        in_stream = kind in topics.RECORDED  # of what is only looked at a recording lacks nothing
        place = self._sequence if in_stream else OUTSIDE
        self._sockets.publish(topic, Stamp(place, self._topic_sequences[topic], now_ns), body)
        self._sequence += in_stream
        self._topic_sequences[topic] += 1
        if len(self._topic_sequences) > MAX_TOPICS:
            self._topic_sequences = Counter({t: n for t, n in self._topic_sequences.items() if self._is_own(t)})

    def _is_own(self, topic: bytes) -> bool:
        parsed = topics.parse_topic(topic)
        return parsed is None or self._known(parsed.owner)

    def _send_heartbeat(self, now_ns: int) -> None:
        heartbeat = Heartbeat(
            boot_id=self.boot_id,
            hub_ns=now_ns,
            utc_ns=time.time_ns(),
            received=self._received,
            rejected=self._reasons.counts.total(),
            studio=self._id,
        )
        self._publish(topics.HEARTBEAT.encode(), now_ns, encode(heartbeat))

    def _send_health(self, now_ns: int) -> None:
        """As other services do: what it has received and rejected, and why."""
        counts = {"received": self._received, "rejected": self._reasons.counts.total()}
        reasons = {reason[:200]: count for reason, count in self._reasons.counts.most_common(MAX_REASONS)}
        health = ServiceHealth(service=HUB, boot_id=self.boot_id, counts=counts | reasons)
        self._publish(HUB_HEALTH.encode(), now_ns, encode(health))

    def _reply(self, client: bytes, data: bytes, peer: Peer, now_ns: int) -> None:
        try:
            request = check_request(peer, data)
        except Rejection as rejection:
            self._reasons.add(rejection.reason, rejection.detail)
            return
        if isinstance(request, Probe):
            reply = msgspec.msgpack.encode(ProbeReply(received_ns=now_ns, replied_ns=time.monotonic_ns()))
        else:
            if isinstance(request, Ready):
                self._note_ready(request, now_ns)
            if isinstance(request, Start):
                self.start_ns = self.start_ns or now_ns + request.delay_ns
            if may_send(peer.role) or now_ns > self._status_ns + STATUS_NS:
                self._status_ns, self._status_reply = now_ns, msgspec.msgpack.encode(self._status(now_ns))
            reply = self._status_reply
        self._sockets.reply(client, reply)

    def _note_ready(self, request: Ready, now_ns: int) -> None:
        if not self._ready.enter(request.role, now_ns):
            self._reasons.add("no place for another that is ready")
        elif request.start_ns > now_ns + MAX_DELAY_NS:
            self._reasons.add("a start too far ahead")
        else:
            self.start_ns = self.start_ns or request.start_ns  # a restarted hub gets it from the sources that play

    def _status(self, now_ns: int) -> StatusReply:
        return StatusReply(
            boot_id=self.boot_id,
            hub_ns=now_ns,
            start_ns=self.start_ns,
            roles={role: (now_ns - last_ns) / 1e9 for role, last_ns in self._ready.last_ns.items()},
            received=self._received,
            rejected=self._reasons.counts.total(),
            reasons=dict(self._reasons.counts.most_common(MAX_REASONS)),
            studio_id=self._id,
            studio_name=self._name,
            run_id=self._run_id,
        )


def _subjects(studio: Studio) -> frozenset[str]:
    """The studio's cameras, as far as they are known here, and its services."""
    try:
        cameras = studio_rig(studio).names
    except MultiviewError:  # the rig file may be on the cameras' machines alone
        cameras = tuple(studio.cameras)
    return frozenset({f"camera/{name}" for name in cameras} | {f"service/{name}" for name in SERVICES})
