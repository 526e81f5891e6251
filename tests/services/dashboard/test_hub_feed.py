"""What a browser is sent of the poses that come."""

from __future__ import annotations

import pytest

from services.dashboard.hub_feed import LEAST_HZ, SPARE, Watching

STREAM_HZ, SECONDS = 60, 20


def sent_hz(watching: Watching) -> float:
    """Of a stream, how much is put in a browser's queue, which takes it at once."""
    count = 0
    for number in range(STREAM_HZ * SECONDS):
        watching.offer(b"poses", number / STREAM_HZ)
        count += len(watching.waiting)
        watching.waiting.clear()
    return count / SECONDS


@pytest.mark.parametrize(
    ("drawn_hz", "expected_hz"),
    [(0.0, STREAM_HZ), (60.0, STREAM_HZ), (20.0, SPARE * 20.0), (1.0, LEAST_HZ), (float("nan"), STREAM_HZ)],
)
def test_watching_browser_gets_twice_what_it_draws(drawn_hz: float, expected_hz: float) -> None:
    watching = Watching()
    watching.note_drawn(0.0, drawn_hz)
    assert sent_hz(watching) == pytest.approx(expected_hz, abs=2 / SECONDS)


def test_watching_browser_that_is_slow_gets_the_newest() -> None:
    watching = Watching()
    for number in range(9):
        watching.offer(str(number).encode(), 0.0)
    assert list(watching.waiting)[-1] == b"8"
