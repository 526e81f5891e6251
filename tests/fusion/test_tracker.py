"""Identities without a pipeline: people stand in slots, and the tracker is told who saw them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.cameras.capture_volume import Volume
from multiview.data import NS_PER_S
from multiview.fusion.state.body_model import Body
from multiview.fusion.tracker import Tracker, TrackerOptions

BODY = Body.of(load_skeleton("coco17"))
OPTIONS = TrackerOptions(
    hold_s=5.0, coast_s=0.2, confirmation_frames=4, duplicate_distance_m=0.15, max_walk_m_s=2.5, height_tolerance=0.15
)
FRAME_S = 0.04


def make_tracker(volume: Volume = Volume(), **options: float) -> Tracker:  # noqa: B008  (frozen)
    return Tracker(BODY, msgspec.structs.replace(OPTIONS, **options), volume)


def stand(tracker: Tracker, x: float, size: float = 1.0) -> int:
    """Someone upright at (x, 0), in a slot of their own."""
    (slot,) = tracker.reserve(1)
    tracker.people.begin(slot, np.ones(len(BODY.parent)))
    tracker.people.initialise(slot, size * BODY.rest_pose + [x, 0.0, 0.0], np.ones(len(BODY.parent), dtype=bool), size)
    return slot


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


def arrive(tracker: Tracker, x: float, time_s: float, size: float = 1.0) -> int:
    """Someone whom three views see at once."""
    slot = stand(tracker, x, size)
    assert tracker.initiate(slot, ns(time_s), 3)
    return slot


def leave(tracker: Tracker, slot: int, time_s: float) -> None:
    """Nobody sees them any more, and three views should."""
    assert not tracker.update(slot, ns(time_s), 0, 3)


def number(tracker: Tracker, slot: int) -> int:
    return tracker.identities[slot].number


def test_birth_seen_by_three_views_is_published_at_once() -> None:
    tracker = make_tracker()
    numbers = [number(tracker, arrive(tracker, x, 0.0)) for x in (0.0, 1.0, 2.0)]
    assert numbers == [1, 2, 3]


def test_birth_seen_by_two_views_is_published_after_some_frames() -> None:
    tracker = make_tracker()
    slot = stand(tracker, 0.0)
    published = [tracker.initiate(slot, 0, 2)]
    published += [tracker.update(slot, ns(FRAME_S * frame), 2, 2) for frame in range(1, 5)]
    assert published == [False, False, False, True, True]
    assert number(tracker, slot) == 1


def test_birth_seen_by_two_views_is_published_when_a_third_agrees() -> None:
    tracker = make_tracker()
    slot = stand(tracker, 0.0)
    assert not tracker.initiate(slot, 0, 2)
    assert tracker.update(slot, ns(FRAME_S), 3, 3)


def test_birth_that_nobody_sees_again_is_forgotten_and_takes_no_number() -> None:
    tracker = make_tracker()
    slot = stand(tracker, 0.0)
    assert not tracker.initiate(slot, 0, 2)
    tracker.delete_expired(ns(OPTIONS.coast_s))
    assert slot in tracker.identities
    tracker.delete_expired(ns(OPTIONS.coast_s) + 1)
    assert slot not in tracker.identities
    assert number(tracker, arrive(tracker, 0.0, 1.0)) == 1


def test_birth_outside_the_volume_is_refused() -> None:
    tracker = make_tracker(Volume(min=(-1.0, -1.0, 0.0), max=(1.0, 1.0, 2.0)))
    outside = stand(tracker, 1.5)
    assert not tracker.initiate(outside, 0, 3)
    assert outside not in tracker.identities
    arrive(tracker, 0.5, 0.0)


def test_birth_beyond_the_number_of_people_waits_for_one_to_leave() -> None:
    tracker = make_tracker(Volume(max_people=1))
    first, second = arrive(tracker, 0.0, 0.0), stand(tracker, 1.0)
    assert tracker.is_full()
    assert not tracker.initiate(second, 0, 3)
    leave(tracker, first, 1.0)
    assert not tracker.is_full()
    assert tracker.initiate(second, ns(1.0), 3)


@pytest.mark.parametrize(("gap_m", "refused"), [(0.1, True), (0.2, False)])
def test_duplicate_is_who_stands_within_another(gap_m: float, refused: bool) -> None:
    tracker = make_tracker()
    arrive(tracker, 0.0, 0.0)
    double = stand(tracker, gap_m)
    assert tracker.is_duplicate(double) == refused
    assert tracker.initiate(double, 0, 3) != refused


def test_duplicate_is_a_compromise_of_a_body_and_its_mirror_image() -> None:
    """Cameras that contradict each other about the sides lead to one: wide apart, though in the same place."""
    tracker = make_tracker()
    first = arrive(tracker, 0.0, 0.0)
    double = stand(tracker, 0.0)
    pos = tracker.people.state.pos
    left, right = BODY.pairs.T
    middle = (pos[double, left] + pos[double, right]) / 2
    ahead = np.array([0.0, 0.35, 0.0])  # at right angles to the line from side to side: as far from either
    pos[double, left], pos[double, right] = middle + ahead, middle - ahead
    matching = BODY.matching_joints
    assert np.linalg.norm(pos[double, matching] - pos[first, matching], axis=-1).mean() > OPTIONS.duplicate_distance_m
    assert tracker.is_duplicate(double)


def test_duplicate_is_nobody_who_embraces_another() -> None:
    """Face to face, a body's depth apart: each one's left is at the other's right."""
    tracker = make_tracker()
    arrive(tracker, 0.0, 0.0)
    double = stand(tracker, 0.0)
    turned = BODY.rest_pose * [-1.0, -1.0, 1.0] + [0.0, 0.25, 0.0]
    tracker.people.state.pos[double] = turned
    assert not tracker.is_duplicate(double)


def test_duplicate_of_someone_held_is_no_duplicate() -> None:
    tracker = make_tracker()
    leave(tracker, arrive(tracker, 0.0, 0.0), 1.0)
    assert not tracker.is_duplicate(stand(tracker, 0.05))


def test_person_whom_cameras_lose_by_chance_is_published_for_a_moment_then_held() -> None:
    tracker = make_tracker()
    slot = arrive(tracker, 0.0, 0.0)
    times = (0.1, 0.2, 0.201)
    assert [tracker.update(slot, ns(time_s), 0, 2) for time_s in times] == [True, True, False]
    assert tracker.identities[slot].held
    assert tracker.active() == []


def test_person_whom_three_views_should_see_and_none_does_is_held_at_once() -> None:
    tracker = make_tracker()
    slot = arrive(tracker, 0.0, 0.0)
    leave(tracker, slot, FRAME_S)
    assert tracker.identities[slot].held


def test_person_in_the_reach_of_few_cameras_lives_on_one_view() -> None:
    tracker = make_tracker()
    slot, crowd = arrive(tracker, 0.0, 0.0), arrive(tracker, 3.0, 0.0)
    assert all(tracker.update(slot, ns(FRAME_S * frame), 1, 3) for frame in range(1, 50))
    followed = [tracker.update(crowd, ns(FRAME_S * frame), 1, 4) for frame in range(1, 8)]
    assert followed == [True] * 5 + [False] * 2  # four views should see them: 0.2 s


def test_held_person_is_forgotten_after_the_hold_time() -> None:
    tracker = make_tracker()
    slot = arrive(tracker, 0.0, 0.0)
    leave(tracker, slot, 0.5)
    tracker.delete_expired(ns(OPTIONS.hold_s))
    assert slot in tracker.identities
    tracker.delete_expired(ns(OPTIONS.hold_s) + 1)
    assert slot not in tracker.identities
    assert number(tracker, arrive(tracker, 0.0, 6.0)) == 2  # a number is never used again


def test_returning_person_has_number_and_bones_back() -> None:
    tracker = make_tracker()
    slot = arrive(tracker, 0.0, 0.0)
    learned = tracker.people.state.length[slot] = 1.03 * BODY.length
    leave(tracker, slot, 1.0)
    again = arrive(tracker, 1.0, 2.0)
    assert again != slot
    assert number(tracker, again) == 1
    assert slot not in tracker.identities
    np.testing.assert_array_equal(tracker.people.state.length[again], learned)


@pytest.mark.parametrize(("away_s", "recognised"), [(1.0, False), (2.0, True)])
def test_returning_person_may_have_walked_as_far_as_the_time_allows(away_s: float, recognised: bool) -> None:
    """Half a metre and 2.5 m for each second since they were last seen: 4 m take more than 1.4 s."""
    tracker = make_tracker()
    slot = arrive(tracker, 0.0, 0.0)
    leave(tracker, slot, FRAME_S)
    assert (number(tracker, arrive(tracker, 4.0, away_s)) == 1) == recognised


@pytest.mark.parametrize(("size", "recognised"), [(0.88, True), (1.14, True), (0.84, False), (1.18, False)])
def test_returning_person_has_the_same_size(size: float, recognised: bool) -> None:
    tracker = make_tracker()
    leave(tracker, arrive(tracker, 0.0, 0.0), 1.0)
    assert (number(tracker, arrive(tracker, 0.0, 2.0, size)) == 1) == recognised


def test_returning_people_are_told_apart_by_size_and_place() -> None:
    tracker = make_tracker()
    for slot in [arrive(tracker, x, 0.0, size) for x, size in ((0.0, 1.0), (0.5, 0.9), (3.0, 1.0))]:
        leave(tracker, slot, 0.5)
    back = [number(tracker, arrive(tracker, x, 1.5, size)) for x, size in ((0.2, 1.0), (0.6, 0.9), (2.8, 1.0))]
    assert back == [1, 2, 3]


def test_reserve_makes_room_and_leaves_who_is_there() -> None:
    tracker = make_tracker()
    slots = [arrive(tracker, float(x), 0.0) for x in range(8)]
    before = tracker.people.state.pos[slots].copy()
    more = tracker.reserve(5)
    assert len(set(more)) == 5
    assert not set(more) & set(slots)
    assert tracker.people.slots == 16
    np.testing.assert_array_equal(tracker.people.state.pos[slots], before)


def tick(tracker: Tracker, *slots: int, time_s: float, views: int = 2) -> None:
    """A tick in which so many views see everyone in these slots."""
    tracker.delete_expired(ns(time_s))
    for slot in slots:
        tracker.update(slot, ns(time_s), views, 2)


@pytest.mark.parametrize(("moved_m", "same"), [(0.1, True), (0.5, True), (1.0, False)])
def test_prediction_that_nobody_confirms_gives_way_at_once_to_whom_is_seen_nearby(moved_m: float, same: bool) -> None:
    """Half a metre, and what can be walked since the last tick; two views are enough, and nobody is there twice."""
    tracker = make_tracker()
    slot = arrive(tracker, 0.0, 0.0)
    tick(tracker, slot, time_s=FRAME_S)
    tick(tracker, slot, time_s=2 * FRAME_S, views=0)
    again = stand(tracker, moved_m)
    assert tracker.initiate(again, ns(2 * FRAME_S), 2) == same
    assert (slot in tracker.identities) != same
    assert number(tracker, again) == (1 if same else 0)


def test_prediction_of_a_runner_may_be_wrong_by_as_far_as_the_runner_was_fast() -> None:
    """After half a second without frames, someone who ran at 4 m/s is where they were seen last: 2 m behind."""
    tracker = make_tracker()
    slot = arrive(tracker, 0.0, 0.0)
    tick(tracker, slot, time_s=FRAME_S)
    tracker.people.state.vel[slot] = [4.0, 0.0, 0.0]
    tracker.people.state.pos[slot] += [2.0, 0.0, 0.0]  # predicted
    tick(tracker, slot, time_s=FRAME_S + 0.5, views=0)
    again = stand(tracker, -0.3)
    assert tracker.initiate(again, ns(FRAME_S + 0.5), 2)
    assert number(tracker, again) == 1
    np.testing.assert_array_equal(tracker.people.state.cov_vv[again, :, 0], 16.0)


def test_second_detection_of_someone_is_not_whoever_was_lost_beside_them() -> None:
    tracker = make_tracker()
    hidden, other = arrive(tracker, 0.0, 0.0), arrive(tracker, 0.4, 0.0)
    tick(tracker, hidden, other, time_s=FRAME_S)
    tick(tracker, other, time_s=2 * FRAME_S)
    tracker.update(hidden, ns(2 * FRAME_S), 0, 2)
    assert not tracker.initiate(stand(tracker, 0.45), ns(2 * FRAME_S), 2)
    assert number(tracker, hidden) == 1
