"""Every topic of the hub's stream, in one table: who may send it, and what it carries.

keypoints/CAMERA         a worker      KeypointsMessage, EndOfStream
clock/CAMERA             a worker      ClockSample
camera_health/CAMERA     a worker      CameraHealth, about once a second
poses                    fusion        PosesMessage
regions                  fusion        RegionsMessage, if a detector searches where people are expected
identity_label           the viewer    IdentityLabel, when a user names a person
fusion_request           the pages     FusionRequest, when a user begins identities anew or leaves cameras out
preview_request          the pages     PreviewRequest, while somebody looks at pictures; not recorded
preview/CAMERA           a worker      PreviewMessage, while somebody looks at pictures; not recorded
service_health/SERVICE   a service     ServiceHealth, about once a second
heartbeat                the hub       Heartbeat, 20 times a second
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from multiview.common.names import name_fault
from multiview.wire.messages import (
    AnyMessage,
    CameraHealth,
    ClockSample,
    EndOfStream,
    FusionRequest,
    IdentityLabel,
    KeypointsMessage,
    PosesMessage,
    PreviewMessage,
    PreviewRequest,
    RegionsMessage,
    ServiceHealth,
)

__all__ = [
    "CAMERA_HEALTH",
    "CLOCK",
    "FUSION_READS",
    "FUSION_REQUEST",
    "HEARTBEAT",
    "IDENTITY_LABEL",
    "KEYPOINTS",
    "POSES",
    "PREVIEW",
    "PREVIEW_REQUEST",
    "RECORDED",
    "REGIONS",
    "SERVICE_HEALTH",
    "Topic",
    "belongs",
    "parse_topic",
    "topic_of",
]

KEYPOINTS, CLOCK, CAMERA_HEALTH, SERVICE_HEALTH = "keypoints", "clock", "camera_health", "service_health"
POSES, REGIONS, IDENTITY_LABEL, HEARTBEAT = "poses", "regions", "identity_label", "heartbeat"
FUSION_REQUEST = "fusion_request"
PREVIEW, PREVIEW_REQUEST = "preview", "preview_request"

# The topics that fusion is a function of; a recording holds all.
FUSION_READS = (KEYPOINTS, CLOCK, IDENTITY_LABEL, FUSION_REQUEST, HEARTBEAT)
# All but the pictures that are only looked at.
RECORDED = (*FUSION_READS, CAMERA_HEALTH, SERVICE_HEALTH, POSES, REGIONS)

_CARRIES: dict[str, tuple[type[AnyMessage], ...]] = {
    KEYPOINTS: (KeypointsMessage, EndOfStream),
    CLOCK: (ClockSample,),
    CAMERA_HEALTH: (CameraHealth,),
    SERVICE_HEALTH: (ServiceHealth,),
    POSES: (PosesMessage,),
    REGIONS: (RegionsMessage,),
    IDENTITY_LABEL: (IdentityLabel,),
    FUSION_REQUEST: (FusionRequest,),
    PREVIEW: (PreviewMessage,),
    PREVIEW_REQUEST: (PreviewRequest,),
}
_SENDERS = {
    POSES: "fusion",
    REGIONS: "fusion",
    IDENTITY_LABEL: "viewer",
    FUSION_REQUEST: "dashboard",
    PREVIEW_REQUEST: "dashboard",
}
_OF_A_NAME = re.compile(rb"(keypoints|clock|camera_health|preview|service_health)/([^/]{1,256})")


class Topic(NamedTuple):
    """A topic on which somebody may send: its kind, and the camera or service whose topic it is."""

    kind: str
    name: str

    @property
    def owner(self) -> str:
        """ "camera/NAME" or "service/NAME"."""
        return f"{'camera' if self.kind in (KEYPOINTS, CLOCK, CAMERA_HEALTH, PREVIEW) else 'service'}/{self.name}"


def topic_of(kind: str, name: str) -> str:
    return f"{kind}/{name}"


@lru_cache(maxsize=1024)
def parse_topic(topic: bytes) -> Topic | None:
    """None if there is no such topic to send on."""
    match = _OF_A_NAME.fullmatch(topic)
    try:
        kind, name = (part.decode() for part in match.groups()) if match else (topic.decode(), "")
    except UnicodeDecodeError:
        return None
    if match is None:
        return Topic(kind, _SENDERS[kind]) if kind in _SENDERS else None
    return None if name_fault(name) else Topic(kind, name)


def belongs(message: AnyMessage, topic: Topic) -> bool:
    """Whether the message is of a kind that the topic carries, and speaks of the topic's own camera or service."""
    if not isinstance(message, _CARRIES[topic.kind]):
        return False
    name = getattr(message, "camera", None) or getattr(message, "service", None)
    return name is None or name == topic.name
