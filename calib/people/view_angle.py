"""From which side a camera sees a person: what a detector's errors depend on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from calib.people.bodies import bodies_of
from calib.people.bundle_of_people import Observed
from calib.people.joint_bundle import RigState

__all__ = ["angles_of_view"]

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def angles_of_view(observed: Observed, state: RigState, joints: tuple[str, ...]) -> Float64[np.ndarray, " N"]:
    """The angle about the vertical of the picture between a camera's axis and the way that the person faces.

    Args:
        observed: The observations.
        state: Of their bundle.
        joints: Names of the joints.

    Returns:
        (N,) rad, 0 for a person who faces away from the camera; NaN where the trunk is unknown.
    """
    bundle, index = observed.bundle, {name: j for j, name in enumerate(joints)}
    time, angle = bundle.true_time(state), np.full(len(bundle.camera), np.nan)
    if not all(name in index for name in _TRUNK):
        return angle
    for p, body in enumerate(bodies_of(observed, state, len(joints))):
        own = np.flatnonzero(observed.person == p)
        if not len(own):
            continue
        ls, rs, lh, rh = (body.xyz[:, index[name]] for name in _TRUNK)
        forward = np.cross((ls - rs) + (lh - rh), (ls + rs) - (lh + rh))
        step = float(body.time[1] - body.time[0]) if len(body.time) > 1 else 1.0
        row = np.clip(np.rint((time[own] - body.time[0]) / step).astype(np.int64), 0, len(body.time) - 1)
        seen = np.einsum("nij,nj->ni", state.R[bundle.camera[own]], forward[row])
        angle[own] = np.arctan2(seen[:, 0], seen[:, 2])
    return angle
