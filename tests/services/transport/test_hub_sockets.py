"""The hub's sockets read what is too long in pieces, and see at once whatever ZeroMQ has taken in of subscriptions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest
import zmq

from multiview.studio.config import HubOptions
from services.transport.hub_sockets import EVENTS_AT_ONCE, PARTS_AT_ONCE, HubSockets, Incoming
from tests.processes import free_ports, until


@pytest.fixture
def options() -> HubOptions:
    ingest, publish, requests = free_ports(3)
    return HubOptions(ingest_port=ingest, publish_port=publish, request_port=requests)


@pytest.fixture
def sockets(options: HubOptions) -> Iterator[HubSockets]:
    opened = HubSockets(options)
    yield opened
    opened.close()


def test_message_of_too_many_parts_costs_its_sender_the_connection(options: HubOptions, sockets: HubSockets) -> None:
    parts = 50 * PARTS_AT_ONCE
    context = zmq.Context()
    flood, other = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
    reasons: Counter[str] = Counter()
    came: list[Incoming | None] = []
    calls = 0

    def serve() -> None:
        nonlocal calls
        sockets.wait(0.01)
        calls += 1
        came.extend(sockets.incoming())
        reasons.update(sockets.guard())

    try:
        for one in (flood, other):
            one.linger = 0
            one.connect(f"tcp://127.0.0.1:{options.ingest_port}")
        flood.send_multipart([b"x"] * parts)
        until(lambda: (serve(), reasons["message of too many parts"] > 0)[1])
        other.send_multipart([b"poses", b"body"])
        begun = calls
        until(lambda: (serve(), any(one is not None and one.topic == b"poses" for one in came))[1])
        assert calls - begun >= parts // PARTS_AT_ONCE - 2  # it was read in pieces
    finally:
        context.destroy(linger=0)


def test_subscriptions_are_all_seen_before_more_are_taken_in(options: HubOptions, sockets: HubSockets) -> None:
    """ZeroMQ remembers each as soon as it comes, at fifty times its size: who goes beyond the bound goes at once."""
    sent = 60  # of 1000 bytes each, where 32 KB of all are allowed

    def closed_by_one_call() -> int:
        context = zmq.Context()
        subscribers = [context.socket(zmq.XSUB) for _ in range(sent)]
        try:
            for number, subscriber in enumerate(subscribers):
                subscriber.connect(f"tcp://127.0.0.1:{options.publish_port}")
                subscriber.send(b"\1" + b"%04d" % number * 250)
            time.sleep(0.3)  # they arrive, and ZeroMQ takes them in when it is asked
            sockets.wait(1.0)
            return sockets.guard()["too many subscriptions"]
        finally:
            context.destroy(linger=0)

    until(lambda: closed_by_one_call() > EVENTS_AT_ONCE)
