"""Plugins, live people to other programs: each file has `Options` and a class `Bridge` that follows `LiveBridge`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from multiview.data import Tracks


@runtime_checkable
class LiveBridge(Protocol):
    """Made as `Bridge(options, skeleton, rate_hz)`; raises ConfigError if it cannot begin."""

    def send(self, tracks: Tracks) -> None:
        """Everyone at one tick; never waits for whoever listens."""
        ...

    def close(self) -> None:
        """End what the protocol needs ended, and close sockets."""
        ...
