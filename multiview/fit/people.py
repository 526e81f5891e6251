"""Everyone that fusion believes in, as arrays: one slot per person, so that kernels run over all of them."""

from __future__ import annotations

import numpy as np

from multiview.fit.body import Body

__all__ = ["People"]

UNKNOWN_SD_M = 0.25  # where a joint that was never measured may be, about its place in a standing body
WALK_M_S = 1.0  # how fast someone may move who was never seen before
LENGTH_SD = 0.12  # of the bones of adults and children, relative to their own overall size
BEND = 0.04  # how much a bone varies though its person does not grow: keypoints slide on the body
LOOSE_BEND = 0.2


class People:
    """State of M slots of J joints; see `filter_kernels` for `pos` to `prior`.

    `length` m, its `variance` m^2 and the relative variation `bend` belong to the bone from each joint to its parent;
    `known` says that a joint was measured or has a prior; `unseen_s` is the time since a joint was last measured.
    """

    def __init__(self, body: Body, slots: int = 8) -> None:
        self.body = body
        joints = len(body.parent)
        self.pos = np.zeros((slots, joints, 3))
        self.vel = np.zeros((slots, joints, 3))
        self.P = np.zeros((slots, joints, 6))
        self.Q = np.zeros((slots, joints, 9))
        self.V = np.zeros((slots, joints, 6))
        self.prior = np.zeros((slots, joints, 6))
        self.agility = np.zeros((slots, joints))
        self.length = np.zeros((slots, joints))
        self.variance = np.zeros((slots, joints))
        self.bend = np.zeros((slots, joints))
        self.known = np.zeros((slots, joints), dtype=bool)
        self.unseen_s = np.zeros((slots, joints))

    @property
    def slots(self) -> int:
        return len(self.pos)

    def grow(self) -> None:
        """Twice as many slots; what is there stays where it is."""
        for name, array in vars(self).items():
            if isinstance(array, np.ndarray):
                setattr(self, name, np.concatenate([array, np.zeros_like(array)]))

    def begin(self, slot: int, agility: np.ndarray) -> None:
        """Make a slot somebody unseen: no prediction, an adult's bones."""
        body = self.body
        self.prior[slot] = 0.0
        self.vel[slot] = 0.0
        self.Q[slot] = 0.0
        self.V[slot] = np.array([1, 0, 0, 1, 0, 1]) * WALK_M_S**2
        self.agility[slot] = agility
        self.length[slot] = body.length
        self.bend[slot] = np.where(body.loose, LOOSE_BEND, BEND)
        self.known[slot] = np.isfinite(body.standing[:, 0])
        self.unseen_s[slot] = 0.0
        self.variance[slot] = (LENGTH_SD * body.length) ** 2

    def place(self, slot: int, xyz: np.ndarray, measured: np.ndarray) -> None:
        """Give a newborn's unmeasured joints a weak prediction: a standing body, laid on the measured joints.

        The body is scaled to the measured bones (so are its bone lengths), turned and moved to the measured core joints
        (Kabsch 1976).
        """
        body = self.body
        standing = body.standing
        child = np.flatnonzero((body.parent >= 0) & measured & measured[body.parent] & (body.length > 0.1))
        scale = 1.0
        if len(child) >= 3:
            ratio = np.linalg.norm(xyz[child] - xyz[body.parent[child]], axis=-1) / body.length[child]
            scale = float(np.clip(np.sort(ratio)[len(ratio) // 2], 0.5, 1.3))
        self.length[slot] *= scale
        self.variance[slot] *= scale * scale
        use = np.flatnonzero(measured & np.isfinite(standing[:, 0]))
        torso = body.torso[measured[body.torso]]
        use = torso if len(torso) >= 3 else use
        if len(use) < 3:
            self.pos[slot] = np.where(measured[:, None], xyz, xyz[measured].mean(axis=0))
        else:
            a, b = standing[use].mean(axis=0), xyz[use].mean(axis=0)
            u, _, vt = np.linalg.svd((standing[use] - a).T @ (xyz[use] - b))
            turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
            self.pos[slot] = np.where(measured[:, None], xyz, scale * (standing - a) @ turn + b)
        for j in body.order:
            if not np.isfinite(self.pos[slot, j, 0]):
                self.pos[slot, j] = self.pos[slot, body.parent[j]]
        weak = np.array([1, 0, 0, 1, 0, 1]) / (scale * UNKNOWN_SD_M) ** 2
        self.prior[slot] = np.where(measured[:, None], 0.0, weak)

    def copy(self, source: int, target: int) -> None:
        """Make `target` what `source` is."""
        for array in vars(self).values():
            if isinstance(array, np.ndarray):
                array[target] = array[source]
