"""When the fusion process does what is not urgent."""

from __future__ import annotations

import time
from typing import Any

import pytest

from services.nodes.fusion import HEALTH_S, FusionService
from services.runtime.process import Stopping

CAMERAS, MESSAGE_S, TICK_S = 4, 0.0005, 1 / 60


class Stream(Stopping):
    """Messages of four cameras, close together in every tick, as what fusion is connected to, until they end.

    Attributes:
        now_s: The time.
        left: Messages that are still to come.
    """

    finished = False

    def __init__(self, messages: int) -> None:
        self.now_s, self.left = 100.0, messages

    def __bool__(self) -> bool:
        return self.left <= 0

    def receive(self, _timeout_s: float) -> object:
        self.left -= 1
        self.now_s += MESSAGE_S if (self.left + 1) % CAMERAS else TICK_S
        return self

    def remaining(self) -> list[object]:
        return []

    def refresh(self) -> None:
        pass

    def close(self, **_: float) -> None:
        pass


@pytest.mark.parametrize("ticks", [True, False])
def test_health_is_sent_between_ticks_or_late_rather_than_never(ticks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a millisecond, for which no camera's keypoints of the same tick are to wait."""
    stream, log = Stream(messages=CAMERAS * 60 * 10), list[str]()
    service = object.__new__(FusionService)
    connected: Any = stream
    service._fusion = service._subscriber = service._sender = service._ready_signal = connected
    service._ticks, service._finished = 0, False

    def feed(_received: object) -> None:
        completes = ticks and stream.left % CAMERAS == 0
        service._ticks += completes
        log.append("tick" if completes else "message")

    monkeypatch.setattr(time, "monotonic", lambda: stream.now_s)
    monkeypatch.setattr(service, "_feed", feed)
    monkeypatch.setattr(service, "_send_health", lambda: log.append("health"))
    service.serve(stream)
    healths = [i for i, what in enumerate(log) if what == "health"][1:]
    if ticks:
        assert {log[i - 1] for i in healths} == {"tick"}
    assert len(healths) >= (stream.now_s - 100.0) / HEALTH_S / (1 if ticks else 2) - 2
