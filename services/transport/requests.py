"""Requests to the hub and its replies."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from multiview.common.names import NAME
from multiview.errors import MessageError
from services.transport.bus import RequestClient

__all__ = [
    "MAX_DELAY_NS",
    "Probe",
    "ProbeReply",
    "Ready",
    "Request",
    "Start",
    "Status",
    "StatusReply",
    "decode_request",
    "notify",
    "request",
]


MAX_DELAY_NS = 10_000_000_000  # the longest that a start may lie ahead
Delay = Annotated[int, msgspec.Meta(ge=0, le=MAX_DELAY_NS)]
Time = Annotated[int, msgspec.Meta(ge=0, le=2**62 - 1)]
Subject = Annotated[str, msgspec.Meta(pattern="^(camera|service)/" + NAME.removeprefix("^"))]


class _Tagged(msgspec.Struct, frozen=True, kw_only=True, tag_field="request"):
    pass


class Probe(_Tagged, frozen=True, tag="probe"):
    """Request for the hub's time."""


class Ready(_Tagged, frozen=True, tag="ready"):
    """`role` ("camera/cam01", "service/fusion") is connected; repeated every second while it makes progress."""

    role: Subject
    pid: Annotated[int, msgspec.Meta(ge=0, le=2**32)] = 0
    start_ns: Time = 0


class Start(_Tagged, frozen=True, tag="start"):
    """Start the sources `delay_ns` from now, if they do not play already."""

    delay_ns: Delay = 200_000_000


class Status(_Tagged, frozen=True, tag="status"):
    """The hub's state and who is connected."""


class ProbeReply(msgspec.Struct, frozen=True, kw_only=True):
    received_ns: int
    replied_ns: int


class StatusReply(msgspec.Struct, frozen=True, kw_only=True):
    """`roles` are the seconds since each last reported; `start_ns` is 0 until sources may play.

    `studio_id` and `studio_name` say whose hub this is, `run_id` which `multiview run` started it ("" if none did).
    """

    boot_id: int
    hub_ns: int
    start_ns: int
    roles: dict[str, float]
    received: int
    rejected: int
    reasons: dict[str, int]
    studio_id: str = ""
    studio_name: str = ""
    run_id: str = ""


Request = Probe | Ready | Start | Status
_DECODER = msgspec.msgpack.Decoder(Request)
T = TypeVar("T")


def decode_request(data: bytes) -> Request:
    """MessageError if it is none."""
    try:
        request: Request = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise MessageError(f"not a request: {error}") from None
    return request


def request(client: RequestClient, request: Request, reply: type[T], timeout_s: float = 0.5) -> T | None:
    """The hub's reply; None if none comes in time or it is malformed."""
    data = client.request(msgspec.msgpack.encode(request), timeout_s)
    if data is None:
        return None
    try:
        return msgspec.msgpack.decode(data, type=reply)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def notify(client: RequestClient, request: Request) -> bool:
    """Send without waiting; True if a reply to an earlier one has come."""
    return client.notify(msgspec.msgpack.encode(request))
