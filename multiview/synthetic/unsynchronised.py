"""Cameras of a synthetic studio that nothing keeps in step: own rates, own clocks, lost frames, a network that jitters.

What comes out is what the hub would get, in the order of arrival: keypoints stamped on each camera's own clock, and the
probes that map that clock to the hub's. The hub's clock shows the studio's time plus `HUB_S`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from multiview.data import NS_PER_S, Keypoints2D
from multiview.synthetic.studio import Studio
from multiview.wire.messages import ClockSample

__all__ = ["HUB_S", "Arrival", "CameraTiming", "TimingFaults", "arrivals", "random_timings"]

HUB_S = 1000
RATES_HZ = (59.94, 60.0, 29.97)
TRANSPORT_S = 0.003  # of a message, at the least
PROBES_S = (0.02, 0.5)  # apart: the first eight, and the others
TRIP_S, TRIP_JITTER_S = 60e-6, 0.5e-3  # of a probe, one way


class CameraTiming(NamedTuple):
    """One camera: frames per second, when it exposes the first, what its clock shows, and how late its stamps are."""

    rate_hz: float
    phase_s: float
    clock_offset_s: float = 0.0
    clock_drift: float = 0.0
    stamp_delay_s: float = 0.0

    def clock_ns(self, time_s: float) -> int:
        """Its clock at a time of the studio."""
        return round((time_s * (1.0 + self.clock_drift) + self.clock_offset_s) * NS_PER_S)


@dataclass(frozen=True, slots=True)
class TimingFaults:
    """What goes wrong between the cameras and the hub."""

    drops: float = 0.02
    """Share of the frames that never arrive."""
    jitter_s: float = 0.003
    """Standard deviation of how long a message is held up."""
    drift_ppm: float = 50.0
    """The most by which a clock runs fast or slow."""
    offset_s: float = 5.0
    """The most by which a clock is ahead or behind."""


class Arrival(NamedTuple):
    """A message at the hub: a probe, or a frame with its number, and its stamp on the camera's own clock."""

    arrival_ns: int
    camera: int
    probe: ClockSample | None = None
    frame: int = 0
    stamp_ns: int = 0
    keypoints: Keypoints2D | None = None


def random_timings(cameras: int, faults: TimingFaults, rng: np.random.Generator) -> list[CameraTiming]:
    """Cameras of the usual rates, one after the other, with clocks and phases of their own."""
    rates = [RATES_HZ[camera % len(RATES_HZ)] for camera in range(cameras)]
    return [
        CameraTiming(
            rate_hz=rate,
            phase_s=float(rng.uniform(0, 1 / rate)),
            clock_offset_s=float(rng.uniform(-1, 1) * faults.offset_s),
            clock_drift=float(rng.uniform(-1, 1) * faults.drift_ppm * 1e-6),
        )
        for rate in rates
    ]


def arrivals(
    studio: Studio, timings: list[CameraTiming], faults: TimingFaults, rng: np.random.Generator
) -> list[Arrival]:
    """Everything that reaches the hub while the studio lasts, in order."""
    came: list[Arrival] = []
    for camera, timing in enumerate(timings):
        count = int((studio.options.seconds - timing.phase_s) * timing.rate_hz)
        times = timing.phase_s + np.arange(count) / timing.rate_hz
        held_up = TRANSPORT_S + np.abs(rng.normal(0, faults.jitter_s, count)) if faults.jitter_s else np.zeros(count)
        stamped = times + timing.stamp_delay_s  # by a driver, when it got the frame at last
        at_hub = np.maximum.accumulate(np.maximum(times, stamped) + held_up)  # a connection keeps the order
        lost = rng.random(count) < faults.drops
        for n, keypoints in enumerate(studio.keypoints_at(camera, times)):
            if not lost[n]:
                stamp_ns = timing.clock_ns(float(stamped[n]))
                came.append(Arrival(_hub_ns(at_hub[n]), camera, None, n, stamp_ns, keypoints))
        came += _probes(studio, camera, timing, rng)
    return sorted(came, key=lambda arrival: arrival.arrival_ns)


def _probes(studio: Studio, camera: int, timing: CameraTiming, rng: np.random.Generator) -> list[Arrival]:
    """Probes of the hub's clock, from a little before the first frame on."""
    first = -0.5 + PROBES_S[0] * np.arange(8)
    sent = np.concatenate([first, np.arange(first[-1] + PROBES_S[1], studio.options.seconds, PROBES_S[1])])
    came = []
    for time_s in sent:
        there, back = TRIP_S + rng.exponential(TRIP_JITTER_S, 2)
        sample = ClockSample(
            camera=studio.rig.names[camera],
            boot_id=camera + 1,
            sent_ns=timing.clock_ns(time_s),
            hub_received_ns=_hub_ns(time_s + there),
            hub_replied_ns=_hub_ns(time_s + there + 20e-6),
            reply_received_ns=timing.clock_ns(time_s + there + 20e-6 + back),
        )
        came.append(Arrival(_hub_ns(time_s + there + back + TRANSPORT_S), camera, sample))
    return came


def _hub_ns(time_s: float) -> int:
    return round((time_s + HUB_S) * NS_PER_S)
