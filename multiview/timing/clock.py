"""Another machine's clock, mapped to the hub's by probes with replies.

A probe is sent and its reply received at worker times, received and replied to at hub times. Half the difference of the
two ways is the offset, wrong by at most half the round trip (Cristian 1989; Mills, NTP). Of each short window only the
probe with the shortest round trip counts; a line through those is the offset and the drift.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from multiview.data import NS_PER_S
from multiview.wire.messages import ClockSample

__all__ = ["ClockMap"]

WINDOW_NS = 2 * NS_PER_S  # of which the probe with the shortest round trip counts
MAX_WINDOWS = 32
MIN_PROBES = 4  # probes before the map is used
TOLERANCE_NS = 1_000_000  # beyond what a round trip explains, for drift between probes
MAX_CONTRADICTIONS = 3  # consecutive probes that make a jump


class _Probe(NamedTuple):
    at_ns: int  # worker's clock, middle of the round trip
    offset_ns: int  # hub's clock less worker's
    round_trip_ns: int


class ClockMap:
    """Offset and drift of one run of one worker's clock against the hub's."""

    def __init__(self) -> None:
        self.jumps = 0
        self.known = False  # until there are enough probes, and again after a jump
        self._probes: deque[_Probe] = deque(maxlen=MAX_WINDOWS)
        self._count = self._contradictions = 0
        self._fit: tuple[int, float, float] | None = None  # reference time, offset there, drift

    def add(self, sample: ClockSample) -> None:
        """Add one probe. Several that contradict the map beyond their round trips are a jump: the map is reset."""
        probe = _Probe(
            (sample.sent_ns + sample.reply_received_ns) // 2,
            (sample.hub_received_ns - sample.sent_ns + sample.hub_replied_ns - sample.reply_received_ns) // 2,
            sample.reply_received_ns - sample.sent_ns - (sample.hub_replied_ns - sample.hub_received_ns),
        )
        if probe.round_trip_ns < 0 or sample.reply_received_ns < sample.sent_ns:
            return
        if self.known and abs(self._offset(probe.at_ns) - probe.offset_ns) > probe.round_trip_ns / 2 + TOLERANCE_NS:
            self._contradictions += 1
            if self._contradictions >= MAX_CONTRADICTIONS:
                self.restart()
            return
        self._contradictions = 0
        self._keep(probe)
        if self._count >= MIN_PROBES:
            self._fit, self.known = self._line(), True

    def restart(self) -> None:
        """The clock has jumped: discard the map."""
        self.jumps += 1
        self._probes.clear()
        self._count = self._contradictions = 0
        self._fit, self.known = None, False

    def hub_ns(self, worker_ns: int) -> int:
        """The hub's time at a worker's time; meaningless while not `known`."""
        return worker_ns + round(self._offset(worker_ns))

    @property
    def offset_ns(self) -> float:
        """The hub's clock less the worker's, at the latest probe."""
        return self._fit[1] if self._fit else 0.0

    @property
    def drift(self) -> float:
        """How much the hub's clock gains on the worker's, s/s."""
        return self._fit[2] if self._fit else 0.0

    @property
    def uncertainty_ns(self) -> int:
        """Half of the shortest round trip, the bound on the offset's error; -1 while not `known`."""
        return min(probe.round_trip_ns for probe in self._probes) // 2 if self.known else -1

    def _keep(self, probe: _Probe) -> None:
        self._count += 1
        if self._probes and abs(probe.at_ns // WINDOW_NS - self._probes[-1].at_ns // WINDOW_NS) < 1:
            if probe.round_trip_ns < self._probes[-1].round_trip_ns:
                self._probes[-1] = probe
        else:
            self._probes.append(probe)

    def _line(self) -> tuple[int, float, float]:
        """Weighted least squares, repeated without what does not fit within its own round trip."""
        reference, base = self._probes[-1].at_ns, self._probes[-1].offset_ns
        x = np.array([(p.at_ns - reference) / NS_PER_S for p in self._probes])
        y = np.array([float(p.offset_ns - base) for p in self._probes])
        trip = np.array([float(max(p.round_trip_ns, 1000)) for p in self._probes])
        weight, offset, drift = 1.0 / trip**2, 0.0, 0.0
        for _ in range(4):
            mean_x, mean_y = np.average(x, weights=weight), np.average(y, weights=weight)
            spread = float((weight * (x - mean_x) ** 2).sum())
            # A short stretch says nothing of the drift: it is held near zero by what quartz does, 100 ppm.
            prior = weight.sum() * (trip.min() / 2 / 1e5) ** 2
            drift = float((weight * (x - mean_x) * (y - mean_y)).sum() / (spread + prior))
            offset = float(mean_y - drift * mean_x)
            off = np.abs(y - offset - drift * x) / (trip / 2)
            weight = 1.0 / trip**2 / np.maximum(off, 1.0) ** 2
        return reference, base + offset, drift / NS_PER_S

    def _offset(self, worker_ns: int) -> float:
        if self._fit is None:
            return 0.0
        reference, offset, drift = self._fit
        return offset + drift * (worker_ns - reference)
