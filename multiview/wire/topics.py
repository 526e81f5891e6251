"""Every topic of the hub's stream, in one table: who may send it, and what it carries.

keypoints/CAMERA         a worker      KeypointsMessage, EndOfStream
clock/CAMERA             a worker      ClockSample
camera_health/CAMERA     a worker      CameraHealth, about once a second
poses                    fusion        PosesMessage
regions                  fusion        RegionsMessage, if a detector searches where people are expected
identity_label           the viewer    IdentityLabel, when a user names a person
service_health/SERVICE   a service     ServiceHealth, about once a second
heartbeat                the hub       Heartbeat, 20 times a second
"""

from __future__ import annotations

import re

__all__ = [
    "CAMERA_HEALTH",
    "CLOCK",
    "FUSION_READS",
    "HEARTBEAT",
    "IDENTITY_LABEL",
    "KEYPOINTS",
    "POSES",
    "REGIONS",
    "SERVICE_HEALTH",
    "owner_of",
    "topic_of",
]

KEYPOINTS, CLOCK, CAMERA_HEALTH, SERVICE_HEALTH = "keypoints", "clock", "camera_health", "service_health"
POSES, REGIONS, IDENTITY_LABEL, HEARTBEAT = "poses", "regions", "identity_label", "heartbeat"

# The topics that fusion is a function of; a recording holds all.
FUSION_READS = (KEYPOINTS, CLOCK, IDENTITY_LABEL, HEARTBEAT)

_TOPIC = re.compile(
    rb"(keypoints|clock|camera_health|service_health)/([A-Za-z0-9_-]{1,64})|(poses|regions|identity_label)"
)


def topic_of(kind: str, name: str) -> str:
    return f"{kind}/{name}"


def owner_of(topic: bytes) -> str | None:
    """Who may send on a topic, as "camera/NAME" or "service/NAME"; None if there is no such topic to send on."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return None
    if match[3]:
        return "service/viewer" if match[3] == b"identity_label" else "service/fusion"
    kind = "service" if match[1] == b"service_health" else "camera"
    return f"{kind}/{match[2].decode()}"
