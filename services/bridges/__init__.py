"""Plugins that send live poses to other programs: each has `Options` and a class `Bridge` that follows `LiveBridge`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from multiview.data import Tracks


@runtime_checkable
class LiveBridge(Protocol):
    """Protocol of a bridge, made as `Bridge(options, skeleton, rate_hz)`; raises ConfigError if it cannot start."""

    def send(self, tracks: Tracks) -> None:
        """Send everyone's pose at one tick; never waits for a receiver."""
        ...

    def close(self) -> None:
        """Send the protocol's last messages, if any, and close sockets."""
        ...
