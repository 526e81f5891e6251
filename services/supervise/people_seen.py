"""For how long each camera of a studio sees people, and any two of them at once, from the hub's stream."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from multiview.errors import MessageError
from multiview.wire import topics
from multiview.wire.messages import KeypointsMessage, decode
from services.transport.bus import Received

__all__ = ["PeopleSeen"]

_BIN_NS = 100_000_000


class PeopleSeen:
    """Counts tenths of a second, by the arrival of the messages."""

    def __init__(self, cameras: Iterable[str]) -> None:
        self.cameras = tuple(cameras)
        self._bins: dict[str, set[int]] = {name: set() for name in self.cameras}

    def take(self, received: Received) -> None:
        """Count one message; what is no keypoints does not matter."""
        if not received.topic.startswith(topics.KEYPOINTS):
            return
        try:
            message = decode(received.body)
        except MessageError:
            return
        if isinstance(message, KeypointsMessage) and message.people and message.camera in self._bins:
            self._bins[message.camera].add(received.stamp.arrival_ns // _BIN_NS)

    def seconds(self, camera: str) -> float:
        """In which a camera saw somebody."""
        return len(self._bins[camera]) / 10

    def together(self, a: str, b: str) -> float:
        """Seconds in which two cameras saw somebody at once."""
        return len(self._bins[a] & self._bins[b]) / 10

    @property
    def by_two(self) -> float:
        """Seconds in which two cameras or more saw somebody."""
        once, twice = set[int](), set[int]()
        for bins in self._bins.values():
            twice |= once & bins
            once |= bins
        return len(twice) / 10

    def pairs(self) -> list[tuple[str, str]]:
        """Every two cameras."""
        return list(itertools.combinations(self.cameras, 2))
