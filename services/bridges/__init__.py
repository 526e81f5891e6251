"""Plugins that send live poses to other programs: each has `Options` and a class `Bridge` that follows `LiveBridge`.

One that also shows cameras and pictures follows `StudioBridge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from multiview.cameras.camera import Camera
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


@runtime_checkable
class StudioBridge(LiveBridge, Protocol):
    """A bridge that also shows the cameras and, `pictures_hz` times a second, what they see; 0: no pictures."""

    pictures_hz: float

    def show_cameras(self, cameras: Sequence[Camera]) -> None:
        """Say once which cameras there are; before the first pose."""
        ...

    def show_picture(self, camera: str, time_ns: int, jpeg: bytes, residual_px: float | None) -> None:
        """Show what a camera saw; never waits.

        Args:
            camera: Its name.
            time_ns: When, on the clock of the ticks.
            jpeg: The picture; empty where the camera has none.
            residual_px: Median distance between what its detector found and the people, projected; None where there is
                nothing to compare.
        """
        ...
