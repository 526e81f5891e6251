"""One person of a live stream: bone lengths as they become known, and rotations from frame to frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.body.actor import load_rest_pose
from multiview.body.kinematics import Humanoid, Motion, RotationSolver, humanoid
from multiview.body.skeleton import Skeleton
from multiview.data import Track
from services.bridges._steady_sign import SteadySign

__all__ = ["LearnedPerson"]


class LearnedPerson:
    """Bone lengths are those of the actor of the track's name, otherwise medians of the joints observed so far.

    `local_sign` and `world_sign` are for the quaternions that a bridge sends, against the parent and in the world.

    Args:
        skeleton: Of the stream.
        rate_hz: Of the stream.
        learn_s: Time in which the bone lengths of a new person are measured, s.
    """

    def __init__(self, skeleton: Skeleton, rate_hz: float, learn_s: float) -> None:
        self.name, self._skeleton, self._frame_s = "", skeleton, 1.0 / rate_hz
        self._learn = max(1, round(learn_s * rate_hz))
        self._seen: list[Float64[np.ndarray, "J 3"]] = []
        self._solver: RotationSolver | None = None
        self.local_sign, self.world_sign = SteadySign(), SteadySign()

    def solve(self, track: Track) -> tuple[Humanoid, Motion]:
        """Rest pose and rotations at one tick.

        Args:
            track: The person.

        Returns:
            The rest pose as it is known by now, and a motion of one frame.
        """
        if track.name != self.name:
            self._set_name(track.name)
        if len(self._seen) < self._learn:
            self._seen.append(track.pose.xyz)
            if self._solver is None or len(self._seen) & (len(self._seen) - 1) == 0 or len(self._seen) == self._learn:
                rest = humanoid(self._skeleton.joints, np.stack(self._seen))
                self._solver = self._solver or RotationSolver(rest, self._skeleton.joints, self._frame_s)
                self._solver.person = rest
        assert self._solver is not None
        return self._solver.person, self._solver.solve(track.pose.xyz[None])

    def _set_name(self, name: str) -> None:
        """Another name, and with it the bone lengths of the actor of that name, if there is one."""
        self.name = name
        kept = load_rest_pose(name, self._skeleton.name)
        if kept is not None:
            self._solver = self._solver or RotationSolver(kept, self._skeleton.joints, self._frame_s)
            self._solver.person, self._learn = kept, 0
