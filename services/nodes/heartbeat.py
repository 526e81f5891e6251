"""How a process tells the hub that it is connected and alive, and how it waits for the start."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from multiview.studio.config import HubOptions
from services.runtime.process import Stopping
from services.transport.bus import Asker
from services.transport.requests import Ready, Start, StatusReply, ask, tell

__all__ = ["Presence", "wait_for_start"]


class Presence:
    """Call `connected` whenever a message has come: about once a second it tells the hub, and waits for nothing."""

    def __init__(self, hub: HubOptions, service: str) -> None:
        self._asker = Asker(hub, service)
        self._ready = Ready(role=f"service/{service}", pid=os.getpid())
        self._next = 0.0

    def connected(self) -> None:
        """What has come is the proof that the subscription stands, so nothing sent from now on is missed."""
        if time.monotonic() >= self._next:
            answered = tell(self._asker, self._ready)
            self._next = time.monotonic() + (1.0 if answered else 0.2)


def wait_for_start(asker: Asker, roles: Sequence[str], alone: bool, stopping: Stopping) -> int:
    """The hub's time at which sources begin to play, asked for until it is known; 0 if told to stop.

    All of this process's roles are said to be ready, for the start may wait for each of them. A worker that is
    `alone`, not started as part of a run, gives the sign itself.
    """
    while not stopping:
        status = None
        for role in roles:
            status = ask(asker, Ready(role=role, pid=os.getpid()), StatusReply)
        if status is not None and alone and not status.start_ns:
            status = ask(asker, Start(), StatusReply)
        if status is not None and status.start_ns:
            return status.start_ns
        stopping.wait(0.02)
    return 0
