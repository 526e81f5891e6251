"""Four people in lanes, from and to arrays that have a row for each."""

import numpy as np

from multiview.fusion.estimation.kalman_kernels import measure
from multiview.fusion.estimation.lane_group_kernels import Group
from multiview.fusion.state.elimination import Elimination
from multiview.fusion.state.track_state import State

ONE = Elimination.of(1, np.array([[0, -1]]))  # joint


def side_by_side(people: State, graph: Elimination) -> Group:
    """The first four slots in the lanes; all else is NaN."""
    group = Group.empty(graph)
    for array in group:
        array[:] = np.nan
    for name in set(Group._fields) & set(State._fields):
        put(getattr(people, name)[:4], getattr(group, name))
    return group


def put(four: np.ndarray, lanes: np.ndarray) -> None:
    """Arrays of four people into their lanes."""
    lanes[:] = four.reshape(len(four), -1).T


def measure_one(
    people: State, dt: float, error_autocorrelation: float, share: float, views: int, point: np.ndarray, C: np.ndarray
) -> tuple[float, float]:
    """Measure a state of one slot and one joint at `point` with covariance C (6); what `measure` finds and expects."""
    group = side_by_side(State(*(np.repeat(array, 4, axis=0) for array in people)), ONE)
    group.xyz[:], group.C[:], group.views[:], group.dt[:] = point[:, None], C[:, None], views, dt
    measure(group, error_autocorrelation, share)
    for name in ("pos", "vel", "cov_pp", "cov_pv", "cov_vv", "measurement", "measurement_cov"):
        lanes = getattr(group, name)
        np.testing.assert_array_equal(lanes, lanes[:, :1] + np.zeros(4))
        getattr(people, name)[:] = lanes[:, 0].reshape(getattr(people, name).shape)
    return float(group.innovation_sq[0, 0]), float(group.expected_innovation_sq[0, 0])
