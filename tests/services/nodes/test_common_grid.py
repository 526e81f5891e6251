"""Workers whose detectors cannot keep up look at the same instants, evenly spaced; those of a machine share a step."""

from __future__ import annotations

import numpy as np
import pytest

from multiview.data import NS_PER_S, VideoFrame
from multiview.sources import Reader
from multiview.wire.messages import CameraHealth
from services.nodes.common_grid import DetectorPace, GridSelection, shared_level


def pace(cost_s: float, tick_hz: float = 60.0, frame_hz: float = 60.0) -> DetectorPace:
    """After a few seconds of detections of so long."""
    made = DetectorPace(tick_hz, frame_hz)
    detections(made, cost_s)
    return made


def detections(one: DetectorPace, cost_s: float, seconds: float = 6.0) -> None:
    for _ in range(max(5, round(seconds / cost_s))):
        one.add(cost_s)


def frames(fps: float, seconds: float, phase: float = 0.0) -> list[VideoFrame]:
    """A camera whose shutter opens `phase` of a frame after the instants of its rate."""
    image = np.zeros((2, 2, 3), np.uint8)
    return [VideoFrame(image, i, round((i + phase) * NS_PER_S / fps), "c") for i in range(round(seconds * fps))]


def taken(selection: GridSelection, given: list[VideoFrame]) -> list[float]:
    """Times of the frames that are taken, s."""
    return [frame.time_ns / NS_PER_S for frame in given if selection.takes(frame)]


@pytest.mark.parametrize(
    ("cost_s", "ticks"), [(0.01, 1), (0.018, 1), (0.021, 2), (0.029, 2), (0.033, 4), (0.07, 8), (0.8, 64), (3.2, 256)]
)
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
    detections(made, 0.01)
    assert made.level == 0
    assert made.advice(1) == ""


def test_pace_does_not_heed_a_stall() -> None:
    """A detector that keeps up, on a machine that stops for a second now and then."""
    made = pace(0.014)
    assert not any(made.add(1.0 if number % 50 == 0 else 0.014) for number in range(1000))


def test_pace_steps_back_only_when_every_frame_fits() -> None:
    made = pace(0.025)
    assert made.level == 1
    detections(made, 0.017)
    assert made.level == 1  # it would skip again at once
    detections(made, 0.013)
    assert made.level == 0


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


def health(camera: str, one: DetectorPace, machine: str = "a", state: str = "running") -> CameraHealth:
    return CameraHealth(camera=camera, boot_id=1, machine=machine, skip=one.needed, state=state)


def test_workers_of_one_machine_take_the_same_instants() -> None:
    """Four that share its cores: 20 to 50 ms of 33; a fifth on another machine is as slow as it is."""
    paces = [pace(cost_s, 30.0, 30.0) for cost_s in (0.020, 0.030, 0.045, 0.050)]
    assert [one.level for one in paces] == [0, 0, 1, 1]
    healths = [health(f"cam{number}", one) for number, one in enumerate(paces)]
    healths.append(health("cam9", pace(0.8, 30.0, 30.0), machine="b"))
    for one in paces:
        one.share(shared_level(healths, "a"))
    given = frames(30.0, 10.0)
    times = [taken(GridSelection(one, lambda frame: frame.time_ns, 30.0), given) for one in paces]
    assert all(other == times[0] for other in times)
    np.testing.assert_allclose(np.diff(times[0])[1:], 2 / 30, atol=1e-6)
    assert "a camera beside it" in paces[0].advice(1)
    assert "a camera beside it" not in paces[3].advice(1)


def test_workers_of_one_machine_return_together() -> None:
    """What each needs counts, not what it was told: else two would hold each other back for ever."""
    slow, quick = pace(0.050, 30.0, 30.0), pace(0.020, 30.0, 30.0)
    quick.share(shared_level([health("cam1", slow)], "a"))
    slow.share(shared_level([health("cam2", quick)], "a"))
    assert quick.level == slow.level == 1
    detections(slow, 0.020)
    quick.share(shared_level([health("cam1", slow)], "a"))
    slow.share(shared_level([health("cam2", quick)], "a"))
    assert quick.level == slow.level == 0


def test_workers_that_end_or_see_nothing_hold_nobody_back() -> None:
    slow = pace(0.8)
    assert shared_level([health("cam1", slow)], "a") > 0
    assert shared_level([health("cam1", slow, state="finished")], "a") == 0
    slow.clear()
    assert shared_level([health("cam1", slow)], "a") == 0


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


def test_pace_does_not_return_to_what_the_machine_has_no_time_for() -> None:
    """Four workers on two cores: on the grid a detection takes 27 ms, but four of 25 ms keep both busy for 50 ms."""
    made = DetectorPace(30.0, 30.0)
    for _ in range(200):
        made.add(0.055, 0.050)
    assert made.level == 1
    changes = sum(made.add(0.027, 0.050) for _ in range(400))
    assert (changes, made.level) == (0, 1)
    for _ in range(400):
        made.add(0.022, 0.032)  # one person less
    assert made.level == 0


def test_pace_goes_by_the_rate_at_which_pictures_come() -> None:
    """Not by the one that a camera says: 60 ms are short where pictures come every 200 ms."""
    made = DetectorPace(30.0, 25.0)
    made.pictures_come(0.0)  # not known yet
    made.pictures_come(5.0)
    for _ in range(60):
        made.add(0.06)
    assert (made.level, made.advice(1)) == (0, "")
    made.pictures_come(25.0)
    for _ in range(60):
        made.add(0.06)
    assert made.level > 0
