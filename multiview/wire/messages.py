"""Messages on the wire and in recordings: their structs, encoding and decoding. Bytes only; sockets live elsewhere.

A body is one MessagePack map (a tagged struct, tag `type`), followed by the CRC-32 of the map, little-endian, 4 bytes.
Arrays are little-endian float32 in the field `blob`. Unknown fields are ignored, so that fields can be added; a message
of another schema version is rejected. Whatever is wrong with the bytes, the result is a `MessageError`. This file needs
numpy and msgspec alone, for programs downstream; `packing.py` turns messages into the library's values.

Every field has a range: of two times the difference fits 64 bits, and text holds nothing that a terminal would obey.

The hub puts a `Stamp` before each body: its place in the one ordered stream, and the hub's time of arrival.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Annotated, Any, NamedTuple, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from multiview.common.names import NAME
from multiview.common.printable import printable
from multiview.errors import MessageError

__all__ = [
    "LEFT_OUT",
    "MAX_BYTES",
    "MAX_PICTURE",
    "SCHEMA_VERSION",
    "AnyMessage",
    "CameraHealth",
    "ClockSample",
    "EndOfStream",
    "FusionRequest",
    "Heartbeat",
    "IdentityLabel",
    "KeypointsMessage",
    "Message",
    "PosesMessage",
    "PreviewMessage",
    "PreviewRequest",
    "RegionsMessage",
    "ServiceHealth",
    "Stamp",
    "decode",
    "encode",
    "json_schema",
    "read_blob",
    "write_blob",
]

SCHEMA_VERSION = 2
MAX_BYTES = 256 * 1024

Table = npt.NDArray[np.float64]
Int = Annotated[int, msgspec.Meta(ge=-(2**62) + 1, le=2**62 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**62 - 1)]
Pixels = Annotated[int, msgspec.Meta(ge=0, le=2**16)]
Rate = Annotated[float, msgspec.Meta(ge=0.0, le=1e6)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
Name = Annotated[str, msgspec.Meta(pattern=NAME)]
MaybeName = Annotated[str, msgspec.Meta(pattern=rf"{NAME}|^$(?!\n)")]
Text = Annotated[str, msgspec.Meta(max_length=500)]
Key = Annotated[str, msgspec.Meta(max_length=200)]
Joints = Annotated[int, msgspec.Meta(ge=1, le=1024)]
JointList = Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=1023)]], msgspec.Meta(max_length=1024)]
People = Annotated[int, msgspec.Meta(ge=0, le=1024)]
Names = Annotated[list[Name], msgspec.Meta(max_length=256)]
MAX_PICTURE = 192 * 1024  # bytes
Side = Annotated[int, msgspec.Meta(ge=16, le=1920)]
PreviewRate = Annotated[float, msgspec.Meta(gt=0.0, le=30.0)]
PreviewTime = Annotated[float, msgspec.Meta(gt=0.0, le=10.0)]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What every message carries; `version` is that of the schema, and always sent."""

    # A plain default would not be sent, and version 1, which did not send it, could not be told from this one.
    version: Annotated[int, msgspec.Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)] = msgspec.field(
        default_factory=lambda: SCHEMA_VERSION
    )


class KeypointsMessage(Message, frozen=True, kw_only=True, tag="keypoints"):
    """2D keypoints that one camera detected at one instant.

    `time_ns` is the middle of the exposure on the clock that `clock` names: "worker" is the sender's own monotonic
    clock, mapped to the hub's by clock samples; "epoch" is one that all sources share already (simulations, recorded
    keypoints), used as it is. `blob` is (people, joints, channels): x px, y px, score, then visibility if `visibility`,
    then cxx, cxy, cyy px^2 if `covariance`.
    """

    camera: Name
    boot_id: Count
    frame: Count
    time_ns: Int
    clock: Annotated[str, msgspec.Meta(pattern=r"^(worker|epoch)$(?!\n)")] = "worker"
    sent_ns: Int = 0
    exposure_ns: Count = 0
    trigger: Int = -1
    size: tuple[Pixels, Pixels] = (0, 0)
    calibration: MaybeName = ""
    skeleton: Name
    people: People
    joints: Joints
    visibility: bool = False
    covariance: bool = False
    blob: bytes

    def __post_init__(self) -> None:
        _check_blob(self.blob, self.people * self.joints * self.channels)

    @property
    def channels(self) -> int:
        return 3 + self.visibility + 3 * self.covariance

    def table(self) -> Table:
        """The blob as (people, joints, channels)."""
        return read_blob(self.blob, (self.people, self.joints, self.channels))


class PosesMessage(Message, frozen=True, kw_only=True, tag="poses"):
    """3D poses of everyone at one tick, and the state of the input.

    `time_ns` is on the clock that `clock` names: "hub", the hub's monotonic clock, or "epoch". `utc_ns` is 0 where
    unknown; `clock_sigma_ns` is the uncertainty of the cameras' clocks, -1 where unknown. `arrival_ns` is the hub's
    time of the message that completed the tick, `latency_ns` the time from the tick to that arrival. `cameras` gave
    keypoints for the tick, `missing` did not. `dropped` (gaps in the stream), `late` (after their tick had been
    emitted) and `rejected` (invalid) count messages since fusion started. `people` are the identities of the tracks,
    `names` one name for each, "" where unknown; empty where no name is known. `contacts` are the joints (their places
    in the skeleton, from 0) of each that stand on the floor: heels, toes, ankles; empty where nobody looks. `blob` is
    (people, joints, 12): x y z m, cxx cxy cxz cyy cyz czz m^2, score, views, filled.
    """

    tick: Int
    time_ns: Int
    clock: Annotated[str, msgspec.Meta(pattern=r"^(hub|epoch)$(?!\n)")] = "hub"
    utc_ns: Int = 0
    clock_sigma_ns: Int = -1
    arrival_ns: Int = 0
    latency_ns: Int = 0
    boot_id: Count = 0
    cameras: Names
    missing: Names
    dropped: Count = 0
    late: Count = 0
    rejected: Count = 0
    skeleton: Name
    joints: Joints
    people: Annotated[list[Count], msgspec.Meta(max_length=1024)]
    names: Annotated[list[MaybeName], msgspec.Meta(max_length=1024)] = []
    contacts: Annotated[list[JointList], msgspec.Meta(max_length=1024)] = []
    blob: bytes

    def __post_init__(self) -> None:
        _check_blob(self.blob, len(self.people) * self.joints * 12)
        if self.names and len(self.names) != len(self.people):
            raise ValueError(f"{len(self.names)} names of {len(self.people)} people")
        if self.contacts and len(self.contacts) != len(self.people):
            raise ValueError(f"contacts of {len(self.contacts)} people: expected {len(self.people)}")
        if any(joint >= self.joints for standing in self.contacts for joint in standing):
            raise ValueError(f"a contact of a joint that is none of the {self.joints}")

    def table(self) -> Table:
        """The blob as (people, joints, 12)."""
        return read_blob(self.blob, (len(self.people), self.joints, 12))


class RegionsMessage(Message, frozen=True, kw_only=True, tag="regions"):
    """Predicted boxes of people in the cameras' images: a detector that searches there need not search everywhere.

    `people[i]` are those in the image of `cameras[i]` at `time_ns`, on the clock that `clock` names as in `poses`.
    `blob` is (people, 6), camera after camera: a box around the joints, x1 y1 x2 y2 px of the calibrated image, and
    the velocity of its centre, px/s.
    """

    time_ns: Int
    clock: Annotated[str, msgspec.Meta(pattern=r"^(hub|epoch)$(?!\n)")] = "hub"
    cameras: Names
    people: Annotated[list[Annotated[list[Count], msgspec.Meta(max_length=1024)]], msgspec.Meta(max_length=256)]
    blob: bytes

    def __post_init__(self) -> None:
        if len(self.people) != len(self.cameras):
            raise ValueError(f"people of {len(self.people)} cameras: expected {len(self.cameras)}")
        _check_blob(self.blob, sum(map(len, self.people)) * 6)

    def table(self) -> Table:
        """The blob as (people, 6)."""
        return read_blob(self.blob, (sum(map(len, self.people)), 6))


class PreviewRequest(Message, frozen=True, kw_only=True, tag="preview_request"):
    """Somebody looks at these cameras, all if there are none: workers send small pictures for `seconds` from now on.

    Pictures are at most `width` px wide, and at most `rate_hz` a second. Whoever goes on looking asks again.
    """

    cameras: Names = []
    width: Side = 320
    rate_hz: PreviewRate = 5.0
    seconds: PreviewTime = 3.0


class PreviewMessage(Message, frozen=True, kw_only=True, tag="preview"):
    """A small picture of one camera, and what its detector found in it. Never recorded.

    `time_ns` is on the clock that `clock` names as in `poses`; "unknown" where the camera's is not known yet. `jpeg` is
    the picture, empty where the camera has none (simulated, recorded keypoints). `blob` is (people, joints, 3): x y px
    of the calibrated image, whose size is `size`, and score.
    """

    camera: Name
    boot_id: Count
    time_ns: Int
    clock: Annotated[str, msgspec.Meta(pattern=r"^(hub|epoch|unknown)$(?!\n)")] = "unknown"
    size: tuple[Pixels, Pixels]
    people: People
    joints: Joints
    blob: bytes
    jpeg: Annotated[bytes, msgspec.Meta(max_length=MAX_PICTURE)] = b""

    def __post_init__(self) -> None:
        _check_blob(self.blob, self.people * self.joints * 3)

    def table(self) -> Table:
        """The blob as (people, joints, 3)."""
        return read_blob(self.blob, (self.people, self.joints, 3))


class IdentityLabel(Message, frozen=True, kw_only=True, tag="identity_label"):
    """A name assigned by a user: from now on the track `person` has this `name`; "" removes it."""

    person: Count
    name: MaybeName


LEFT_OUT = "left out by a user"  # what the health of fusion says of a camera then


class FusionRequest(Message, frozen=True, kw_only=True, tag="fusion_request"):
    """What a user asks of fusion: nobody who is there keeps their number; from now on these cameras are left out.

    Without `left_out` the cameras stay as they are; an empty list takes all of them in again.
    """

    new_identities: bool = False
    left_out: Names | None = None


class ClockSample(Message, frozen=True, kw_only=True, tag="clock"):
    """One probe of the hub's clock: sent and its reply received on the worker's clock, in between on the hub's."""

    camera: Name
    boot_id: Count
    sent_ns: Int
    hub_received_ns: Int
    hub_replied_ns: Int
    reply_received_ns: Int


class CameraHealth(Message, frozen=True, kw_only=True, tag="camera_health"):
    """State of a worker, about once a second; `frames` are those sent, `dropped` those that were not.

    Its detector needs the time of 2**`skip` ticks (0: it keeps up); workers of one `machine` go by the largest `skip`.
    `films` says that it writes a video, which is not whole yet.
    """

    camera: Name
    boot_id: Count
    state: MaybeName = "running"
    frames: Count = 0
    dropped: Count = 0
    rate_hz: Rate = 0.0
    expected_hz: Rate = 0.0
    detect_ms: Milliseconds = 0.0
    machine: MaybeName = ""
    skip: Annotated[int, msgspec.Meta(ge=0, le=62)] = 0
    films: bool = False
    note: Text = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "note", printable(self.note))


class ServiceHealth(Message, frozen=True, kw_only=True, tag="service_health"):
    """State of fusion, the recorder or another service, about once a second."""

    service: Name
    boot_id: Count
    state: MaybeName = "running"
    counts: Annotated[dict[Key, Int], msgspec.Meta(max_length=4096)] = {}
    values: Annotated[dict[Key, float], msgspec.Meta(max_length=4096)] = {}
    texts: Annotated[dict[Key, Text], msgspec.Meta(max_length=256)] = {}

    def __post_init__(self) -> None:
        for name in ("counts", "values", "texts"):
            table = {printable(key): value for key, value in getattr(self, name).items()}
            if name == "texts":
                table = {key: printable(text) for key, text in table.items()}
            msgspec.structs.force_setattr(self, name, table)


class EndOfStream(Message, frozen=True, kw_only=True, tag="end_of_stream"):
    """The last message of a camera that ends on purpose; `frames` are those sent."""

    camera: Name
    boot_id: Count
    frames: Count = 0


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """The hub's time, also in UTC: deadlines of ticks advance with it while no camera sends.

    `studio` identifies the studio whose hub this is; empty where it is unknown.
    """

    boot_id: Count
    hub_ns: Int
    utc_ns: Int
    received: Count = 0
    rejected: Count = 0
    studio: MaybeName = ""


class _Version(msgspec.Struct):
    version: int = 1  # which version 1 did not send


AnyMessage = (
    KeypointsMessage
    | PosesMessage
    | RegionsMessage
    | PreviewRequest
    | PreviewMessage
    | IdentityLabel
    | FusionRequest
    | ClockSample
    | CameraHealth
    | ServiceHealth
    | EndOfStream
    | Heartbeat
)

_PATTERN = re.compile(r"matching regex '.*'")  # in msgspec's words; too long for a line of a log
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(AnyMessage)
_VERSION_DECODER = msgspec.msgpack.Decoder(_Version)


def encode(message: Message) -> bytes:
    """The message's bytes, with their CRC-32 at the end."""
    body = _ENCODER.encode(message)
    return body + zlib.crc32(body).to_bytes(4, "little")


def decode(body: bytes) -> AnyMessage:
    """The message in these bytes; MessageError if they are truncated, corrupt, malformed or of another version."""
    if not 5 <= len(body) <= MAX_BYTES:
        raise MessageError(f"a message of {len(body)} bytes: expected 5 to {MAX_BYTES}")
    if zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        raise MessageError("a message whose CRC-32 does not match: it is corrupt or truncated")
    try:
        version = _VERSION_DECODER.decode(body[:-4]).version
        message: AnyMessage | None = _DECODER.decode(body[:-4]) if version == SCHEMA_VERSION else None
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        what = _PATTERN.sub("of another form", str(error))
        raise MessageError(f"a malformed message: {printable(what, 200)}") from None
    if message is None:
        raise MessageError(
            f"a message of schema version {str(version)[:20]}, but this program reads version {SCHEMA_VERSION}: "
            f"update the {'sender' if version < SCHEMA_VERSION else 'receiver'}"
        )
    return message


class Stamp(NamedTuple):
    """The hub's stamp on a message: place in the whole stream, place in its topic, time of arrival (hub's clock)."""

    sequence: int
    topic_sequence: int
    arrival_ns: int

    def encode(self) -> bytes:
        return _STAMP.pack(*self)

    @staticmethod
    def decode(data: bytes) -> Stamp:
        """MessageError unless `data` is 24 bytes."""
        if len(data) != _STAMP.size:
            raise MessageError(f"a hub stamp of {len(data)} bytes: expected {_STAMP.size}")
        return Stamp(*_STAMP.unpack(data))


_STAMP = struct.Struct("<qqq")


def json_schema() -> dict[str, Any]:
    """JSON Schema of every message, generated from the structs (bytes appear as base64 text)."""
    _, components = msgspec.json.schema_components(get_args(AnyMessage))
    for component in components.values():
        component["required"].insert(1, "version")  # after `type`
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": dict(components)}


def write_blob(table: Table) -> bytes:
    """Numbers of any shape as little-endian float32; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return table.astype("<f4").tobytes()


def read_blob(blob: bytes, shape: tuple[int, ...]) -> Table:
    """The numbers of a blob, in float64."""
    with np.errstate(invalid="ignore"):  # a signalling NaN is a NaN
        return np.frombuffer(blob, "<f4").reshape(shape).astype(np.float64)


def _check_blob(blob: bytes, floats: int) -> None:
    if len(blob) != 4 * floats:
        raise ValueError(f"blob of {len(blob)} bytes: expected {floats} float32")
