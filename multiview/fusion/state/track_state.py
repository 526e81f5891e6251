"""The state of all tracks as arrays: one slot per person, so that kernels run over all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from multiview.fusion.state.body_model import Body
from multiview.geometry.rigid import nearest_rotation

__all__ = ["People", "State"]

UNKNOWN_SD_M = 0.25  # where a joint of trunk or head that was never measured may be, about its place in a standing body
DISPUTED_FRAMES = 8.0  # in which most views contradict a track's left and right before it gives way; at birth at once
POSTURE_RATE = 4.0  # 1/s^2: how quickly someone changes posture who was never seen before; wrists move at 0.75 m/s
WALK_M_S = 1.0  # how fast someone may move who was never seen before
UPPER = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])  # where the 6 numbers of a symmetric matrix stand
PACKED = (0, 0, 0, 1, 1, 2), (0, 1, 2, 1, 2, 2)  # and which ones they are
LENGTH_CV, NONRIGID_LENGTH_CV = 0.02, 0.2  # of one bone over time (keypoints slide on a body), until it is learned
POPULATION_LENGTH_CV = 0.12  # of the bones of adults and children, relative to their own overall size


class State(NamedTuple):
    """M slots of J joints and E bones.

    A joint's state is its position `pos` m and velocity `vel` m/s with the covariance [[cov_pp, cov_pv], [cov_pv',
    cov_vv]], blocks of 6 (xx, xy, xz, yy, yz, zz), 9 (row major) and 6 numbers. `predicted_information` is the inverse
    of the predicted cov_pp, zero where there is no prediction. `measurement` m is where the last frame alone placed the
    joint, `measurement_cov` m^2 its covariance, zero where that frame did not. `acceleration_psd` m^2/s^3 is the power
    spectral density of the random acceleration, `log_process_noise_scale` the logarithm of its ratio to the nominal
    one. `reinitialised` marks joints whose estimate is independent of earlier frames, `has_estimate` those that were
    measured or have a prior; `disputed_sides` counts the frames in which most views contradict left and right, less the
    others. `posture_rate` 1/s^2 is how quickly a limb's joint changes its place on the body, `carried_vel` m/s the
    velocity that a limb's joint would have if it went with the torso. Bones have a `length` m with `length_variance`
    m^2, and the coefficient of variation `length_cv` (keypoints slide on a body), which comes from `length_cv_sums`.
    """

    pos: Float64[np.ndarray, "M J 3"]
    vel: Float64[np.ndarray, "M J 3"]
    cov_pp: Float64[np.ndarray, "M J 6"]
    cov_pv: Float64[np.ndarray, "M J 9"]
    cov_vv: Float64[np.ndarray, "M J 6"]
    predicted_information: Float64[np.ndarray, "M J 6"]
    measurement: Float64[np.ndarray, "M J 3"]
    measurement_cov: Float64[np.ndarray, "M J 6"]
    acceleration_psd: Float64[np.ndarray, "M J"]
    log_process_noise_scale: Float64[np.ndarray, "M J"]
    reinitialised: Bool[np.ndarray, "M J"]
    has_estimate: Bool[np.ndarray, "M J"]
    disputed_sides: Float64[np.ndarray, " M"]
    posture_rate: Float64[np.ndarray, "M J"]
    carried_vel: Float64[np.ndarray, "M J 3"]
    length: Float64[np.ndarray, "M E"]
    length_variance: Float64[np.ndarray, "M E"]
    length_cv: Float64[np.ndarray, "M E"]
    length_cv_sums: Float64[np.ndarray, "M E 2"]

    @staticmethod
    def empty(slots: int, joints: int, bones: int) -> State:
        """Slots without anyone."""
        J, E = (joints,), (bones,)
        shapes = {
            "pos": (*J, 3), "vel": (*J, 3), "cov_pp": (*J, 6), "cov_pv": (*J, 9), "cov_vv": (*J, 6),
            "predicted_information": (*J, 6), "measurement": (*J, 3), "measurement_cov": (*J, 6),
            "acceleration_psd": J, "log_process_noise_scale": J, "reinitialised": J, "has_estimate": J,
            "disputed_sides": (), "posture_rate": J, "carried_vel": (*J, 3),
            "length": E, "length_variance": E, "length_cv": E, "length_cv_sums": (*E, 2),
        }  # fmt: skip
        flags = ("reinitialised", "has_estimate")
        return State(**{k: np.zeros((slots, *shapes[k]), bool if k in flags else float) for k in State._fields})


class People:
    """The slots, and how someone new enters one."""

    def __init__(self, body: Body, slots: int = 8) -> None:
        self.body = body
        self.state = State.empty(slots, len(body.parent), len(body.ends))

    @property
    def slots(self) -> int:
        return len(self.state.pos)

    def grow(self) -> None:
        """Twice as many slots; who is there stays where they are."""
        more = State.empty(self.slots, len(self.body.parent), len(self.body.ends))
        self.state = State(*(np.concatenate(pair) for pair in zip(self.state, more, strict=True)))

    def begin(self, slot: int, acceleration_psd: Float64[np.ndarray, " J"]) -> None:
        """Prepare a slot for a new track: no prediction, an adult's bones."""
        body, s = self.body, self.state
        unset = (
            s.predicted_information,
            s.vel,
            s.cov_pv,
            s.measurement_cov,
            s.carried_vel,
            s.log_process_noise_scale,
            s.length_cv_sums,
        )
        for array in unset:
            array[slot] = 0.0
        s.disputed_sides[slot] = DISPUTED_FRAMES
        s.posture_rate[slot] = POSTURE_RATE
        s.cov_vv[slot] = np.array([1, 0, 0, 1, 0, 1]) * WALK_M_S**2
        s.acceleration_psd[slot] = acceleration_psd
        s.length[slot] = body.length
        s.length_variance[slot] = (POPULATION_LENGTH_CV * body.length) ** 2
        s.length_cv[slot] = np.where(body.nonrigid, NONRIGID_LENGTH_CV, LENGTH_CV)
        s.has_estimate[slot] = np.isfinite(body.rest_pose[:, 0])

    def initialise(
        self, slot: int, xyz: Float64[np.ndarray, "J 3"], measured: Bool[np.ndarray, " J"], size: float
    ) -> None:
        """Give unmeasured joints of a new track a weak prediction: a standing body, aligned with the measured joints.

        The body is scaled by `size` (so are its bone lengths), rotated and moved to the measured torso (Kabsch 1976).
        """
        body, s = self.body, self.state
        standing = body.rest_pose
        s.length[slot] *= size
        s.length_variance[slot] *= size * size
        known = measured & np.isfinite(standing[:, 0])
        use = np.flatnonzero(known)
        torso = body.torso[known[body.torso]]
        use = torso if len(torso) >= 3 else use
        if len(use) < 3:
            s.pos[slot] = np.where(measured[:, None], xyz, xyz[measured].mean(axis=0))
        else:
            a, b = standing[use].mean(axis=0), xyz[use].mean(axis=0)
            R = nearest_rotation((xyz[use] - b).T @ (standing[use] - a))
            s.pos[slot] = np.where(measured[:, None], xyz, size * (standing - a) @ R.T + b)
        for j in body.order:
            if not np.isfinite(s.pos[slot, j, 0]):
                s.pos[slot, j] = s.pos[slot, body.parent[j]]
        s.cov_pp[slot] = np.array([1, 0, 0, 1, 0, 1]) * (size * UNKNOWN_SD_M) ** 2
        s.reinitialised[slot] = True

    def predict_unmeasured(self, slot: int, measured: Bool[np.ndarray, " J"]) -> None:
        """The unmeasured joints of a new track are predicted where they are, as uncertainly as they are known."""
        s = self.state
        information = np.linalg.inv(s.cov_pp[slot][:, UPPER])[:, *PACKED]
        s.predicted_information[slot] = np.where(measured[:, None], 0.0, information)

    def trust(self, slot: int, measured: Bool[np.ndarray, " J"], information: Float64[np.ndarray, "J 6"]) -> None:
        """The measured joints of a track are as certain as `information` (1/m^2) says."""
        full = np.linalg.inv(information[measured][:, UPPER])
        self.state.cov_pp[slot, measured] = full[:, *PACKED]
        self.state.has_estimate[slot, measured] = True

    def go_on(self, source: int, target: int) -> None:
        """The person in `target` is the one in `source`: the bones are known, and how quickly the posture changes."""
        s = self.state
        for array in (s.length, s.length_variance, s.length_cv, s.length_cv_sums, s.posture_rate):
            array[target] = array[source]

    def keep_speed(self, source: int, target: int) -> None:
        """Who begins in `target` may be as fast as the person in `source`, in any direction."""
        s = self.state
        speed = float(np.linalg.norm(s.vel[source, self.body.torso].mean(axis=0)))
        s.cov_vv[target] = np.array([1, 0, 0, 1, 0, 1]) * max(WALK_M_S, speed) ** 2
