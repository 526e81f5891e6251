"""Workers whose detectors cannot keep up look at the same instants, evenly spaced, without talking to each other."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.data import NS_PER_S, VideoFrame
from multiview.sources import Reader
from services.nodes.common_grid import DetectorPace, GridSelection


def pace(cost_s: float, tick_hz: float = 60.0, frame_hz: float = 60.0) -> DetectorPace:
    """After a few detections of so long."""
    made = DetectorPace(tick_hz, frame_hz)
    for _ in range(5):
        made.add(cost_s)
    return made


def frames(fps: float, seconds: float, phase: float = 0.0) -> list[VideoFrame]:
    """A camera whose shutter opens `phase` of a frame after the instants of its rate."""
    image = np.zeros((2, 2, 3), np.uint8)
    return [VideoFrame(image, i, round((i + phase) * NS_PER_S / fps), "c") for i in range(round(seconds * fps))]


def taken(selection: GridSelection, given: list[VideoFrame]) -> list[float]:
    """Times of the frames that are taken, s."""
    return [frame.time_ns / NS_PER_S for frame in given if selection.takes(frame)]


@pytest.mark.parametrize(("cost_s", "ticks"), [(0.01, 1), (0.033, 1), (0.035, 4), (0.07, 8), (0.8, 64), (3.2, 256)])
def test_pace_is_the_shortest_step_that_a_detection_fits_in(cost_s: float, ticks: int) -> None:
    made = pace(cost_s)
    assert 2**made.level == ticks
    if ticks > 1:
        assert made.step_s / 2 < 1.1 * cost_s <= made.step_s


def test_pace_does_not_flutter_and_returns() -> None:
    """Costs that vary by a tenth about the limit change nothing; a detector that is quick again gets every frame."""
    made = pace(0.24, 60.0)
    level = made.level
    changes = sum(made.add(cost) for cost in [0.24, 0.22, 0.235, 0.228, 0.24] * 20)
    assert (changes, made.level) == (0, level)
    for _ in range(5):
        made.add(0.01)
    assert made.level == 0
    assert made.advice(1) == ""


def test_pace_says_how_slow_and_what_to_change() -> None:
    said = pace(0.8).advice(1)
    for part in ("takes 800 ms", "comes every 17 ms", "every 1067 ms", "smaller pictures", "search_every", "process"):
        assert part in said
    assert "of 3 cameras takes 800 ms" in pace(0.8).advice(3)


def test_selections_of_unequal_workers_share_their_instants() -> None:
    """One takes 0.3 s, the other 0.8 s; their shutters are not in step, one camera has half the rate."""
    quick = GridSelection(pace(0.3), lambda frame: frame.time_ns, 60.0)
    slow = GridSelection(pace(0.8), lambda frame: frame.time_ns, 30.0)
    often, seldom = taken(quick, frames(60.0, 60.0, 0.3)), taken(slow, frames(30.0, 60.0, 0.8))
    np.testing.assert_allclose(np.diff(often)[1:], 32 / 60, atol=1e-6)  # evenly
    np.testing.assert_allclose(np.diff(seldom)[1:], 64 / 60, atol=1 / 30 + 1e-6)
    for instant in seldom[1:]:
        assert min(abs(instant - other) for other in often) <= 0.5 / 60 + 0.5 / 30  # each is half a frame off at most


def test_selection_takes_each_instant_once_despite_jitter_and_lost_frames() -> None:
    rng = np.random.default_rng(1)
    chosen = GridSelection(pace(0.3), lambda frame: frame.time_ns, 60.0)
    given = [f for f in frames(60.0, 60.0) if rng.random() > 0.2]
    times = taken(chosen, given)
    assert len(times) == pytest.approx(60 * 60 / 32, abs=1)
    late = [round(60 * t) % 32 for t in times[1:]]  # frames after the instant
    assert np.median(late) == 0.0
    assert max(late) <= 10  # 0.2**10: never so many lost in a row


def test_selection_lets_everything_pass_until_the_clock_is_known() -> None:
    chosen = GridSelection(pace(0.8), lambda frame: None, 60.0)
    assert chosen.takes(frames(60.0, 1.0)[7])
    assert chosen.passes(frames(60.0, 1.0)[7]) == 0


class Film:
    """Ten seconds at 60 Hz, as fast as they are read."""

    name, live, frames, fps, size = "c", True, 0, 60.0, (2, 2)

    def __init__(self) -> None:
        self.left, self.opened = frames(60.0, 10.0), 0

    def read(self) -> VideoFrame | None:
        self.opened += 1
        return self.left.pop(0) if self.left else None

    def skip(self) -> bool:
        return bool(self.left) and self.left.pop(0) is not None

    def close(self) -> None:
        pass


def test_reader_gives_selected_frames_and_opens_few_others() -> None:
    film, got = Film(), []
    selection = GridSelection(pace(0.3), lambda frame: frame.time_ns, 60.0)
    with Reader(film, "every", selection=selection) as reader:
        while (frame := reader.read()) is not None:
            got.append(frame.index)
    assert got == [0, *range(32, 600, 32)] or got == list(range(32, 600, 32))
    assert reader.dropped == 600 - len(got)
    assert film.opened <= 4 * len(got) + 4
