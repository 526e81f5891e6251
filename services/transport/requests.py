"""What one may ask the hub, and its answers."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from multiview.errors import MessageError
from services.transport.bus import Asker

__all__ = [
    "Probe",
    "ProbeReply",
    "Question",
    "Ready",
    "Start",
    "Status",
    "StatusReply",
    "ask",
    "decode_question",
    "tell",
]


class _Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask"):
    pass


class Probe(_Request, frozen=True, tag="probe"):
    """What does your clock show?"""


class Ready(_Request, frozen=True, tag="ready"):
    """`role` ("camera/cam01", "service/fusion") is connected; asked again every second, it also says that it lives."""

    role: str
    pid: int = 0
    start_ns: int = 0


class Start(_Request, frozen=True, tag="start"):
    """Let sources play, `delay_ns` from now, if they do not already."""

    delay_ns: int = 200_000_000


class Status(_Request, frozen=True, tag="status"):
    """Who is here?"""


class ProbeReply(msgspec.Struct, frozen=True, kw_only=True):
    received_ns: int
    replied_ns: int


class StatusReply(msgspec.Struct, frozen=True, kw_only=True):
    """`roles` are the seconds since each was last heard of; `start_ns` is 0 until sources may play."""

    boot_id: int
    hub_ns: int
    start_ns: int
    roles: dict[str, float]
    received: int
    refused: int
    reasons: dict[str, int]


Question = Probe | Ready | Start | Status
_DECODER = msgspec.msgpack.Decoder(Question)
T = TypeVar("T")


def decode_question(data: bytes) -> Question:
    """MessageError if it is none."""
    try:
        question: Question = _DECODER.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise MessageError(f"not a question: {error}") from None
    return question


def ask(asker: Asker, question: Question, reply: type[T], timeout_s: float = 0.5) -> T | None:
    """The hub's answer; None if none comes in time or it makes no sense."""
    data = asker.ask(msgspec.msgpack.encode(question), timeout_s)
    if data is None:
        return None
    try:
        return msgspec.msgpack.decode(data, type=reply)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def tell(asker: Asker, question: Question) -> bool:
    """Say something without waiting; whether what was told before was answered."""
    return asker.tell(msgspec.msgpack.encode(question))
