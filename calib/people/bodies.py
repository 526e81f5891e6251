"""People as they walked: their joints at even times, from the curves of a bundle, where cameras really saw them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from calib.people.bundle_of_people import Observed
from calib.people.joint_bundle import RigState

__all__ = ["Body", "bodies_of"]

_STEP_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """One person.

    Attributes:
        time: (T,) s, on the first camera's clock.
        xyz: (T, J, 3) in the unit and axes of the bundle, NaN where fewer than two cameras saw the joint.
        velocity: (T, J, 3) by the second.
    """

    time: Float64[np.ndarray, " T"]
    xyz: Float64[np.ndarray, "T J 3"]
    velocity: Float64[np.ndarray, "T J 3"]


def bodies_of(observed: Observed, state: RigState, joints: int) -> list[Body]:
    """Everybody, in the order of the bundle's people.

    Args:
        observed: The bundle.
        state: Of it.
        joints: Of the skeleton.

    Returns:
        One body for each person.
    """
    bundle, curves = observed.bundle, observed.bundle.curves
    bin_of = np.floor(bundle.true_time(state) / _STEP_S).astype(np.int64)
    found = []
    for p in range(int(observed.curve_person.max(initial=-1)) + 1):
        own = observed.person == p
        if not own.any():
            found.append(Body(np.empty(0), np.empty((0, joints, 3)), np.empty((0, joints, 3))))
            continue
        low, high = int(bin_of[own].min()), int(bin_of[own].max())
        seen = np.zeros((high - low + 1, joints, len(state.R)), dtype=bool)
        seen[bin_of[own] - low, observed.joint[own], bundle.camera[own]] = True
        time = (np.arange(low, high + 1) + 0.5) * _STEP_S
        xyz, velocity = np.full((2, len(time), joints, 3), np.nan)
        for q in np.flatnonzero(observed.curve_person == p):
            j = int(observed.curve_joint[q])
            which = np.full(len(time), q)
            place, speed, _, _ = curves.at(state.coefficients, which, time)
            known = (seen[:, j].sum(axis=1) >= 2) & curves.inside(which, time)
            xyz[known, j], velocity[known, j] = place[known], speed[known]
        found.append(Body(time, xyz, velocity))
    return found
