"""A worker's clock is mapped to the hub's as well as the round trips allow, and a jump is noticed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiview.timing.clock import ClockMap
from multiview.wire.messages import ClockSample

MS = 1_000_000
S = 1_000_000_000


def probe(rng: random.Random, hub_ns: int, offset_ns: int, drift: float, queue_ms: float) -> ClockSample:
    """A probe that reaches the hub at `hub_ns`; the worker's clock is offset and drifts."""

    def worker(true_ns: int) -> int:
        return true_ns + offset_ns + round(drift * true_ns)

    there = round((0.05 + rng.expovariate(1 / queue_ms)) * MS)
    back = round((0.05 + rng.expovariate(1 / queue_ms)) * MS)
    return ClockSample(
        camera="c",
        boot_id=1,
        sent_ns=worker(hub_ns - there),
        hub_received_ns=hub_ns,
        hub_replied_ns=hub_ns + 10_000,
        reply_received_ns=worker(hub_ns + 10_000 + back),
    )


@given(st.integers(-(10**15), 10**15), st.floats(-1e-4, 1e-4), st.floats(0.05, 2.0), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_offset_and_drift_are_found(offset_ns: int, drift: float, queue_ms: float, seed: int) -> None:
    rng, clock = random.Random(seed), ClockMap()
    for i in range(120):
        clock.add(probe(rng, 1000 * S + i * S // 2, offset_ns, drift, queue_ms))
    assert clock.known
    assert clock.jumps == 0
    for true_ns in (1030 * S, 1060 * S, 1062 * S):
        worker_ns = true_ns + offset_ns + round(drift * true_ns)
        assert abs(clock.hub_ns(worker_ns) - true_ns) < (0.1 + 0.5 * queue_ms) * MS
    assert 0 < clock.uncertainty_ns < (0.1 + queue_ms) * MS


def test_it_is_not_used_before_it_is_known() -> None:
    rng, clock = random.Random(1), ClockMap()
    for i in range(3):
        assert not clock.known
        clock.add(probe(rng, 1000 * S + i * 20 * MS, 5 * S, 0.0, 0.1))
    clock.add(probe(rng, 1001 * S, 5 * S, 0.0, 0.1))
    assert clock.known
    assert abs(clock.hub_ns(1007 * S) - 1002 * S) < MS


@pytest.mark.parametrize("jump_ns", [-3 * S, -5 * MS, 5 * MS, 3600 * S])
def test_a_jump_is_noticed_and_mended(jump_ns: int) -> None:
    rng, clock = random.Random(2), ClockMap()
    for i in range(20):
        clock.add(probe(rng, 1000 * S + i * S // 2, 0, 1e-5, 0.2))
    for i in range(20, 24):
        clock.add(probe(rng, 1000 * S + i * S // 2, jump_ns, 1e-5, 0.2))
    assert clock.jumps == 1
    assert not clock.known
    for i in range(24, 40):
        clock.add(probe(rng, 1000 * S + i * S // 2, jump_ns, 1e-5, 0.2))
    assert clock.known
    true_ns = 1020 * S
    assert abs(clock.hub_ns(true_ns + jump_ns + round(1e-5 * true_ns)) - true_ns) < MS


def test_one_slow_probe_is_no_jump() -> None:
    rng, clock = random.Random(3), ClockMap()
    for i in range(60):
        clock.add(probe(rng, 1000 * S + i * S // 2, 7 * S, 0.0, 50.0 if i % 3 == 0 else 0.2))
    assert clock.jumps == 0
    assert abs(clock.hub_ns(1037 * S) - 1030 * S) < MS // 2
