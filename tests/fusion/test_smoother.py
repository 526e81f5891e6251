"""Smoothed output comes once, in order and in time, and rests on no more than it may."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.data import Track, Tracks
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.smoother import Smoothed
from multiview.synthetic import Studio, StudioOptions, make_studio

FRAMES = 20


def smooth(studio: Studio, lag: int, block: int = 1, frames: int = FRAMES) -> list[Tracks]:
    smoothed = Smoothed(Pipeline(studio.rig, studio.skeleton), lag, block)
    return [tick for frame in range(frames) for tick in smoothed.step(studio.views(frame))] + smoothed.finish()


def causal(studio: Studio) -> list[Tracks]:
    pipeline = Pipeline(studio.rig, studio.skeleton)
    return [pipeline.step(studio.views(frame)) for frame in range(studio.frames)]


def same(one: Tracks, other: Tracks) -> bool:
    people = [track.person for track in one.tracks] == [track.person for track in other.tracks]
    pairs = zip(one.tracks, other.tracks, strict=True)
    return people and all(a.pose.xyz.tobytes() == b.pose.xyz.tobytes() for a, b in pairs)


@pytest.mark.parametrize(("lag", "block"), [(0, 1), (3, 1), (3, 4), (FRAMES, 1), (5, FRAMES)])
def test_smoothed_ticks_come_once_in_order_and_no_later_than_allowed(
    small_studio: Studio, lag: int, block: int
) -> None:
    smoothed, came = Smoothed(Pipeline(small_studio.rig, small_studio.skeleton), lag, block), []
    for frame in range(FRAMES):
        came += [tick.tick for tick in smoothed.step(small_studio.views(frame))]
        assert frame - lag - block < len(came) <= max(0, frame + 1 - lag)
    came += [tick.tick for tick in smoothed.finish()]
    assert came == list(range(FRAMES))
    assert smoothed.finish() == []


def test_smoothed_tick_rests_on_its_lag_and_no_later_frame(small_studio: Studio) -> None:
    """Cut after any frame, what had come by then is the same to the bit; what had not is not."""
    whole, lag = smooth(small_studio, 4), 4
    cut = smooth(small_studio, lag, frames=12)
    assert all(same(a, b) for a, b in zip(whole[: 12 - lag], cut, strict=False))
    assert not any(same(a, b) for a, b in zip(whole[12 - lag : 12], cut[12 - lag :], strict=True))


def test_smoothed_last_frame_is_what_the_filter_says(small_studio: Studio) -> None:
    last, filtered = smooth(small_studio, FRAMES)[-1], causal(small_studio)[-1]
    for one, other in zip(last.tracks, filtered.tracks, strict=True):
        np.testing.assert_allclose(one.pose.xyz, other.pose.xyz, atol=1e-9)


def test_smoothed_person_is_known_better_than_filtered(small_studio: Studio) -> None:
    """The covariance of a person's middle joint says so, in every frame but the last."""
    for one, other in zip(smooth(small_studio, FRAMES)[3:-1], causal(small_studio)[3:-1], strict=True):
        for a, b in zip(one.tracks, other.tracks, strict=True):
            assert np.median(np.trace(a.pose.cov, axis1=1, axis2=2) / np.trace(b.pose.cov, axis1=1, axis2=2)) < 1.0


def test_smoothed_person_is_there_from_their_first_frame_on() -> None:
    """Two views publish someone after a few frames; whoever looks back knows that they were there before."""
    pair = make_studio(StudioOptions(cameras=2, people=1, seconds=0.5, fps=25.0))
    late = [tick.tick for tick in causal(pair) if not tick.tracks]
    assert late == [0, 1, 2]
    assert all(tick.tracks for tick in smooth(pair, FRAMES, frames=pair.frames))


def test_smoothed_person_who_returns_begins_anew() -> None:
    """What was seen after they came back says nothing of before they left."""
    studio = make_studio(StudioOptions(cameras=4, people=2, leaving=1, seconds=12.0, fps=10.0, seed=1))
    numbers = [{track.person for track in tick.tracks} for tick in causal(studio)]
    gone = [tick for tick in range(1, studio.frames) if numbers[tick - 1] - numbers[tick]]
    back = [tick for tick in range(gone[0], studio.frames) if numbers[tick] == numbers[gone[0] - 1]]
    (person,) = numbers[gone[0] - 1] - numbers[gone[0]]
    whole = smooth(studio, studio.frames, frames=studio.frames)
    cut = smooth(studio, studio.frames, frames=back[0] - 1)
    assert back[0] > gone[0] + 5
    for tick in range(gone[0]):
        np.testing.assert_array_equal(of(whole[tick], person).pose.xyz, of(cut[tick], person).pose.xyz)


def of(tick: Tracks, person: int) -> Track:
    (track,) = [track for track in tick.tracks if track.person == person]
    return track
