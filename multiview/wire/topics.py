"""Every topic of the hub's stream, in one table: who may send it, and what it carries.

keypoints/CAMERA   a worker      KeypointsMessage, Goodbye
clock/CAMERA       a worker      ClockSample
camera/CAMERA      a worker      CameraHealth, about once a second
poses              fusion        PosesMessage
regions            fusion        RegionsMessage, if a camera's worker is to look where people are expected
naming             the viewer    NamingMessage, when someone says who a person is
service/SERVICE    a service     ServiceHealth, about once a second
hub                the hub       HubBeat, 20 times a second
"""

from __future__ import annotations

import re

__all__ = [
    "CAMERA",
    "CLOCK",
    "FUSION_READS",
    "HUB",
    "KEYPOINTS",
    "NAMING",
    "POSES",
    "REGIONS",
    "SERVICE",
    "owner_of",
    "topic_of",
]

KEYPOINTS, CLOCK, CAMERA = "keypoints", "clock", "camera"
POSES, REGIONS, NAMING, SERVICE, HUB = "poses", "regions", "naming", "service", "hub"

# What fusion is a function of; a recording holds everything.
FUSION_READS = (KEYPOINTS, CLOCK, NAMING, HUB)

_TOPIC = re.compile(rb"(keypoints|clock|camera|service)/([A-Za-z0-9_-]{1,64})|(poses|regions|naming)")


def topic_of(kind: str, name: str) -> str:
    return f"{kind}/{name}"


def owner_of(topic: bytes) -> str | None:
    """Who may send on a topic, as "camera/NAME" or "service/NAME"; None if there is no such topic to send on."""
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return None
    if match[3]:
        return "service/viewer" if match[3] == b"naming" else "service/fusion"
    kind = "service" if match[1] == b"service" else "camera"
    return f"{kind}/{match[2].decode()}"
