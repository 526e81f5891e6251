"""One joint of one person through kernels that do four people at once."""

import numpy as np

from multiview.fit.filter_kernels import measure
from multiview.fit.group_kernels import new_group
from multiview.fit.people import State


def measure_one(
    people: State, dt: float, persistence: float, share: float, views: int, point: np.ndarray, C: np.ndarray
) -> tuple[float, float]:
    """Measure a state of one slot and one joint at `point` with covariance C (6); what `measure` finds and expects."""
    group = new_group(1, 1)
    filtered = ("pos", "vel", "pp", "pv", "vv", "seen", "blur")
    for name in (*filtered, "prior"):
        getattr(group, name)[:] = getattr(people, name).reshape(-1, 1)
    group.xyz[:], group.C[:], group.views[:], group.dt[:] = point[:, None], C[:, None], views, dt
    measure(group, persistence, share)
    for name in filtered:
        lanes = getattr(group, name)
        np.testing.assert_array_equal(lanes, lanes[:, :1] + np.zeros(4))
        getattr(people, name)[:] = lanes[:, 0].reshape(getattr(people, name).shape)
    return float(group.found[0, 0]), float(group.expected[0, 0])
