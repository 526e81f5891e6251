"""A person's skeleton and its movement, in the axes of a file of animation: their own, or a character's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from multiview.body.frames import YUP_FROM_WORLD
from multiview.body.kinematics import Bone, Humanoid
from multiview.export._dense import Dense, rest_pose, solve_motion
from multiview.recordings.pose_table import Poses
from multiview.retarget.retarget import Retargeted, retarget
from multiview.retarget.target import Character

__all__ = ["Figure", "figure", "retargeted"]


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """B bones over T frames.

    Attributes:
        rest: The bones, whose rotations are all none in the rest pose.
        hips: Index of the bone that moves; what is above it stays.
        root: (T, 3) m, where the hips begin.
        local: (T, B, 3, 3) rotations relative to the parent, of the first bone relative to the file's axes.
        known: (T, B) False where a rotation is held.
    """

    rest: Humanoid
    hips: int
    root: Float64[np.ndarray, "T 3"]
    local: Float64[np.ndarray, "T B 3 3"]
    known: Bool[np.ndarray, "T B"]

    def rotates(self, bone: int) -> bool:
        """Whether a bone ever turns on its parent.

        Args:
            bone: Its index.

        Returns:
            False for an end, or a helper that is no human's.
        """
        return bool(np.abs(self.local[:, bone] - np.eye(3)).max(initial=0.0) > 1e-9)

    def below_hips(self) -> Figure:
        """The hips and what hangs on them, in the same order."""
        kept = [self.hips]
        kept += [i for i, bone in enumerate(self.rest.bones) if i > self.hips and _hangs_on(self.rest, bone, self.hips)]
        place = {old: new for new, old in enumerate(kept)}
        bones = [self.rest.bones[i] for i in kept]
        moved = tuple(Bone(bone.name, place.get(bone.parent, -1), bone.offset) for bone in bones)
        rest = Humanoid((Bone(moved[0].name, -1, np.zeros(3)), *moved[1:]), {})
        return Figure(rest, 0, self.root, self.local[:, kept], self.known[:, kept])


def figure(poses: Poses, person: Dense, character: Character | None) -> Figure:
    """What a file shows of a person.

    Args:
        poses: Of everyone.
        person: Their frames.
        character: Who moves as they do; None for a skeleton of their own.

    Returns:
        The skeleton and its movement.
    """
    if character is not None:
        return _of_rig(retargeted(poses, person, character))
    rest = rest_pose(poses, person)
    motion = solve_motion(person, rest)
    local = motion.local.copy()
    local[:, 0] = YUP_FROM_WORLD @ local[:, 0]
    return Figure(rest, 0, motion.root @ YUP_FROM_WORLD.T, local, motion.known)


def retargeted(poses: Poses, person: Dense, character: Character) -> Retargeted:
    """A person's movement on a character.

    Args:
        poses: Of everyone.
        person: Their frames.
        character: Who moves as they do.

    Returns:
        The character's movement.
    """
    rest = rest_pose(poses, person)
    motion = solve_motion(person, rest)
    return retarget(rest, motion, character.rig_of(rest), person.joints, person.xyz, character.hands)


def _of_rig(moved: Retargeted) -> Figure:
    bones, from_rest = moved.rig.bones, moved.from_rest
    rest, local = [], from_rest.copy()
    for b, bone in enumerate(bones):
        above = bones[bone.parent].place if bone.parent >= 0 else np.zeros(3)
        rest.append(Bone(bone.name, bone.parent, bone.place - above))
        if bone.parent >= 0:
            local[:, b] = np.swapaxes(from_rest[:, bone.parent], 1, 2) @ from_rest[:, b]
    return Figure(Humanoid(tuple(rest), {}), moved.rig.human["Hips"], moved.hips, local, moved.known)


def _hangs_on(rest: Humanoid, bone: Bone, top: int) -> bool:
    while bone.parent >= 0:
        if bone.parent == top:
            return True
        bone = rest.bones[bone.parent]
    return False
