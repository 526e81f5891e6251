"""A camera's own clock, mapped to this machine's monotonic clock.

A camera that can be asked for its time (a latch) is probed: the map is the one that relates workers and hub. Of one
that cannot, every frame is a probe of one way: none is here before it was taken, so the one that came soonest after
its stamp bounds the offset, and is late by the least, constant time of readout and transfer, which `time-offsets`
finds. A bound ages by what quartz drifts.

Reference: Moon, Skelly, Towsley: Estimation and removal of clock skew from network delay measurements. INFOCOM 1999.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from multiview.data import NS_PER_S
from multiview.timing.clock import ClockMap
from multiview.wire.messages import ClockSample

__all__ = ["DeviceClock"]

WINDOW_NS = NS_PER_S  # of the camera's clock, of which the frame that came soonest counts
WINDOWS = 60
QUARTZ_DRIFT = 50e-6
JUMP_NS = 2 * NS_PER_S  # by which frames come later than the bound says: longer than any queue of theirs


class _Arrival(NamedTuple):
    stamp_ns: int
    delay_ns: int  # of its arrival here, behind the stamp: the offset of the clocks, and the frame's way


class DeviceClock:
    """Maps a camera's stamps, in ns of its own clock, to this machine's monotonic clock."""

    def __init__(self) -> None:
        self._map = ClockMap()
        self._probed = False
        self._soonest: deque[_Arrival] = deque(maxlen=WINDOWS)
        self._jumps = 0

    @property
    def known(self) -> bool:
        return self._map.known if self._probed else bool(self._soonest)

    @property
    def jumps(self) -> int:
        """How often the camera's clock has jumped, as it does when PTP sets it."""
        return self._map.jumps + self._jumps

    @property
    def uncertainty_ns(self) -> int:
        """Bound on the error of the map; -1 where the camera cannot be asked."""
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
        arrival = _Arrival(stamp_ns, arrival_ns - stamp_ns)
        if self._soonest and arrival.delay_ns > self._delay_ns(stamp_ns) + JUMP_NS:
            self._soonest.clear()
            self._jumps += 1
        if not self._soonest or stamp_ns // WINDOW_NS != self._soonest[-1].stamp_ns // WINDOW_NS:
            self._soonest.append(arrival)
        elif arrival.delay_ns < self._soonest[-1].delay_ns:
            self._soonest[-1] = arrival

    def host_ns(self, stamp_ns: int) -> int:
        """This machine's time at a stamp; meaningless while not `known`."""
        return self._map.hub_ns(stamp_ns) if self._probed else stamp_ns + self._delay_ns(stamp_ns)

    def _delay_ns(self, stamp_ns: int) -> int:
        """The least by which this machine's clock can be ahead of the camera's, and a frame's way takes."""
        return min(one.delay_ns + round(QUARTZ_DRIFT * abs(stamp_ns - one.stamp_ns)) for one in self._soonest)

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
