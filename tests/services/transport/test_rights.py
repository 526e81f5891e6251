"""The table of rights: every role against every topic and request, and what a body may say."""

from __future__ import annotations

import contextlib
import zlib

import msgspec
import numpy as np
import pytest

from multiview.data import Keypoints2D
from multiview.wire.messages import CameraHealth, FusionRequest, IdentityLabel, Message, ServiceHealth, decode, encode
from multiview.wire.packing import pack_keypoints
from multiview.wire.topics import parse_topic
from services.transport.requests import Probe, Ready, Request, Start, Status
from services.transport.rights import Rejection, check_body, check_request, check_topic
from services.transport.roles import ANYBODY, Peer, Role

CAMERA_TOPICS = {"keypoints/cam01", "clock/cam01", "camera_health/cam01", "preview/cam01"}
OPERATOR_TOPICS = {"identity_label", "fusion_request", "preview_request"}
SAYABLE = CAMERA_TOPICS | OPERATOR_TOPICS | {"poses", "regions", "service_health/fusion", "service_health/recorder"}
TOPICS = SAYABLE | {"service_health/hub", "heartbeat"}  # which the hub alone sends
# The right answer for every key, written down once more.
MAY_SEND = {
    Peer("cam01", Role.CAMERA): CAMERA_TOPICS,
    Peer("cam02", Role.CAMERA): set(),
    Peer("fusion", Role.FUSION): {"poses", "regions", "service_health/fusion"},
    Peer("recorder", Role.SERVICE): {"service_health/recorder"},
    Peer("viewer", Role.OPERATOR): OPERATOR_TOPICS,
    Peer("client", Role.LISTENER): set(),
    Peer("fusion", Role.LISTENER): set(),  # the role counts, not the name
    ANYBODY: SAYABLE,
}
REQUESTS: dict[str, Request] = {
    "probe": Probe(),
    "status": Status(),
    "start": Start(),
    "ready": Ready(role="camera/cam01"),
    "ready of fusion": Ready(role="service/fusion"),
}
MAY_ASK = {
    Peer("cam01", Role.CAMERA): {"probe", "status", "start", "ready"},
    Peer("cam02", Role.CAMERA): {"probe", "status", "start"},
    Peer("fusion", Role.FUSION): {"probe", "status", "ready of fusion"},
    Peer("recorder", Role.SERVICE): {"probe", "status"},
    Peer("viewer", Role.OPERATOR): {"probe", "status", "start"},
    Peer("client", Role.LISTENER): {"probe", "status"},
    ANYBODY: set(REQUESTS),
}


def everyone(subject: str) -> bool:
    return True


def nobody(subject: str) -> bool:
    return False


@pytest.mark.parametrize("peer", MAY_SEND, ids=lambda peer: f"{peer.role}-{peer.name}")
def test_rights_per_role_and_topic(peer: Peer) -> None:
    allowed = set()
    for topic in TOPICS:
        with contextlib.suppress(Rejection):
            check_topic(peer, topic.encode(), everyone)
            allowed.add(topic)
    assert allowed == MAY_SEND[peer]


@pytest.mark.parametrize("peer", MAY_ASK, ids=lambda peer: f"{peer.role}-{peer.name}")
def test_rights_per_role_and_request(peer: Peer) -> None:
    allowed = set()
    for name, request in REQUESTS.items():
        with contextlib.suppress(Rejection):
            assert check_request(peer, msgspec.msgpack.encode(request)) == request
            allowed.add(name)
    assert allowed == MAY_ASK[peer]


@pytest.mark.parametrize(
    "topic", [b"", b"heartbeat", b"../../etc", b"keypoints/", b"keypoints/a/b", b"poses/x", b"keypoints/" + b"a" * 65]
)
def test_topic_that_nobody_may_send_on(topic: bytes) -> None:
    with pytest.raises(Rejection, match="unknown topic"):
        check_topic(ANYBODY, topic, everyone)


def test_reasons_name_only_who_is_known() -> None:
    """Else foreign names would fill table and log."""
    with pytest.raises(Rejection, match=r"^cam02's key used for a stranger$"):
        check_topic(Peer("cam02", Role.CAMERA), b"keypoints/x-25b", nobody)
    topic = parse_topic(b"keypoints/x-25b")
    assert topic is not None
    with pytest.raises(Rejection, match=r"^too short or too long message$"):
        check_body(topic, b"", nobody)


@pytest.mark.parametrize(
    "request_",
    [
        {"request": "start", "delay_ns": 2**64 - 1},
        {"request": "start", "delay_ns": 10**15},
        {"request": "start", "delay_ns": -1},
        {"request": "ready", "role": "camera/cam01", "start_ns": 2**64 - 1},
        {"request": "ready", "role": "camera/cam01", "start_ns": -1},
        {"request": "ready", "role": "camera/cam01", "pid": -1},
        {"request": "ready", "role": "camera/" + "a" * 200_000},
        {"request": "ready", "role": "a false role"},
        {"request": "ready", "role": "camera/\x1b[2J"},
        {"request": "shutdown"},
        [1, 2],
    ],
    ids=str,
)
def test_requests_out_of_range_are_rejected(request_: object) -> None:
    with pytest.raises(Rejection, match=r"^malformed request$"):
        check_request(ANYBODY, msgspec.msgpack.encode(request_))


def _keypoints(camera: str) -> Message:
    header = {"boot_id": 1, "frame": 1, "time_ns": 1, "skeleton": "coco17"}
    return pack_keypoints(Keypoints2D(np.zeros((1, 17, 2)), np.ones((1, 17))), camera=camera, **header)


@pytest.mark.parametrize(
    ("topic", "message", "good"),
    [
        ("keypoints/cam01", _keypoints("cam01"), True),
        ("keypoints/cam01", _keypoints("cam02"), False),
        ("keypoints/cam01", CameraHealth(camera="cam01", boot_id=1), False),
        ("camera_health/cam01", CameraHealth(camera="cam01", boot_id=1), True),
        ("camera_health/cam01", CameraHealth(camera="cam02", boot_id=1), False),
        ("service_health/recorder", ServiceHealth(service="fusion", boot_id=1), False),
        ("identity_label", IdentityLabel(person=1, name="amy"), True),
        ("fusion_request", FusionRequest(new_identities=True, left_out=["cam01"]), True),
        ("fusion_request", IdentityLabel(person=1, name="amy"), False),
        ("poses", IdentityLabel(person=1, name="amy"), False),
    ],
)
def test_body_belongs_to_its_topic(topic: str, message: Message, good: bool) -> None:
    parsed = parse_topic(topic.encode())
    assert parsed is not None
    if good:
        check_body(parsed, encode(message), everyone)
    else:
        with pytest.raises(Rejection, match="another kind or name"):
            check_body(parsed, encode(message), everyone)


@pytest.mark.parametrize(
    "fields",
    [
        {"time_ns": 2**62},
        {"time_ns": -(2**62)},
        {"size": (70_000, 1)},
        {"camera": "cam\x1b01"},
        {"boot_id": 2**63},
    ],
)
def test_fields_have_ranges(fields: dict[str, object]) -> None:
    topic = parse_topic(b"keypoints/cam01")
    assert topic is not None
    with pytest.raises(Rejection, match="malformed message of camera/cam01"):
        check_body(topic, encode(msgspec.structs.replace(_keypoints("cam01"), **fields)), everyone)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -1.0, 1e7])
def test_rates_are_numbers_that_a_camera_can_have(rate: float) -> None:
    topic = parse_topic(b"camera_health/cam01")
    assert topic is not None
    with pytest.raises(Rejection, match="malformed message"):
        check_body(topic, encode(CameraHealth(camera="cam01", boot_id=1, rate_hz=rate)), everyone)


def test_text_from_the_wire_is_printable() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J two\nlines \u202e"
    camera = msgspec.msgpack.encode({**_fields(CameraHealth(camera="cam01", boot_id=1)), "note": evil})
    service = msgspec.msgpack.encode(
        {
            **_fields(ServiceHealth(service="a", boot_id=1)),
            "texts": {evil: evil},
            "counts": {evil: 1},
            "values": {evil: 1},
        }
    )
    health, other = decode(_with_crc(camera)), decode(_with_crc(service))
    assert isinstance(health, CameraHealth)
    assert isinstance(other, ServiceHealth)
    for text in (health.note, *other.texts, *other.texts.values(), *other.counts, *other.values):
        assert text.isprintable()
        assert "two lines" in text


def _fields(message: Message) -> dict[str, object]:
    fields: dict[str, object] = msgspec.msgpack.decode(encode(message)[:-4])
    return fields


def _with_crc(content: bytes) -> bytes:
    return content + zlib.crc32(content).to_bytes(4, "little")
