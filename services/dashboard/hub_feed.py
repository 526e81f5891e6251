"""What a running studio tells: its newest poses for whoever draws them, and the health of cameras and services."""

from __future__ import annotations

import asyncio
import math
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import NamedTuple

from multiview.data import NS_PER_S
from multiview.errors import MessageError
from multiview.studio.config import HubOptions
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, PosesMessage, ServiceHealth, decode
from services.transport.bus import Received, Subscriber
from services.transport.keyring import OPERATOR

__all__ = ["TREND_S", "HubFeed", "Sample", "Watching"]

AT_ONCE = 1000  # messages that are taken in before the newest are read
WAITING = 2  # messages for a browser that is slow; the oldest is dropped
SILENT_S = 3.0  # health comes once a second
POSES_S = 1.0  # without poses for so long, nobody is at work
RATE_S = 2.0
TREND_S, TREND = 1.0, 300  # how often figures are kept, and how many of them
SOFTWARE_HZ = 30.0  # poses for all browsers together that draw on this machine's cores, which fusion needs
SPARE, LEAST_HZ = 2.0, 10.0  # poses sent for each one that is drawn, so that it is a fresh one; and at the least
MAX_LATE_MS = 60_000.0  # beyond which an answer makes no sense
_ARRIVAL = struct.Struct("<d")  # ms on the clock of the hub's machine, before each message


class Sample(NamedTuple):
    """Figures of one moment."""

    rate_hz: float
    latency_ms: float
    fusion_p99_ms: float
    people: int
    cameras: int


class Rate:
    """How often something comes, by when the hub had it: on the way here messages may gather, and come all at once."""

    def __init__(self) -> None:
        self._stamps_ns: deque[int] = deque(maxlen=400)
        self.last_s = -math.inf  # when the newest came here

    def note(self, arrival_ns: int) -> None:
        """One more."""
        self._stamps_ns.append(arrival_ns)
        self.last_s = time.monotonic()

    @property
    def hz(self) -> float:
        """Of late; 0 where none come any more."""
        stamps = list(self._stamps_ns)
        recent = [at for at in stamps if at > stamps[-1] - RATE_S * NS_PER_S]
        if len(recent) < 3 or recent[-1] == recent[0] or time.monotonic() - self.last_s > RATE_S:
            return 0.0
        return (len(recent) - 1) * NS_PER_S / (recent[-1] - recent[0])


class Watching:
    """One browser that draws poses; only its own event loop touches it."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque(maxlen=WAITING)
        self.ready = asyncio.Event()
        self.drawn_ms = -1.0  # from when the hub had the poses until they were drawn; -1 where unknown
        self.software = False  # whether it draws with cores of this machine
        self._apart_s, self._next_s = 0.0, 0.0

    def offer(self, data: bytes, now_s: float, sharing: int = 1) -> None:
        """The newest message, unless one has just gone to a browser that draws fewer than there are.

        Args:
            data: The message.
            now_s: Now.
            sharing: How many browsers draw with cores of this machine.
        """
        if now_s < self._next_s:
            return
        apart_s = max(self._apart_s, sharing / SOFTWARE_HZ if self.software and sharing > 1 else 0.0)
        self._next_s = max(self._next_s, now_s - apart_s) + apart_s
        self.waiting.append(data)
        self.ready.set()

    def note_drawn(self, arrival_ms: float, rate_hz: float = 0.0, software: bool = False) -> None:
        """The browser has drawn the poses that came at this time; its answer's way here counts, too.

        Args:
            arrival_ms: As it was sent with them.
            rate_hz: How many poses it draws a second; 0: it does not say.
            software: Whether it draws with cores of this machine.
        """
        late_ms = time.monotonic_ns() / 1e6 - arrival_ms
        self.software = software
        self.drawn_ms = late_ms if 0.0 <= late_ms < MAX_LATE_MS else -1.0
        self._apart_s = 1.0 / max(SPARE * rate_hz, LEAST_HZ) if rate_hz > 0 else 0.0


class HubFeed:
    """Listens to a hub in a thread, also to one that is away and comes back.

    Args:
        hub: Which.
        call_soon: Runs a function in the event loop of those who are watching.
    """

    def __init__(self, hub: HubOptions, call_soon: Callable[..., object]) -> None:
        self.hub, self._call_soon = hub, call_soon
        self._watching: set[Watching] = set()
        self.cameras: dict[str, tuple[CameraHealth, float]] = {}
        self.services: dict[str, tuple[ServiceHealth, float]] = {}
        self.poses: PosesMessage | None = None
        self._frames: dict[str, Rate] = {}  # each camera's keypoints
        self._arrivals = Rate()
        self._fusion_ms: deque[float] = deque(maxlen=240)
        self.trend: deque[Sample] = deque(maxlen=TREND)  # of the last minutes, the newest last
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hub feed", daemon=True)
        self._thread.start()

    def watch(self) -> Watching:
        """Begin to get poses."""
        watching = Watching()
        self._watching.add(watching)
        return watching

    def leave(self, watching: Watching) -> None:
        """Get no more."""
        self._watching.discard(watching)

    @property
    def alive(self) -> bool:
        """Whether poses come."""
        return time.monotonic() - self._arrivals.last_s < POSES_S

    @property
    def rate_hz(self) -> float:
        """Poses per second of late."""
        return self._arrivals.hz

    def camera_rate_hz(self, name: str) -> float:
        """Frames per second of late in which a camera's worker looked for people."""
        return self._frames[name].hz if name in self._frames else 0.0

    @property
    def latency_ms(self) -> float:
        """From the instant that the cameras saw until the hub had its poses: the median of late."""
        figures = sorted(self._fusion_ms.copy())
        return figures[len(figures) // 2] if figures else 0.0

    @property
    def drawn_ms(self) -> float:
        """The same from the hub to the slowest browser's screen; -1 where unknown."""
        return max((watching.drawn_ms for watching in self._watching), default=-1.0)

    def service(self, name: str) -> ServiceHealth | None:
        """What a service last said of itself; None if it is silent."""
        found = self.services.get(name)
        return found[0] if found is not None and time.monotonic() - found[1] < SILENT_S else None

    def camera(self, name: str) -> CameraHealth | None:
        """What a camera's worker last said of itself; None if it is silent."""
        found = self.cameras.get(name)
        return found[0] if found is not None and time.monotonic() - found[1] < SILENT_S else None

    def close(self) -> None:
        """End the thread."""
        self._ending.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        wanted = (topics.POSES, topics.KEYPOINTS, topics.CAMERA_HEALTH, topics.SERVICE_HEALTH)
        subscriber, next_s = Subscriber(self.hub, wanted, OPERATOR), time.monotonic()
        try:
            while not self._ending.is_set():
                received = subscriber.receive(0.2)
                if received is not None:
                    self._take_all([received, *islice(subscriber.drain(), AT_ONCE)])
                if time.monotonic() >= next_s:
                    next_s = time.monotonic() + TREND_S
                    self.trend.append(self._sample())
        finally:
            subscriber.close()

    def _sample(self) -> Sample:
        fusion, poses = self.service("fusion"), self.poses
        if not self.alive or poses is None:
            return Sample(0.0, 0.0, 0.0, 0, 0)
        p99_ms = fusion.values.get("latency_p99_ms", 0.0) if fusion is not None else 0.0
        return Sample(self.rate_hz, self.latency_ms, p99_ms, len(poses.people), len(poses.cameras))

    def _take_all(self, received: list[Received]) -> None:
        """Count what has come, and read the newest of each topic: a feed that is behind catches up."""
        newest: dict[str, Received] = {}
        for one in received:
            kind, _, name = one.topic.partition("/")
            if kind == topics.KEYPOINTS:  # not read
                self._frames.setdefault(name, Rate()).note(one.stamp.arrival_ns)
                continue
            if kind == topics.POSES:
                self._arrivals.note(one.stamp.arrival_ns)
            newest[one.topic] = one
        for one in newest.values():
            self._take(one)

    def _take(self, received: Received) -> None:
        try:
            message = decode(received.body)
        except MessageError:
            return
        now = time.monotonic()
        if isinstance(message, PosesMessage):
            self.poses = message
            self._fusion_ms.append((message.latency_ns + received.stamp.arrival_ns - message.arrival_ns) / 1e6)
            if self._watching:
                data = _ARRIVAL.pack(received.stamp.arrival_ns / 1e6) + received.body
                self._call_soon(self._offer, data)
        elif isinstance(message, CameraHealth):
            self.cameras[message.camera] = (message, now)
        elif isinstance(message, ServiceHealth):
            self.services[message.service] = (message, now)

    def _offer(self, data: bytes) -> None:
        now_s, sharing = time.monotonic(), sum(watching.software for watching in self._watching)
        for watching in self._watching:
            watching.offer(data, now_s, sharing)
