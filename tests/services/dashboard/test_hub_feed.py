"""What a browser is sent of the poses that come."""

from __future__ import annotations

import pytest

from multiview.data import NS_PER_S
from services.dashboard.hub_feed import LEAST_HZ, SOFTWARE_HZ, SPARE, Rate, Watching

STREAM_HZ, SECONDS = 60, 20


def sent_hz(watching: Watching, sharing: int = 1) -> float:
    """Of a stream, how much is put in a browser's queue, which takes it at once."""
    count = 0
    for number in range(STREAM_HZ * SECONDS):
        watching.offer(b"poses", number / STREAM_HZ, sharing)
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


def test_browsers_that_draw_on_this_machine_share_what_one_would_get() -> None:
    assert sum(sent_hz(one, sharing=3) for one in _drawing(3)) == pytest.approx(SOFTWARE_HZ, abs=6 / SECONDS)
    assert [sent_hz(one, sharing=1) for one in _drawing(1)] == [pytest.approx(2 * 24.0, abs=2 / SECONDS)]
    elsewhere = Watching()
    elsewhere.note_drawn(0.0, 60.0)
    assert sent_hz(elsewhere, sharing=3) == pytest.approx(STREAM_HZ, abs=2 / SECONDS)


def _drawing(count: int) -> list[Watching]:
    found = [Watching() for _ in range(count)]
    for one in found:
        one.note_drawn(0.0, 24.0, software=True)
    return found


def test_rate_is_that_of_the_hub_however_late_messages_come() -> None:
    rate = Rate()
    for number in range(100):  # all at once
        rate.note(round(number * NS_PER_S / 30))
    assert rate.hz == pytest.approx(30.0, rel=1e-3)
    assert Rate().hz == 0.0
