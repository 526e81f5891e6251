"""The ready signal of a process to the hub, and the wait for the start."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from multiview.studio.config import HubOptions
from services.runtime.process import Stopping
from services.transport.bus import RequestClient
from services.transport.requests import Ready, Start, StatusReply, notify, request

__all__ = ["ReadySignal", "wait_for_start"]


class ReadySignal:
    """Signals to the hub about once a second that a service receives its stream; never waits."""

    def __init__(self, hub: HubOptions, service: str) -> None:
        self._client = RequestClient(hub, service)
        self._ready = Ready(role=f"service/{service}", pid=os.getpid())
        self._next = 0.0

    def refresh(self) -> None:
        """Call for every message received: it proves that the subscription is active."""
        if time.monotonic() >= self._next:
            replied = notify(self._client, self._ready)
            self._next = time.monotonic() + (1.0 if replied else 0.2)

    def close(self) -> None:
        """Release the connection."""
        self._client.close()


def wait_for_start(client: RequestClient, roles: Sequence[str], standalone: bool, stopping: Stopping) -> int:
    """The hub's time at which sources start to play, requested until it is known; 0 if told to stop.

    Signals that all of this process's roles are ready, since the start may wait for each of them. A `standalone`
    worker, one that is not part of a run, starts the sources itself.
    """
    while not stopping:
        status = None
        for role in roles:
            status = request(client, Ready(role=role, pid=os.getpid()), StatusReply)
        if status is not None and standalone and not status.start_ns:
            status = request(client, Start(), StatusReply)
        if status is not None and status.start_ns:
            return status.start_ns
        stopping.wait(0.02)
    return 0
