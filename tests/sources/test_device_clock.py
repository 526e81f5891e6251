"""Stamps of a camera's clock are mapped to this machine's, with a drift and with frames that come late."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.sources._device_clock import DeviceClock

DRIFT = 50e-6
START_NS = 10**15
TRANSFER_NS = 6_000_000
STEP_NS = 16_666_667


def camera_ns(host_ns: int) -> int:
    """What the camera's clock shows: begun on its own, and fast."""
    return round((host_ns - START_NS) * (1 + DRIFT)) + 777_000_000_000


def test_device_clock_that_is_probed_is_known_to_half_a_round_trip() -> None:
    clock, rng = DeviceClock(), np.random.default_rng(1)
    for number in range(30):
        asked = START_NS + number * 500_000_000
        there, back = rng.integers(100_000, 2_000_000, 2)
        clock.add_probe(asked, camera_ns(asked + int(there)), asked + int(there + back))
        frame = asked + 300_000_000
        clock.add_arrival(camera_ns(frame), frame + TRANSFER_NS)
    assert clock.known
    assert clock.jumps == 0
    assert clock.uncertainty_ns <= 1_000_000
    later = START_NS + 30 * 500_000_000
    assert clock.host_ns(camera_ns(later)) == pytest.approx(later, abs=1_000_000)


def test_device_clock_that_cannot_be_asked_is_late_by_the_transfer_alone() -> None:
    clock, rng = DeviceClock(), np.random.default_rng(2)
    errors = []
    for number in range(1200):  # 20 s
        frame = START_NS + number * STEP_NS
        late = int(rng.exponential(3_000_000)) + (200_000_000 if number % 300 > 290 else 0)  # and the host stalls
        late += 60_000_000 if number < 20 else 0  # what waited before the first read
        clock.add_arrival(camera_ns(frame), frame + TRANSFER_NS + late)
        if number > 60:
            errors.append(clock.host_ns(camera_ns(frame)) - frame - TRANSFER_NS)
    assert clock.jumps == 0
    assert np.abs(errors).max() < 1_000_000


@pytest.mark.parametrize("jump", [10**12, -(10**12)])
def test_device_clock_that_cannot_be_asked_may_jump(jump: int) -> None:
    clock = DeviceClock()
    for number in range(200):
        frame = START_NS + number * STEP_NS
        clock.add_arrival(camera_ns(frame) + (jump if number >= 100 else 0), frame + TRANSFER_NS)
    assert clock.host_ns(camera_ns(frame) + jump) == pytest.approx(frame + TRANSFER_NS, abs=1_000_000)


def test_device_clock_that_jumps_is_found_again() -> None:
    clock = DeviceClock()
    for number in range(20):
        asked = START_NS + number * 500_000_000
        jump = 10**12 if number >= 10 else 0
        clock.add_probe(asked, camera_ns(asked + 100_000) + jump, asked + 200_000)
    assert clock.jumps == 1
    later = START_NS + 10**10
    assert clock.host_ns(camera_ns(later) + 10**12) == pytest.approx(later, abs=1_000_000)
