"""Everyone that fusion believes in, as arrays: one slot per person, so that kernels run over all of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from multiview.fusion.state.body_model import Body
from multiview.geometry.handles import handle_of

__all__ = ["People", "State"]

UNKNOWN_SD_M = 0.25  # where a joint that was never measured may be, about its place in a standing body
WALK_M_S = 1.0  # how fast someone may move who was never seen before
BEND, LOOSE_BEND = 0.02, 0.2  # how much a bone varies though nobody grows, until more is known
LENGTH_SD = 0.12  # of the bones of adults and children, relative to their own overall size


class State(NamedTuple):
    """M slots of J joints and E bones.

    A joint's `pos` m and `vel` m/s have covariance blocks named by two letters: pp, vv (6 numbers), pv (9, row major).
    `prior` is the inverse of the predicted pp, zero where there is no prediction. `seen` m is where the last frame
    alone saw the joint, with the covariance `blur` m^2 (6), zero where it did not see it. `agility` m^2/s^3 is the
    power of the random acceleration, `surprise` the logarithm of that over what is usual; `anew` marks joints that know
    nothing of the frames before. Bones have a `length` m with `variance` m^2, and the relative variation `bend`, which
    comes from the sums `wobble`. `known` joints were measured or have a prior.
    """

    pos: Float64[np.ndarray, "M J 3"]
    vel: Float64[np.ndarray, "M J 3"]
    pp: Float64[np.ndarray, "M J 6"]
    pv: Float64[np.ndarray, "M J 9"]
    vv: Float64[np.ndarray, "M J 6"]
    prior: Float64[np.ndarray, "M J 6"]
    seen: Float64[np.ndarray, "M J 3"]
    blur: Float64[np.ndarray, "M J 6"]
    agility: Float64[np.ndarray, "M J"]
    surprise: Float64[np.ndarray, "M J"]
    anew: Bool[np.ndarray, "M J"]
    known: Bool[np.ndarray, "M J"]
    length: Float64[np.ndarray, "M E"]
    variance: Float64[np.ndarray, "M E"]
    bend: Float64[np.ndarray, "M E"]
    wobble: Float64[np.ndarray, "M E 2"]

    @staticmethod
    def empty(slots: int, joints: int, bones: int) -> State:
        """Slots without anyone."""
        J, E = (joints,), (bones,)
        shapes = {
            "pos": (*J, 3), "vel": (*J, 3), "pp": (*J, 6), "pv": (*J, 9), "vv": (*J, 6), "prior": (*J, 6),
            "seen": (*J, 3), "blur": (*J, 6), "agility": J, "surprise": J, "anew": J, "known": J,
            "length": E, "variance": E, "bend": E, "wobble": (*E, 2),
        }  # fmt: skip
        flags = ("anew", "known")
        return State(**{k: np.zeros((slots, *shapes[k]), bool if k in flags else float) for k in State._fields})


class People:
    """The slots, and how someone new enters one."""

    def __init__(self, body: Body, slots: int = 8) -> None:
        self.body = body
        self.state = State.empty(slots, len(body.parent), len(body.ends))
        self.handle = handle_of(self.state)

    @property
    def slots(self) -> int:
        return len(self.state.pos)

    def grow(self) -> None:
        """Twice as many slots; who is there stays where they are."""
        more = State.empty(self.slots, len(self.body.parent), len(self.body.ends))
        self.state = State(*(np.concatenate(pair) for pair in zip(self.state, more, strict=True)))
        self.handle = handle_of(self.state)

    def begin(self, slot: int, agility: Float64[np.ndarray, " J"]) -> None:
        """Make a slot somebody unseen: no prediction, an adult's bones."""
        body, s = self.body, self.state
        for array in (s.prior, s.vel, s.pv, s.blur, s.surprise, s.wobble):
            array[slot] = 0.0
        s.vv[slot] = np.array([1, 0, 0, 1, 0, 1]) * WALK_M_S**2
        s.agility[slot] = agility
        s.length[slot] = body.length
        s.variance[slot] = (LENGTH_SD * body.length) ** 2
        s.bend[slot] = np.where(body.loose, LOOSE_BEND, BEND)
        s.known[slot] = np.isfinite(body.standing[:, 0])

    def place(self, slot: int, xyz: Float64[np.ndarray, "J 3"], measured: Bool[np.ndarray, " J"], size: float) -> None:
        """Give a newborn's unmeasured joints a weak prediction: a standing body, laid on the measured joints.

        The body is scaled by `size` (so are its bone lengths), turned and moved to the measured torso (Kabsch 1976).
        """
        body, s = self.body, self.state
        standing = body.standing
        s.length[slot] *= size
        s.variance[slot] *= size * size
        use = np.flatnonzero(measured & np.isfinite(standing[:, 0]))
        torso = body.torso[measured[body.torso]]
        use = torso if len(torso) >= 3 else use
        if len(use) < 3:
            s.pos[slot] = np.where(measured[:, None], xyz, xyz[measured].mean(axis=0))
        else:
            a, b = standing[use].mean(axis=0), xyz[use].mean(axis=0)
            u, _, vt = np.linalg.svd((standing[use] - a).T @ (xyz[use] - b))
            turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
            s.pos[slot] = np.where(measured[:, None], xyz, size * (standing - a) @ turn + b)
        for j in body.order:
            if not np.isfinite(s.pos[slot, j, 0]):
                s.pos[slot, j] = s.pos[slot, body.parent[j]]
        weak = np.array([1, 0, 0, 1, 0, 1]) * (size * UNKNOWN_SD_M) ** 2
        s.pp[slot] = weak
        s.anew[slot] = True
        s.prior[slot] = np.where(measured[:, None], 0.0, np.array([1, 0, 0, 1, 0, 1]) / weak[0])

    def remember_bones(self, source: int, target: int) -> None:
        """The person in `target` is the one in `source`: the bones are known already."""
        for array in (self.state.length, self.state.variance, self.state.bend, self.state.wobble):
            array[target] = array[source]
