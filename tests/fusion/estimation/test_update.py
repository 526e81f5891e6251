"""People are fitted one after the other, independently of each other."""

from collections.abc import Sequence
from copy import deepcopy

import numpy as np
import pytest

from multiview.fusion import stage_kernels as kernels
from multiview.fusion.pipeline import Pipeline
from multiview.fusion.state.track_state import State
from multiview.fusion.workspace import FusionArrays
from multiview.geometry.struct_kernels import as_struct
from multiview.synthetic import StudioOptions, make_studio

NEWBORN, LOST = 2, 1  # a joint of person 2 has no prediction; one of person 1 is half a metre off its bone
JOINT = 9


@pytest.fixture(scope="module")
def crowd() -> Pipeline:
    """Nine people who were followed for some frames."""
    studio = make_studio(StudioOptions(cameras=5, people=9, seconds=1.0, area_m=8.0, radius_m=8.0))
    pipeline = Pipeline(studio.rig, studio.skeleton)
    for frame in range(8):
        pipeline.step(studio.views(frame))
    assert pipeline.n_tracks >= 9
    return pipeline


def fitted(crowd: Pipeline, who: Sequence[int]) -> tuple[State, np.ndarray]:
    """Everyone's state after those few were fitted to the last frame (again); their rays."""
    frame = crowd.workspace
    few, people = deepcopy(frame), deepcopy(crowd.tracker.people.state)
    for array in (few.slots, few.table, few.xyz, few.H, few.used):
        array[: len(who)] = array[list(who)]
    people.predicted_information[frame.slots[NEWBORN], JOINT] = 0.0
    few.xyz[: len(who), JOINT] += 0.5 * (np.array(who) == LOST)[:, None]
    arrays = FusionArrays.of(few, people, crowd.packed, crowd.body, crowd.noise.tables)
    kernels.fit(
        as_struct(arrays), crowd.acceleration_psd, crowd.last_residuals, len(who), len(who), 0.04, crowd.gate, False
    )
    return people, few.table[: len(who)]


@pytest.mark.parametrize("count", [1, 3, 9])
def test_fit_of_each_is_as_if_alone(crowd: Pipeline, count: int) -> None:
    together, table = fitted(crowd, range(count))
    slots = crowd.workspace.slots[:9].tolist()
    before = crowd.tracker.people.state
    for n in range(9):
        alone, own = fitted(crowd, [n]) if n < count else (before, None)
        for name in State._fields:
            if name != "predicted_information":
                np.testing.assert_array_equal(getattr(together, name)[slots[n]], getattr(alone, name)[slots[n]], name)
        if own is not None:
            np.testing.assert_array_equal(table[n], own[0])


def test_fit_rejects_rays_of_impossible_bones_and_reinitialises_joints_without_prediction(crowd: Pipeline) -> None:
    people, table = fitted(crowd, range(9))
    frame = crowd.workspace
    lost = (frame.table[:9] >= 0) & (table < 0)
    assert lost[LOST].any()
    assert not lost[np.arange(9) != LOST].any()
    reinitialised = people.reinitialised[frame.slots[:9]]
    assert reinitialised[NEWBORN, JOINT]
    assert reinitialised[LOST].any()
    others = np.setdiff1d(np.arange(9), [NEWBORN, LOST])
    np.testing.assert_array_equal(reinitialised[others], crowd.tracker.people.state.reinitialised[frame.slots[others]])
