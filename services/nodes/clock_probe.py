"""A worker's probes of the hub's clock: eight at first, then four at a time, in a separate thread.

Four at once, because a fusion process that has just started knows the clock after that many; and so often that all
cameras' clocks are known by the time that it has loaded its kernels (0.4 s after it subscribes).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from multiview.studio.config import HubOptions
from multiview.timing.clock import ClockMap
from multiview.wire.messages import ClockSample
from services.transport.bus import RequestClient
from services.transport.requests import Probe, ProbeReply, request

__all__ = ["ClockProber"]

FIRST_PROBES = 8
FIRST_INTERVAL_S = 0.02
BURST = 4
BURST_INTERVAL_S = 0.3


class ClockProber:
    """Collects clock samples until the worker takes and sends them."""

    def __init__(self, hub: HubOptions, camera: str, boot_id: int, clock: Callable[[], int]) -> None:
        self._hub, self._camera, self._boot_id, self._clock = hub, camera, boot_id, clock
        self._samples: deque[ClockSample] = deque(maxlen=64)
        self._map = ClockMap()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, limit: int = 2) -> list[ClockSample]:
        """The next samples; few at a time, since they must fit the send queue."""
        taken: list[ClockSample] = []
        while self._samples and len(taken) < limit:
            taken.append(self._samples.popleft())
        return taken

    def worker_ns(self, hub_ns: int, timeout_s: float = 1.0) -> int:
        """This worker's time at a time of the hub, once enough probes have returned; unchanged if none do."""
        end = time.monotonic() + timeout_s
        while not self._map.known and time.monotonic() < end:
            time.sleep(0.01)
        return hub_ns if not self._map.known else hub_ns - round(self._map.offset_ns)

    def close(self) -> None:
        self._ending.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        client, count = RequestClient(self._hub, self._camera), 0
        while not self._ending.is_set():
            sent = self._clock()
            reply = request(client, Probe(), ProbeReply, 0.5)
            reply_received = self._clock()
            if reply is not None:
                count += 1
                sample = ClockSample(
                    camera=self._camera,
                    boot_id=self._boot_id,
                    sent_ns=sent,
                    hub_received_ns=reply.received_ns,
                    hub_replied_ns=reply.replied_ns,
                    reply_received_ns=reply_received,
                )
                self._samples.append(sample)
                self._map.add(sample)
            if count < FIRST_PROBES:
                self._ending.wait(FIRST_INTERVAL_S)
            elif count % BURST == 0 or reply is None:
                self._ending.wait(BURST_INTERVAL_S)
        client.close()
