"""Whatever the order of arrival, each tick comes once, in order, with what every camera saw at that instant."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multiview.data import NS_PER_S, Keypoints2D, Views
from multiview.timing.interpolate import interpolate, match_people
from multiview.timing.sync_buffer import SyncBuffer, SyncOptions

JOINTS = 5
MS = 1_000_000
RATE = 25.0
PERIOD = 40 * MS
BASE = 7_000 * NS_PER_S  # the hub's clock has nothing to do with the stamps


def walker(time_ns: int, people: int = 2, speed: float = 100.0) -> Keypoints2D:
    """People who walk through the image at a constant speed, px/s."""
    shape = np.linspace(0, 200, JOINTS)[:, None] * [0.3, 1.0]
    starts = 300.0 * np.arange(people)[:, None, None]
    xy = starts + shape + speed * time_ns / NS_PER_S * np.array([1.0, 0.0])
    return Keypoints2D(xy, np.full((people, JOINTS), 0.9))


def stamp(frame: int) -> int:
    return round(frame * NS_PER_S / RATE)


def feed(buffer: SyncBuffer, events: list[tuple[int, int, int]]) -> list[Views]:
    """Events are (arrival, camera, stamp), fed in order of arrival."""
    views = []
    for arrival, camera, time_ns in sorted(events):
        views += buffer.add(camera, time_ns, walker(time_ns), arrival)
    return views


def flush(buffer: SyncBuffer, cameras: int, arrival: int) -> list[Views]:
    return [view for camera in range(cameras) for view in buffer.end_of_stream(camera, arrival)]


@given(cameras=st.integers(1, 6), frames=st.integers(1, 20), first=st.integers(0, 500), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_frames_in_time_come_out_unchanged_in_any_order(cameras: int, frames: int, first: int, seed: int) -> None:
    rng = random.Random(seed)
    events = [
        (BASE + stamp(first + i) + rng.randrange(39 * MS), c, stamp(first + i))
        for i in range(frames)
        for c in range(cameras)
    ]
    buffer = SyncBuffer(cameras, RATE)
    views = feed(buffer, events) + flush(buffer, cameras, BASE + stamp(first + frames))
    assert [view.tick for view in views] == list(range(first, first + frames))
    for view in views:
        assert view.time_ns == stamp(view.tick)
        for keypoints in view.keypoints:
            assert keypoints is not None
            np.testing.assert_array_equal(keypoints.xy, walker(view.time_ns).xy)


@pytest.mark.slow
@given(st.integers(2, 4), st.integers(0, 2**32), st.booleans())
@settings(max_examples=12, deadline=None)
def test_any_mess_gives_each_tick_once_in_order_and_nothing_false(cameras: int, seed: int, lossless: bool) -> None:
    rng = random.Random(seed)
    events = []
    for c in range(cameras):
        offset, rate = rng.randrange(PERIOD), rng.choice([12.5, 25.0, 30.0, 59.94])
        for i in range(int(1.5 * rate)):
            time_ns = offset + round(i * NS_PER_S / rate)
            late = rng.choice([0, 0, 0, 0, 30, 200, 600]) * MS
            for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 2])):
                events.append((BASE + time_ns + late + rng.randrange(5 * MS), c, time_ns))
    buffer = SyncBuffer(cameras, RATE, SyncOptions(lossless=lossless))
    views = feed(buffer, events) + flush(buffer, cameras, BASE + 3 * NS_PER_S)
    ticks = [view.tick for view in views]
    assert ticks == list(range(ticks[0], ticks[0] + len(ticks)))
    for view in views:
        for keypoints in view.keypoints:
            if (
                keypoints is not None
            ):  # constant speed: between frames exact, one frame alone held for half a step, which drops lengthen
                assert np.abs(keypoints.xy - walker(view.time_ns).xy).max() <= 100.0 / 12.5 + 1e-6
    again = SyncBuffer(cameras, RATE, SyncOptions(lossless=lossless))
    repeated = feed(again, events) + flush(again, cameras, BASE + 3 * NS_PER_S)
    assert [view.tick for view in repeated] == ticks
    assert again.counts() == buffer.counts()


def test_a_camera_between_ticks_is_interpolated() -> None:
    buffer = SyncBuffer(2, RATE)
    events = [(BASE + stamp(i) + MS, 0, stamp(i)) for i in range(20)]
    events += [(BASE + stamp(i) + 15 * MS, 1, stamp(i) + 13 * MS) for i in range(20)]
    views = feed(buffer, events)
    assert len(views) >= 18
    for view in views[1:]:
        keypoints = view.keypoints[1]
        assert keypoints is not None
        np.testing.assert_allclose(keypoints.xy, walker(view.time_ns).xy, atol=1e-9)


def test_a_silent_camera_is_waited_for_three_ticks_and_taken_back() -> None:
    buffer = SyncBuffer(2, RATE)
    silent = range(10, 20)
    events = [(BASE + stamp(i) + MS, 0, stamp(i)) for i in range(30)]
    events += [(BASE + stamp(i) + MS + c, 1, stamp(i)) for c, i in enumerate(range(30)) if i not in silent]
    given_out: dict[int, int] = {}
    views = {}
    for arrival, camera, time_ns in sorted(events):
        for view in buffer.add(camera, time_ns, walker(time_ns), arrival):
            given_out[view.tick] = arrival - BASE - view.time_ns
            views[view.tick] = view
    assert sorted(views) == list(range(30))
    assert [i for i in range(30) if views[i].keypoints[1] is None] == [*silent, 20]  # tick 20 no longer waited
    assert buffer.counts()[1].missed == 3
    assert max(given_out.values()) <= 80 * MS + PERIOD
    assert all(given_out[i] < 2 * MS for i in range(14, 30))
    assert buffer.live() == [True, True]


def test_a_late_frame_is_counted_and_never_used_for_its_tick() -> None:
    buffer = SyncBuffer(2, RATE)
    events = [(BASE + stamp(i) + MS, c, stamp(i)) for i in range(10) for c in range(2) if (i, c) != (5, 1)]
    views = feed(buffer, [*events, (BASE + stamp(5) + 150 * MS, 1, stamp(5))])
    assert [view.tick for view in views] == list(range(10))
    assert buffer.counts()[1].late == 1
    assert views[5].keypoints[1] is not None  # from its neighbours, two frames apart


def test_time_moves_on_without_messages_of_a_camera() -> None:
    buffer = SyncBuffer(2, RATE)
    assert buffer.add(0, stamp(0), walker(0), BASE) == []
    assert buffer.advance(BASE + 79 * MS) == []
    assert [view.tick for view in buffer.advance(BASE + 81 * MS)] == [0]


def test_ticks_stop_when_everyone_is_silent_and_jump_when_someone_returns() -> None:
    buffer = SyncBuffer(2, RATE)
    feed(buffer, [(BASE + stamp(i), c, stamp(i)) for i in range(5) for c in range(2)])
    empty = [view for ms in range(0, 5000, 50) for view in buffer.advance(BASE + stamp(4) + ms * MS)]
    assert len(empty) == 3
    views = feed(buffer, [(BASE + stamp(i), c, stamp(i)) for i in range(200, 205) for c in range(2)])
    assert [view.tick for view in views] == list(range(200, 205))


@pytest.mark.slow
def test_cameras_far_below_their_rate_are_brought_together_all_the_same() -> None:
    """60 ticks a second, and detectors that take every third to twelfth picture, each when it can."""
    rng = random.Random(5)
    events = []
    for c in range(4):
        frame = rng.randrange(6)
        while frame < 600:
            time_ns = round(frame * NS_PER_S / 60)
            events.append((BASE + time_ns + rng.randrange(80, 120) * MS, c, time_ns))
            frame += rng.randrange(3, 13)
    buffer = SyncBuffer(4, 60.0)
    views = [view for view in feed(buffer, events) if view.tick >= 60]
    seen = [sum(keypoints is not None for keypoints in view.keypoints) for view in views]
    assert np.mean(seen) > 3.9
    assert min(seen) >= 2
    for view in views:
        for keypoints in view.keypoints:
            if keypoints is not None:
                assert np.abs(keypoints.xy - walker(view.time_ns).xy).max() < 10.0


def test_one_slow_camera_holds_nobody_up() -> None:
    buffer = SyncBuffer(3, RATE)
    events = [(BASE + stamp(i) + MS + c, c, stamp(i)) for i in range(100) for c in (0, 1)]
    events += [(BASE + stamp(i) + 30 * MS, 2, stamp(i)) for i in range(0, 100, 10)]
    late = []
    for arrival, camera, time_ns in sorted(events):
        late += [arrival - BASE - view.time_ns for view in buffer.add(camera, time_ns, walker(time_ns), arrival)]
    assert len(late) >= 98
    assert max(late) <= 80 * MS + PERIOD
    assert np.median(late) < 5 * MS


def test_stamps_that_begin_again_begin_the_ticks_again() -> None:
    buffer = SyncBuffer(1, RATE)
    feed(buffer, [(BASE + stamp(i), 0, stamp(i)) for i in range(1000, 1005)])
    buffer.end_of_stream(0, BASE + stamp(1005))
    views = feed(buffer, [(BASE + stamp(1100 + i), 0, stamp(i)) for i in range(9)])
    assert [view.tick for view in views] == list(range(3, 9))
    assert buffer.restarts == 1


def test_stamps_of_everyone_that_leap_ahead_begin_the_ticks_again() -> None:
    """A few were far behind, so that the next tick is waited for very long; what then comes is far ahead of it."""
    buffer = SyncBuffer(2, RATE)
    for first, count in ((1000, 2), (0, 3)):
        feed(buffer, [(BASE + stamp(1100 + i), c, stamp(first + i)) for i in range(count) for c in range(2)])
    assert any(buffer.live())
    views = feed(buffer, [(BASE + stamp(1200 + i), c, stamp(90_000 + i)) for i in range(20) for c in range(2)])
    assert buffer.restarts == 1
    assert views[0].tick <= 90_003
    assert [view.tick for view in views] == list(range(views[0].tick, 90_020))


@pytest.mark.parametrize("bad", [2**62, -(2**62), stamp(2000)])
@pytest.mark.parametrize("when", [0, 6])
def test_one_absurd_stamp_does_little_harm(bad: int, when: int) -> None:
    buffer = SyncBuffer(2, RATE)
    views = []
    for i in range(20):
        for c in range(2):
            time_ns = bad if (i, c) == (when, 0) else stamp(i)
            views += buffer.add(c, time_ns, walker(stamp(i)), BASE + stamp(i) + c)
        assert len(views) <= i + 8
    assert [view.tick for view in views][-8:] == list(range(12, 20))


def test_offsets_of_the_rig_are_added() -> None:
    buffer = SyncBuffer(2, RATE, offsets_s=[0.0, 0.02])
    events = [(BASE + stamp(i), 0, stamp(i)) for i in range(5)]
    views = feed(buffer, events + [(BASE + stamp(i), 1, stamp(i) - 20 * MS) for i in range(5)])
    assert [view.tick for view in views] == list(range(5))
    assert views[2].keypoints[1] is not None
    np.testing.assert_array_equal(views[2].keypoints[1].xy, walker(stamp(2) - 20 * MS).xy)


def test_a_camera_that_is_shifted_is_in_step_from_then_on_and_its_waiting_frames_too() -> None:
    """It stamps 25 ms late; once that is known, ticks see what was there at their instant, and not 25 ms before."""
    late = 25 * MS
    buffer = SyncBuffer(2, RATE)

    def both(first: int, last: int) -> list[Views]:
        views = []
        for i in range(first, last):
            for camera, behind in ((0, 0), (1, late)):
                views += buffer.add(camera, stamp(i) + behind, walker(stamp(i)), BASE + stamp(i) + MS)
        return views

    def apart(view: Views) -> float:
        first, second = view.keypoints
        assert first is not None
        assert second is not None
        return float(np.abs(first.xy - second.xy).max())

    before = both(0, 20)
    assert all(abs(apart(view) - 2.5) < 1e-6 for view in before[2:])
    waiting = buffer.add(0, stamp(20), walker(stamp(20)), BASE + stamp(20) + MS)
    assert waiting == []
    buffer.add_offset(1, -late)
    assert buffer.offset_s(1) == pytest.approx(-0.025)
    after = both(20, 40)
    assert [view.tick for view in before + after] == list(range(len(before + after)))
    assert len(after) >= 20
    assert all(apart(view) < 1e-6 for view in after[1:])
    assert buffer.counts()[1].late == 0


def test_people_are_matched_though_their_order_changes_and_one_leaves() -> None:
    before, after = walker(0, people=3), walker(PERIOD, people=3)
    shuffled = Keypoints2D(after.xy[[2, 0]], after.score[[2, 0]])
    rows, columns = match_people(before, shuffled)
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 2: 0}
    middle = interpolate(before, shuffled, 0.25)
    expected = walker(PERIOD // 4, people=3).xy
    np.testing.assert_allclose(middle.xy[:2], expected[[0, 2]], atol=1e-9)
    np.testing.assert_array_equal(middle.xy[2], before.xy[1])


def test_a_joint_that_one_frame_lacks_moves_with_its_person() -> None:
    before, after = walker(0, people=1), walker(PERIOD, people=1)
    after.xy[0, 2], after.score[0, 2] = np.nan, 0.0
    near, far = interpolate(before, after, 0.4), interpolate(before, after, 0.6)
    np.testing.assert_allclose(near.xy, walker(int(0.4 * PERIOD), people=1).xy)
    assert np.isnan(far.xy[0, 2]).all()
    assert far.score[0, 2] == 0.0


@given(st.floats(0.0, 1.0))
def test_covariance_and_visibility_are_blended(weight: float) -> None:
    cov = np.broadcast_to(np.eye(2), (2, JOINTS, 2, 2))
    plain = walker(0)
    one = Keypoints2D(plain.xy, plain.score, cov.copy(), np.ones((2, JOINTS)))
    two = Keypoints2D(plain.xy + 1.0, plain.score, 3.0 * cov, np.zeros((2, JOINTS)))
    middle = interpolate(one, two, weight)
    assert middle.cov is not None
    assert middle.visibility is not None
    np.testing.assert_allclose(middle.cov, (1.0 + 2.0 * weight) * cov)
    np.testing.assert_allclose(middle.visibility, 1.0 - weight)


def test_nobody_is_not_nothing() -> None:
    nobody = Keypoints2D.nobody(JOINTS)
    assert interpolate(nobody, walker(0), 0.2).people == 0
    assert interpolate(walker(0), nobody, 0.2).people == 2
