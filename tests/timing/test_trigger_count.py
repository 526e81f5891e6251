"""Pulses that cameras count from different starts have one number."""

from __future__ import annotations

import numpy as np

from multiview.data import NS_PER_S
from multiview.timing.trigger_count import TriggerCounts

RATE = 60.0
START_NS = 10**15
STEP_NS = NS_PER_S / RATE


def pulse_ns(pulse: int, error_ns: int = 0) -> int:
    return START_NS + round(pulse * STEP_NS) + error_ns


def test_counts_that_began_at_other_pulses_are_one() -> None:
    counts, rng = TriggerCounts(RATE), np.random.default_rng(0)
    armed = {"cam01": 0, "cam02": 7, "cam03": 100}  # the pulse that each counts as 0
    found: dict[int, set[int]] = {}
    for pulse in range(100, 400):
        for camera, first in armed.items():
            error_ns = int(rng.integers(-5_000_000, 5_000_001))  # a third of the time between pulses
            common = counts.common(camera, 1, pulse - first, pulse_ns(pulse, error_ns))
            found.setdefault(pulse, set()).add(common)
    assert all(common == {pulse} for pulse, common in found.items())


def test_camera_that_misses_a_pulse_is_brought_back() -> None:
    counts = TriggerCounts(RATE)
    common = []
    for pulse in range(20):
        counts.common("cam01", 1, pulse, pulse_ns(pulse))
        own = pulse if pulse < 10 else pulse - 1
        if pulse != 10:
            common.append(counts.common("cam02", 1, own, pulse_ns(pulse)) - pulse)
    assert common[:10] == [0] * 10
    assert common[-7:] == [0] * 7  # three stamps after it, at the latest


def test_camera_that_counts_from_zero_again_goes_on() -> None:
    counts = TriggerCounts(RATE)
    for pulse in range(10):
        for camera in ("cam01", "cam02"):
            counts.common(camera, 1, pulse, pulse_ns(pulse))
    assert counts.common("cam02", 2, 0, pulse_ns(30)) == 30
    assert counts.common("cam01", 2, 0, pulse_ns(31)) == 31  # the one that the others are compared with, too


def test_count_without_a_time_is_taken_as_it_is() -> None:
    counts = TriggerCounts(RATE)
    assert counts.common("cam01", 1, 5, None) == 5
    assert counts.common("cam02", 1, 6, None) == 6


def test_camera_that_is_silent_hands_over() -> None:
    counts = TriggerCounts(RATE)
    counts.common("cam01", 1, 0, pulse_ns(0))
    for pulse in range(200):
        assert counts.common("cam02", 1, pulse + 50, pulse_ns(pulse)) == pulse
    assert counts.common("cam03", 1, 0, pulse_ns(200)) == 200
