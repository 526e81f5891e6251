"""A subscriber that records when each message arrived."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from multiview.errors import MessageError
from multiview.studio.config import HubOptions
from multiview.wire.messages import KeypointsMessage, PosesMessage, decode
from services.supervise.watcher import Watcher
from services.transport.bus import Subscriber

__all__ = ["FRAMING", "Arrival", "StreamListener"]

WHOLE = 10  # ticks on end with every camera
FRAMING = 24 + 31  # bytes of a record's stamp and of its header in a recording


class Arrival(NamedTuple):
    """One message of the hub's stream: when it was stamped, its number, and its bytes in a recording."""

    arrival_ns: int
    sequence: int
    size: int


class StreamListener(threading.Thread):
    """A subscriber that records when each message arrived."""

    def __init__(self, hub: HubOptions) -> None:
        super().__init__(daemon=True)
        self._hub = hub
        self.ending = False
        self.arrivals: list[Arrival] = []
        self.poses: list[tuple[float, PosesMessage]] = []
        self.first_frames: dict[tuple[str, int], float] = {}  # of each run of each camera's worker
        self.status: list[tuple[float, str, bool]] = []  # every change in whether a camera is used

    def run(self) -> None:
        subscriber, watcher, valid = Subscriber(self._hub), Watcher(), dict[str, bool]()
        while not self.ending:
            received = subscriber.receive(0.05)
            now = time.monotonic()
            if received is not None:
                size = len(received.body) + FRAMING
                self.arrivals.append(Arrival(received.stamp.arrival_ns, received.stamp.sequence, size))
                watcher.take(received)
                self._note(received.body, now)
            for name in watcher.cameras:
                state = watcher.state(name)
                if valid.get(name) != (state.valid and state.alive):
                    valid[name] = state.valid and state.alive
                    self.status.append((now, name, valid[name]))
        subscriber.close()

    def _note(self, body: bytes, now: float) -> None:
        with contextlib.suppress(MessageError):
            message = decode(body)
            if isinstance(message, PosesMessage):
                self.poses.append((now, message))
            elif isinstance(message, KeypointsMessage):
                self.first_frames.setdefault((message.camera, message.boot_id), now)

    def first(self, since: float, wanted: Callable[[PosesMessage], bool]) -> float | None:
        """When the first such poses came, after `since`."""
        poses = self.poses
        begun = next((i for i in range(len(poses), 0, -1) if poses[i - 1][0] <= since), 0)
        return next((at for at, message in poses[begun:] if wanted(message)), None)

    def noticed(self, since: float, camera: str) -> float | None:
        """When `status` said that this camera is not used, after `since`."""
        return next((at for at, name, valid in list(self.status) if at > since and name == camera and not valid), None)

    def whole(self) -> bool:
        last = self.poses[-WHOLE:]
        return len(last) == WHOLE and all(message.people and not message.missing for _, message in last)
