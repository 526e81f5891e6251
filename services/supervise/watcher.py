"""The state of a running studio from the hub's stream alone: health of every camera and service, latencies."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

from multiview.errors import MessageError
from multiview.wire.messages import CameraHealth, KeypointsMessage, PosesMessage, ServiceHealth, decode
from services.transport.bus import Received

__all__ = ["CameraState", "Watcher", "rate_of"]

ALIVE_S = 1.0  # a camera that was silent for longer is not alive
MAX_PEOPLE = 10_000  # that are remembered
LASTING = 5  # reports of fusion, one a second; what was said less often may be of the run's first or last moments
RATE_SHARE = 0.9  # of its expected frame rate, which a camera must reach


class CameraState(NamedTuple):
    """A camera's health as three flags, and its figures."""

    alive: bool
    rate_ok: bool
    valid: bool
    rate_hz: float
    people: int
    frames: int
    dropped: int
    detect_ms: float  # of the 2D detector, per frame; 0 where there is none
    finished: bool  # its stream has ended


class _Camera:
    def __init__(self) -> None:
        self.arrivals: deque[int] = deque(maxlen=400)
        self.health: CameraHealth | None = None
        self.last_seen = 0.0
        self.people = self.frames = 0


class Watcher:
    """Keeps each camera's rate and health, the services' health and the latest poses, message by message."""

    def __init__(self, cameras: Iterable[str] = ()) -> None:
        self.cameras: dict[str, _Camera] = {name: _Camera() for name in cameras}
        self.services: dict[str, tuple[ServiceHealth, float]] = {}
        self.pose: PosesMessage | None = None
        self.ticks: deque[int] = deque(maxlen=400)
        self.tick_latencies: deque[int] = deque(maxlen=400)
        self.fusion_latencies: deque[int] = deque(maxlen=400)
        self.consecutive_misses: dict[str, int] = {}  # ticks without the camera
        self.received = self.rejected = 0
        self.tick_count = 0
        self._said: Counter[bool] = Counter()  # how often fusion had a reason why not more comes out, and had none
        self._last_reason = ""
        self.people: set[tuple[int, int]] = set()  # everyone who came out so far: fusion's boot id, person

    def take(self, received: Received) -> None:
        self.received += 1
        try:
            message = decode(received.body)
        except MessageError:
            self.rejected += 1
            return
        now_ns = received.stamp.arrival_ns
        if isinstance(message, KeypointsMessage):
            camera = self.cameras.setdefault(message.camera, _Camera())
            camera.arrivals.append(now_ns)
            camera.people, camera.last_seen = message.people, time.monotonic()
            camera.frames += 1
        elif isinstance(message, CameraHealth):
            self.cameras.setdefault(message.camera, _Camera()).health = message
        elif isinstance(message, ServiceHealth):
            self.services[message.service] = (message, time.monotonic())
            if message.service == "fusion":
                reason = message.texts.get("why", "")
                self._said[bool(reason)] += 1
                self._last_reason = reason or self._last_reason
        elif isinstance(message, PosesMessage):
            self.pose = message
            self.ticks.append(now_ns)
            self.tick_count += 1
            if len(self.people) < MAX_PEOPLE:
                self.people.update((message.boot_id, person) for person in message.people)
            self.tick_latencies.append(message.latency_ns)
            self.fusion_latencies.append(now_ns - message.arrival_ns)
            for name in message.cameras:
                self.consecutive_misses[name] = 0
            for name in message.missing:
                self.consecutive_misses[name] = self.consecutive_misses.get(name, 0) + 1

    def why(self) -> str:
        """Why nobody comes out, or what keeps cameras from counting, as fusion last said; empty while all is well."""
        health = self.services.get("fusion")
        return health[0].texts.get("why", "") if health else ""

    def lasting_reason(self) -> str:
        """What fusion last said of it, if for most of the run something kept people from coming out, or cameras out."""
        lasts = self._said[True] > self._said[False] and self._said[True] >= LASTING
        return self._last_reason if lasts else ""

    def value(self, service: str, name: str) -> float | None:
        """One of the figures that a service gives of itself."""
        health = self.services.get(service)
        return health[0].values.get(name) if health else None

    def state(self, name: str) -> CameraState:
        camera = self.cameras[name]
        health = camera.health
        rate, expected = rate_of(camera.arrivals), health.expected_hz if health else 0.0
        return CameraState(
            alive=time.monotonic() - camera.last_seen < ALIVE_S,
            rate_ok=rate >= RATE_SHARE * expected,
            valid=self.consecutive_misses.get(name, 0) < 3,
            rate_hz=rate,
            people=camera.people,
            frames=camera.frames,
            dropped=health.dropped if health else 0,
            detect_ms=health.detect_ms if health else 0.0,
            finished=health is not None and health.state == "finished",
        )


def rate_of(arrivals: Iterable[int]) -> float:
    """Hz over the last two seconds of arrivals (ns)."""
    recent = list(arrivals)
    recent = [t for t in recent if t > recent[-1] - 2_000_000_000] if recent else []
    return (len(recent) - 1) * 1e9 / (recent[-1] - recent[0]) if len(recent) > 2 else 0.0
