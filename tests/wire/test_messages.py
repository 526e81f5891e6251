"""What is sent comes back the same, and no bytes whatever do more than raise MessageError."""

from __future__ import annotations

import json
import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiview.data import Keypoints2D, Pose3D, Track, Tracks
from multiview.errors import MessageError
from multiview.wire.messages import (
    MAX_BYTES,
    CameraHealth,
    ClockSample,
    EndOfStream,
    Heartbeat,
    KeypointsMessage,
    PosesMessage,
    ServiceHealth,
    Stamp,
    decode,
    encode,
    json_schema,
)
from multiview.wire.packing import pack_keypoints, pack_tracks, unpack_keypoints, unpack_tracks
from multiview.wire.topics import parse_topic, topic_of

HEADER = {"camera": "cam01", "boot_id": 7, "frame": 3, "time_ns": 120_000_000, "skeleton": "coco17"}
POSES_HEADER = {"cameras": ["cam01"], "missing": [], "skeleton": "coco17"}


def make_keypoints(people: int, joints: int, seed: int, cov: bool, visibility: bool) -> Keypoints2D:
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.1, 1.0, (people, joints)).astype(np.float32).astype(float)
    xy = rng.uniform(0, 2000, (people, joints, 2)).astype(np.float32).astype(float)
    half = rng.normal(size=(people, joints, 2, 2))
    matrices = (half @ half.swapaxes(-1, -2) + np.eye(2)).astype(np.float32).astype(float)
    missing = rng.random((people, joints)) < 0.2
    xy[missing], score[missing], matrices[missing] = np.nan, 0.0, np.nan
    seen = rng.random((people, joints)).astype(np.float32).astype(float)
    return Keypoints2D(xy, score, matrices if cov else None, seen if visibility else None)


def make_tracks(people: int, joints: int, seed: int) -> Tracks:
    rng = np.random.default_rng(seed)
    tracks = []
    for person in range(people):
        xyz = rng.normal(size=(joints, 3)).astype(np.float32).astype(float)
        half = rng.normal(size=(joints, 3, 3))
        cov = (half @ half.swapaxes(-1, -2)).astype(np.float32).astype(float)
        score = np.full(joints, 0.5)
        unknown = rng.random(joints) < 0.2
        xyz[unknown], cov[unknown], score[unknown] = np.nan, np.nan, 0.0
        views, filled = rng.integers(1, 5, joints), rng.random(joints) < 0.5
        views[unknown], filled[unknown] = 0, False
        tracks.append(Track(person + 10, Pose3D(xyz, cov, score, views, filled)))
    return Tracks(5, 200_000_000, tuple(tracks), 1)


@given(st.integers(0, 5), st.integers(1, 133), st.integers(0, 2**32), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None)
def test_keypoints_come_back(people: int, joints: int, seed: int, cov: bool, visibility: bool) -> None:
    sent = make_keypoints(people, joints, seed, cov, visibility)
    message = decode(encode(pack_keypoints(sent, **HEADER)))
    assert isinstance(message, KeypointsMessage)
    assert (message.camera, message.boot_id, message.frame) == ("cam01", 7, 3)
    back = unpack_keypoints(message)
    np.testing.assert_array_equal(back.xy, sent.xy)
    np.testing.assert_array_equal(back.score, sent.score)
    for got, expected in ((back.cov, sent.cov), (back.visibility, sent.visibility)):
        assert (got is None) == (expected is None)
        if got is not None and expected is not None:
            np.testing.assert_array_equal(got, expected)


@given(st.integers(0, 4), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_tracks_come_back(people: int, joints: int, seed: int) -> None:
    sent = make_tracks(people, joints, seed)
    message = decode(encode(pack_tracks(sent, joints, **POSES_HEADER)))
    assert isinstance(message, PosesMessage)
    back = unpack_tracks(message)
    assert (back.tick, back.time_ns, back.utc_ns) == (sent.tick, sent.time_ns, sent.utc_ns)
    assert [track.person for track in back.tracks] == [track.person for track in sent.tracks]
    for got, expected in zip(back.tracks, sent.tracks, strict=True):
        for name in ("xyz", "cov", "score", "views", "filled"):
            np.testing.assert_array_equal(getattr(got.pose, name), getattr(expected.pose, name))


def examples() -> list[bytes]:
    return [
        encode(pack_keypoints(make_keypoints(2, 17, 1, True, True), **HEADER)),
        encode(pack_tracks(make_tracks(2, 17, 1), 17, **POSES_HEADER)),
        encode(ClockSample(camera="c", boot_id=1, sent_ns=1, hub_received_ns=2, hub_replied_ns=3, reply_received_ns=4)),
        encode(CameraHealth(camera="c", boot_id=1, rate_hz=25.0)),
        encode(ServiceHealth(service="fusion", boot_id=1, counts={"dropped": 1}, values={"ms": 0.5}, texts={"a": "b"})),
        encode(EndOfStream(camera="c", boot_id=1, frames=120)),
        encode(Heartbeat(boot_id=1, hub_ns=5, utc_ns=6)),
    ]


def with_crc(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


@pytest.mark.parametrize("kind", range(7))
def test_every_kind_comes_back(kind: int) -> None:
    body = examples()[kind]
    assert encode(decode(body)) == body


@given(st.integers(0, 6), st.data())
@settings(max_examples=300, deadline=None)
def test_a_flipped_bit_or_a_cut_is_refused(kind: int, data: st.DataObject) -> None:
    body = bytearray(examples()[kind])
    if data.draw(st.booleans()):
        bit = data.draw(st.integers(0, 8 * len(body) - 1))
        body[bit // 8] ^= 1 << bit % 8
    else:
        del body[data.draw(st.integers(0, len(body) - 1)) :]
    with pytest.raises(MessageError):
        decode(bytes(body))


@pytest.mark.slow
@given(st.integers(0, 6), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8), st.data())
@settings(max_examples=500, deadline=None)
def test_malice_with_a_true_crc_raises_nothing_else(
    kind: int, edits: list[tuple[int, int]], data: st.DataObject
) -> None:
    body = bytearray(examples()[kind][:-4])
    for place, value in edits:
        body[place % len(body)] = value
    del body[data.draw(st.integers(1, len(body))) :]
    try:
        message = decode(with_crc(bytes(body)))
    except MessageError:
        return
    if isinstance(message, KeypointsMessage):
        unpack_keypoints(message)
    if isinstance(message, PosesMessage):
        unpack_tracks(message)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_raise_nothing_else(body: bytes) -> None:
    with pytest.raises(MessageError):
        decode(body)
    with pytest.raises(MessageError):
        decode(with_crc(body))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(MessageError):
        decode(with_crc(b"\x81\xa1x" + b"\x91" * 100_000))


def edited(kind: int, **fields: object) -> bytes:
    content = msgspec.msgpack.decode(examples()[kind][:-4])
    return with_crc(msgspec.msgpack.encode({**content, **fields}))


def test_unknown_fields_are_ignored() -> None:
    message = decode(edited(0, colour="blue", nested={"a": [1]}))
    assert isinstance(message, KeypointsMessage)
    assert message.camera == "cam01"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"version": 1}, "schema version 1, but this program reads version 2: update the sender"),
        ({"version": 3, "camera": 5}, "schema version 3, but this program reads version 2: update the receiver"),
        ({"type": "telepathy"}, "malformed"),
        ({"camera": "../../etc"}, "malformed"),
        ({"people": 3}, "blob of"),
        ({"joints": 0}, "malformed"),
        ({"time_ns": 2**63}, "malformed"),
        ({"frame": -1}, "malformed"),
        ({"clock": "sundial"}, "malformed"),
        ({"blob": "text"}, "malformed"),
    ],
)
def test_what_is_wrong_is_said(fields: dict[str, object], expected: str) -> None:
    with pytest.raises(MessageError, match=expected):
        decode(edited(0, **fields))


def test_message_without_a_version_is_of_version_1() -> None:
    """Version 1 did not send its number."""
    content = msgspec.msgpack.decode(examples()[0][:-4])
    assert content.pop("version") == 2
    with pytest.raises(MessageError, match="schema version 1"):
        decode(with_crc(msgspec.msgpack.encode(content)))


def standing(people: int, looked: bool = True) -> Tracks:
    """People of four joints, of whom the first has the second and the fourth on the floor."""
    contact = np.array([False, True, False, True])
    pose = Pose3D(np.ones((4, 3)), np.tile(np.eye(3), (4, 1, 1)), np.ones(4), np.full(4, 2), np.zeros(4, dtype=bool))
    marks = [contact if n == 0 else np.zeros(4, dtype=bool) for n in range(people)]
    poses = [msgspec.structs.replace(pose, contact=one if looked else None) for one in marks]
    return Tracks(1, 2, tuple(Track(n + 1, one) for n, one in enumerate(poses)))


def test_contacts_come_back_and_old_messages_have_none() -> None:
    header = {"skeleton": "a", "cameras": [], "missing": []}
    message = decode(encode(pack_tracks(standing(2), 4, **header)))
    assert isinstance(message, PosesMessage)
    assert message.contacts == [[1, 3], []]
    first, second = unpack_tracks(message).tracks
    assert first.pose.contact is not None
    assert first.pose.contact.tolist() == [False, True, False, True]
    assert second.pose.contact is not None
    assert not second.pose.contact.any()
    old = pack_tracks(standing(2, looked=False), 4, **header)
    assert "contacts" not in msgspec.msgpack.decode(encode(old)[:-4])
    assert all(track.pose.contact is None for track in unpack_tracks(old).tracks)


@pytest.mark.parametrize(
    ("contacts", "expected"),
    [([[1]], "contacts of 1 people"), ([[4], []], "none of the 4"), ([[-1], []], "malformed"), ([1, 2], "malformed")],
)
def test_contacts_that_fit_nobody_are_refused(contacts: object, expected: str) -> None:
    body = encode(pack_tracks(standing(2), 4, skeleton="a", cameras=[], missing=[]))
    with pytest.raises(MessageError, match=expected):
        decode(with_crc(msgspec.msgpack.encode({**msgspec.msgpack.decode(body[:-4]), "contacts": contacts})))


def test_too_long_is_refused() -> None:
    with pytest.raises(MessageError, match="bytes"):
        decode(b"\x00" * (MAX_BYTES + 1))


def test_nonsense_numbers_are_missing_joints() -> None:
    xy = np.full((1, 5, 2), 10.0)
    score = np.array([[0.5, np.nan, np.inf, -1.0, 2.0]])
    xy[0, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        back = unpack_keypoints(pack_keypoints(Keypoints2D(xy, score), **HEADER))
    np.testing.assert_array_equal(back.score, [[0.0, 0.0, 0.0, 0.0, 1.0]])
    assert np.isnan(back.xy[0, :4]).all()
    assert np.isfinite(back.xy[0, 4]).all()


def test_every_bit_pattern_is_a_number_or_missing() -> None:
    signalling = np.array([0x7F800001, 0xFF800001, 0x3F000000] * 5, "<u4").tobytes()
    message = msgspec.structs.replace(pack_keypoints(make_keypoints(1, 5, 1, False, False), **HEADER), blob=signalling)
    assert np.isnan(unpack_keypoints(message).xy).all()


def test_a_covariance_that_is_none_makes_the_joint_missing() -> None:
    cov = np.broadcast_to(np.eye(2), (1, 3, 2, 2)).copy()
    cov[0, 1] = [[1.0, 2.0], [2.0, 1.0]]
    cov[0, 2, 0, 0] = np.nan
    back = unpack_keypoints(pack_keypoints(Keypoints2D(np.ones((1, 3, 2)), np.ones((1, 3)), cov), **HEADER))
    np.testing.assert_array_equal(back.score, [[1.0, 0.0, 0.0]])


def test_a_stamp_comes_back_and_others_are_refused() -> None:
    stamp = Stamp(5, 2, 123_456_789_012)
    assert Stamp.decode(stamp.encode()) == stamp
    with pytest.raises(MessageError):
        Stamp.decode(b"short")


def test_the_schema_names_every_message() -> None:
    schema = json_schema()["$defs"]
    assert all("version" in message["required"] for message in schema.values())
    assert {"KeypointsMessage", "PosesMessage", "Heartbeat", "IdentityLabel"} <= set(schema)


@pytest.mark.parametrize("name", ["cam 1", "Kamera-ä", "相机1", 'a"b', "é" * 64])
def test_names_in_any_script_come_back(name: str) -> None:
    message = decode(encode(CameraHealth(camera=name, boot_id=1)))
    assert isinstance(message, CameraHealth)
    assert message.camera == name
    topic = parse_topic(topic_of("keypoints", name).encode())
    assert topic is not None
    assert (topic.owner, topic.name) == (f"camera/{name}", name)


@pytest.mark.parametrize("name", ["", "..", "a/b", "x\n", "a\x1bb", "x" * 65, "a\u202eb", "\ud800"])
def test_text_that_is_no_name_is_rejected(name: str) -> None:
    body = edited(3, camera=name) if name != "\ud800" else edited(3, camera=b"\xed\xa0\x80")
    with pytest.raises(MessageError, match="malformed"):
        decode(body)
    assert parse_topic(topic_of("keypoints", name).encode(errors="surrogatepass")) is None


def test_patterns_of_the_schema_are_those_of_javascript() -> None:
    """`\\A` and `\\Z` mean nothing there, or do not compile."""
    text = json.dumps(json_schema())
    assert "\\\\A" not in text
    assert "\\\\Z" not in text
