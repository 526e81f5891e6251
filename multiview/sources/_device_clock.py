"""A camera's own clock, mapped to this machine's monotonic clock by the map that relates workers and hub.

A camera that can be asked for its time (a latch) is probed: half the difference of the two ways is the offset. Of one
that cannot, every frame is a probe: the one that came soonest after its stamp is late by the least, constant time of
exposure, readout and transfer, which `time-offsets` finds.
"""

from __future__ import annotations

from collections import deque

from multiview.timing.clock import ClockMap
from multiview.wire.messages import ClockSample

__all__ = ["DeviceClock"]

RECENT = 256  # frames among which the one that came soonest is on time
JITTER_NS = 200_000  # of the soonest arrivals: what their delay varies by at least


class DeviceClock:
    """Maps a camera's stamps, in ns of its own clock, to this machine's monotonic clock."""

    def __init__(self) -> None:
        self._map = ClockMap()
        self._delays: deque[int] = deque(maxlen=RECENT)
        self._probed = False

    @property
    def known(self) -> bool:
        return self._map.known

    @property
    def jumps(self) -> int:
        """How often the camera's clock has jumped, as it does when PTP sets it."""
        return self._map.jumps

    @property
    def uncertainty_ns(self) -> int:
        """Bound on the error of the map, but for a constant delay where the camera cannot be asked; -1: unknown."""
        return self._map.uncertainty_ns

    def add_probe(self, asked_ns: int, stamp_ns: int, answered_ns: int) -> None:
        """The camera showed `stamp_ns` at some time between two of this machine's."""
        if not self._probed:
            self._map, self._probed = ClockMap(), True
        self._add(stamp_ns, (asked_ns + answered_ns) // 2, answered_ns - asked_ns)

    def add_arrival(self, stamp_ns: int, arrival_ns: int) -> None:
        """A frame of `stamp_ns` was here at `arrival_ns`; of no use where probes return."""
        if self._probed:
            return
        self._delays.append(arrival_ns - stamp_ns)
        late_ns = self._delays[-1] - min(self._delays)
        self._add(stamp_ns, arrival_ns, 2 * late_ns + JITTER_NS)

    def host_ns(self, stamp_ns: int) -> int:
        """This machine's time at a stamp; meaningless while not `known`."""
        return self._map.hub_ns(stamp_ns)

    def _add(self, stamp_ns: int, host_ns: int, round_trip_ns: int) -> None:
        """As a probe that the camera had sent and received the reply of, with its stamp in the middle."""
        half = max(round_trip_ns, 1) // 2
        self._map.add(
            ClockSample(
                camera="device",
                boot_id=0,
                sent_ns=stamp_ns - half,
                hub_received_ns=host_ns,
                hub_replied_ns=host_ns,
                reply_received_ns=stamp_ns + half,
            )
        )
