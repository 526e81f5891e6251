"""Silence counts only while somebody could have heard."""

from __future__ import annotations

import pytest

from services.supervise.silence import PAUSE_S, Silence

ROLES = ("camera/cam01", "camera/cam02")


def test_silence_is_that_of_the_role_heard_last() -> None:
    silence = Silence(0.0)
    silence.hear(10.0, {"camera/cam01": 4.0, "camera/cam02": 1.0, "service/fusion": 0.0})
    assert silence.silent_s(ROLES, 0.0, 12.0) == pytest.approx(3.0)


def test_silence_begins_at_the_earliest_with_the_process() -> None:
    silence = Silence(0.0)
    silence.hear(10.0, {"camera/cam01": 9.0})
    assert not silence.signalled_since(ROLES, 8.0)
    assert silence.silent_s(ROLES, 8.0, 12.0) == pytest.approx(4.0)


def test_silence_does_not_count_while_this_process_stood_still() -> None:
    silence = Silence(0.0)
    silence.wake(10.0)
    silence.hear(10.0, {"camera/cam01": 0.0})
    assert silence.wake(10.0 + 0.9 * PAUSE_S) == 0.0
    assert silence.wake(40.0) == pytest.approx(30.0 - 0.9 * PAUSE_S)
    assert silence.silent_s(ROLES, 0.0, 41.0) == pytest.approx(1.0)


def test_silence_does_not_count_while_the_hub_did_not_reply() -> None:
    silence = Silence(0.0)
    silence.hear(10.0, {"camera/cam01": 0.0})
    silence.hear(19.0, None)
    silence.hear(20.0, {})  # a new hub has heard nobody yet
    assert silence.silent_s(ROLES, 0.0, 22.0) == pytest.approx(3.0)
