"""Playback of a recording, by a clock that the test moves."""

import numpy as np
import pytest

from services.viewer.playback import FASTEST, PAUSE_AT_END_S, SLOWEST, Playback

FPS = 10.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def playing(clock: Clock, seconds: float = 2.0, paused: bool = False) -> Playback:
    return Playback(np.arange(round(seconds * FPS) + 1) / FPS, paused=paused, clock=clock)


@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
def test_playback_shows_each_frame_at_its_time(clock: Clock, speed: float) -> None:
    play = playing(clock)
    play.change_speed(speed)
    for passed in np.arange(0.05, 2.0, 0.1):
        clock.now = 100.0 + passed / speed
        assert play.index() == int(passed * FPS)
        clock.now += play.until_next() + 1e-6
        assert play.index() == int(passed * FPS) + 1


def test_playback_begins_again_after_a_pause_at_the_end(clock: Clock) -> None:
    play = playing(clock)
    clock.now += 2.0 + 0.9 * PAUSE_AT_END_S
    assert play.index() == 20
    clock.now += 0.1 * PAUSE_AT_END_S + 0.15
    assert play.index() == 1


def test_playback_steps_by_frames_and_stands_still(clock: Clock) -> None:
    play = playing(clock)
    clock.now += 0.55
    play.step(1)
    assert (play.index(), play.paused) == (6, True)
    clock.now += 5.0
    assert play.until_next() == np.inf
    for frames, index in ((-1, 5), (-9, 0), (100, 20)):
        play.step(frames)
        assert play.index() == index
    play.pause()
    clock.now += 0.05
    assert play.index() == 20


def test_playback_repeats_the_part_between_its_ends(clock: Clock) -> None:
    play = playing(clock, paused=True)
    play.seek(0.5)
    play.begin_here()
    play.seek(1.0)
    play.end_here()
    assert (play.first_s, play.last_s, play.is_part) == (0.5, 1.0, True)
    play.step(5)
    assert play.index() == 10
    play.pause()
    clock.now += PAUSE_AT_END_S + 0.05
    assert play.index() == 5
    play.seek(1.7)
    assert not play.is_part


@pytest.mark.parametrize("end_first", [False, True])
def test_playback_part_is_never_empty(clock: Clock, end_first: bool) -> None:
    """An end before the beginning begins at the start, a beginning after the end ends at the end."""
    play = playing(clock, paused=True)
    play.seek(1.0)
    (play.end_here if end_first else play.begin_here)()
    play.step(-100) if end_first else play.seek(0.4)
    (play.begin_here if end_first else play.end_here)()
    assert play.first_s < play.last_s


def test_playback_speed_has_bounds_and_a_change_keeps_the_place(clock: Clock) -> None:
    play = playing(clock)
    clock.now += 0.73
    for factor, bound in ((0.5, SLOWEST), (2.0, FASTEST)):
        for _ in range(9):
            play.change_speed(factor)
            assert play.now() == pytest.approx(0.73)
        assert play.speed == bound


@pytest.mark.parametrize("frames", [0, 1])
def test_playback_of_nothing_stands_still(clock: Clock, frames: int) -> None:
    play = Playback(np.zeros(frames), clock=clock)
    clock.now += 3.0
    for action in (lambda: play.step(1), play.begin_here, play.end_here, play.whole, lambda: play.seek(2.0)):
        action()
        assert play.now() == 0.0
