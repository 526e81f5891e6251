"""What the hub remembers is bounded, and known ones always have a place."""

from __future__ import annotations

import pytest

from multiview.cameras.camera import MAX_CAMERAS
from services.nodes.hub_tables import MAX_DETAILS, MAX_REASONS, MAX_UNKNOWN, Names, Reasons, SenderTable

S = 1_000_000_000


def known(name: str) -> bool:
    return name.startswith("camera/cam")


def test_false_names_never_take_the_place_of_known_ones() -> None:
    names = Names(known)
    accepted = sum(names.enter(f"service/false-{number}", number) for number in range(1000))
    assert accepted == MAX_UNKNOWN
    assert all(names.enter(f"camera/cam{number:02}", 2000) for number in range(16))
    assert names.enter("service/false-0", 3000)  # whoever has a place keeps it
    assert not names.enter("service/another", 3000)
    assert names.last_ns["camera/cam07"] == 2000
    assert names.enter("service/another", 62 * S)  # the silent ones have gone by now
    assert "camera/cam07" in names.last_ns


def test_senders_are_bounded_and_owned() -> None:
    table = SenderTable(known)
    assert sum(not table.rejection(f"service/false{n}", b"thief", 0) for n in range(1000)) == MAX_UNKNOWN
    assert table.rejection("camera/cam01", b"one", 0) == ""
    table.lease("camera/cam01", b"one", 0)
    assert table.rejection("camera/cam01", b"two", S // 4) == "second sender for"
    assert table.rejection("camera/cam01", b"one", S // 4) == ""
    assert table.rejection("camera/cam01", b"two", S) == ""


def test_senders_are_sixteen_cameras_at_most() -> None:
    """A seventeenth is refused by that sentence; strangers never take the place of one that is known."""
    table = SenderTable(known)
    assert sum(not table.rejection(f"camera/false{n}", b"thief", 0) for n in range(100)) == MAX_CAMERAS
    names = [f"camera/cam{n:02}" for n in range(MAX_CAMERAS + 1)]
    assert [table.rejection(name, b"one", 0) for name in names[:-1]] == [""] * MAX_CAMERAS
    assert table.rejection(names[-1], b"one", 0) == "more than 16 cameras: no place for"
    for name in names[1:-1]:
        table.lease(name, b"one", 20 * S)
    assert table.rejection(names[-1], b"one", 20 * S) == ""  # the first one has gone
    assert table.rejection("service/fusion", b"one", 20 * S) == ""


def test_senders_rate_is_not_used_up_by_a_second_one() -> None:
    table = SenderTable(known)
    assert table.rejection("camera/cam01", b"one", 0) == ""
    table.lease("camera/cam01", b"one", 0)
    for _ in range(5000):
        table.rejection("camera/cam01", b"two", 1000)
    assert table.rejection("camera/cam01", b"one", 1000) == ""


def test_senders_may_send_500_at_once_and_1000_a_second() -> None:
    table = SenderTable(known)
    assert sum(not table.rejection("camera/cam01", b"one", 0) for _ in range(2000)) == 500
    assert sum(not table.rejection("camera/cam01", b"one", n * S // 2000) for n in range(1, 2001)) == 1000


def test_reasons_and_their_log_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    reasons = Reasons()
    for number in range(10_000):
        reasons.add(f"reason {number}", f"detail {number}")
        reasons.add("one reason", f"detail {number}", count=2)
    assert reasons.counts.total() == 30_000
    assert reasons.counts["one reason"] == 20_000
    assert len(reasons.counts) <= MAX_REASONS + 1
    assert len(caplog.records) <= MAX_REASONS + MAX_DETAILS + 1
