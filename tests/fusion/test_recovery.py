"""People whose prediction fails go on as themselves: a runner who turns on the spot, half a second without frames."""

import pytest

from benchmarks.recovery import LIMIT_M, outcome, runner


@pytest.mark.slow
@pytest.mark.parametrize("cameras", [2, 3])
@pytest.mark.parametrize("fps", [10.0, 30.0])
@pytest.mark.parametrize("gaps", [False, True])
def test_runner_who_turns_is_the_same_person_and_right_again_within_three_frames(
    cameras: int, fps: float, gaps: bool
) -> None:
    found = outcome(runner(cameras, fps, seed=1, faults=False), gaps)
    assert found.new == 0
    assert found.error[found.counted].max() < LIMIT_M
