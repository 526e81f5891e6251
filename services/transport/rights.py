"""Who may say what: the one table of rights, and the one place where messages and requests are checked.

    role        may send                                              may ask
    camera      keypoints, clock, camera_health, preview: of its own  probe, status, start, ready of its own name
    fusion      poses, regions, service_health of its own name        probe, status, ready of its own name
    service     service_health of its own name                        probe, status, ready of its own name
    operator    identity_label, fusion_request, preview_request,      probe, status, start, ready of its own name
                service_health of its own name
    listener    nothing                                               probe, status

The hub alone says how it is itself (service_health of `hub`).

Without keys the hub listens on the loopback alone, and whoever is on its machine has every right. Ranges and lengths
of the fields are those of `multiview.wire.messages` and `services.transport.requests`.
"""

from __future__ import annotations

from collections.abc import Callable

from multiview.errors import MessageError
from multiview.wire import topics
from multiview.wire.messages import decode
from multiview.wire.topics import Topic, belongs, parse_topic
from services.transport.keyring import HUB
from services.transport.requests import Probe, Ready, Request, Start, Status, decode_request
from services.transport.roles import Peer, Role

__all__ = ["HUB_HEALTH", "Rejection", "check_body", "check_request", "check_topic", "may_send"]


HUB_HEALTH = topics.topic_of(topics.SERVICE_HEALTH, HUB)
_CAMERA_TOPICS = frozenset({topics.KEYPOINTS, topics.CLOCK, topics.CAMERA_HEALTH, topics.PREVIEW})
_OPERATOR_TOPICS = frozenset({topics.IDENTITY_LABEL, topics.FUSION_REQUEST, topics.PREVIEW_REQUEST})
_MAY_SEND: dict[Role, frozenset[str]] = {
    Role.CAMERA: _CAMERA_TOPICS,
    Role.FUSION: frozenset({topics.POSES, topics.REGIONS, topics.SERVICE_HEALTH}),
    Role.SERVICE: frozenset({topics.SERVICE_HEALTH}),
    Role.OPERATOR: _OPERATOR_TOPICS | {topics.SERVICE_HEALTH},
    Role.LISTENER: frozenset(),
    Role.LOCAL: _CAMERA_TOPICS | _OPERATOR_TOPICS | {topics.POSES, topics.REGIONS, topics.SERVICE_HEALTH},
}
_MAY_ASK: dict[Role, tuple[type[Request], ...]] = {
    Role.CAMERA: (Probe, Status, Start, Ready),
    Role.FUSION: (Probe, Status, Ready),
    Role.SERVICE: (Probe, Status, Ready),
    Role.OPERATOR: (Probe, Status, Start, Ready),
    Role.LISTENER: (Probe, Status),
    Role.LOCAL: (Probe, Status, Start, Ready),
}
_FAULTS = {"CRC-32": "corrupt", "schema version": "older or newer", " bytes: expected 5": "too short or too long"}
_OWN_NAME = _CAMERA_TOPICS | {topics.SERVICE_HEALTH}  # topics on which one speaks of oneself


class Rejection(Exception):
    """A message or request that its sender has no right to, or that makes no sense.

    `reason` is one of a bounded set, for counting; `detail` may quote what came, made printable.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def may_send(role: Role) -> bool:
    """Whether there is anything that this role may send."""
    return bool(_MAY_SEND[role])


def check_topic(peer: Peer, topic: bytes, known: Callable[[str], bool]) -> Topic:
    """The topic, if this peer may send on it; `known` says which owners may be named in reasons."""
    parsed = parse_topic(topic)
    if parsed is None:
        raise Rejection("unknown topic")
    if topic == HUB_HEALTH.encode():
        raise Rejection("somebody else speaks for the hub")
    own = peer.role is Role.LOCAL or parsed.kind not in _OWN_NAME or parsed.name == peer.name
    if not own or parsed.kind not in _MAY_SEND[peer.role]:
        raise Rejection(f"{peer.name}'s key used for {parsed.owner if known(parsed.owner) else 'a stranger'}")
    return parsed


def check_body(topic: Topic, body: bytes, known: Callable[[str], bool]) -> None:
    """Rejection unless the body is a message that belongs under its topic, every field within its range."""
    of = f" of {topic.owner}" if known(topic.owner) else ""
    try:
        message = decode(body)
    except MessageError as error:
        kind = next((kind for word, kind in _FAULTS.items() if word in str(error)), "malformed")
        raise Rejection(f"{kind} message{of}", str(error)) from None
    if not belongs(message, topic):
        raise Rejection(f"message{of} under the topic of another kind or name")


def check_request(peer: Peer, data: bytes) -> Request:
    """The request, if it makes sense and this peer may make it."""
    try:
        request = decode_request(data)
    except MessageError:
        raise Rejection("malformed request") from None
    if not isinstance(request, _MAY_ASK[peer.role]):
        raise Rejection(f"{peer.name}'s key used to ask for {type(request).__name__.lower()}")
    if isinstance(request, Ready) and peer.role is not Role.LOCAL and request.role != peer.subject:
        raise Rejection(f"{peer.name}'s key used to report another ready")
    return request
