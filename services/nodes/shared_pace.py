"""What the workers of one machine, which share its cores, tell each other: how often their detectors can look."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Collection

from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import CameraHealth
from services.nodes.common_grid import shared_level
from services.transport.bus import Subscriber, decoded

__all__ = ["SharedPace", "machine_id"]

LOOK_S = 0.1  # how often the others are heard
OLD_S = 3.0  # who was silent for so long does not count


class SharedPace:
    """Hears the health of the other cameras, for a worker.

    Args:
        hub: Where it comes from.
        cameras: The worker's own; the first one names the key to connect with.
        machine: Whose workers count.
    """

    def __init__(self, hub: HubOptions, cameras: Collection[str], machine: str) -> None:
        self._own, self._machine = frozenset(cameras), machine
        self._subscriber = Subscriber(hub, [topics.topic_of(topics.CAMERA_HEALTH, "")], next(iter(cameras)))
        self._newest: dict[str, tuple[float, CameraHealth]] = {}
        self._next_look = 0.0

    def level(self, now_s: float | None = None) -> int:
        """What the others need: one of 2**level ticks."""
        now_s = time.monotonic() if now_s is None else now_s
        if now_s >= self._next_look:
            self._next_look = now_s + LOOK_S
            self._look(now_s)
        return shared_level((health for _, health in self._newest.values()), self._machine)

    @property
    def others(self) -> int:
        """Cameras of other workers of this machine that are looked at now."""
        running = (health for _, health in self._newest.values())
        return sum(health.machine == self._machine and health.state == "running" for health in running)

    def close(self) -> None:
        """Hear no more of them."""
        self._subscriber.close()

    def _look(self, now_s: float) -> None:
        for message in decoded(self._subscriber.drain()):
            if isinstance(message, CameraHealth) and message.camera not in self._own:
                self._newest[message.camera] = (now_s, message)
        self._newest = {name: one for name, one in self._newest.items() if now_s - one[0] < OLD_S}


def machine_id() -> str:
    """The same for all processes of a machine; its name cannot be read off it."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:12]
