"""A person's rotations on a character of other proportions, whose feet stay where the person's stay.

1. Every bone of the character that is a human's rotates as the person's does, on top of its way into the T-pose
   (`t_pose`); all others keep their place on their parent.
2. The path of the hips is scaled by the ratio of the legs' lengths, and lifted by what the ankles differ in height.
3. Ankles go to the person's, scaled likewise, by inverse kinematics in the plane of the knee (`two_bones`); where the
   character's legs would be stretched, its hips are lowered, all the time by the same. While a heel is raised the toes
   do so instead: a foot of another length than the leg's turns about them.
4. On request, wrists go to the person's scaled likewise: hands that touch each other or the floor touch there.

The scheme is that of Gleicher, Retargetting Motion to New Characters (1998), with the constraints solved limb by limb.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from multiview.body.frames import YUP_FROM_WORLD, axis_frames
from multiview.body.kinematics import Humanoid, Motion, forward_kinematics, points, world_rotations
from multiview.retarget.rig import Rig
from multiview.retarget.t_pose import into_t_pose
from multiview.retarget.two_bones import reach

__all__ = ["Retargeted", "retarget"]

_STANDING = 0.2  # share of the time, at least, in which a foot is flat on the floor
_STRETCHED = 0.985  # of a leg's length: the hips are lowered until legs are no longer, or than the person's are ...
_SHARE = 0.99  # ... for this share of the time ...
_MAX_LOWERED = 0.05  # ... but by no more than this share of the leg's length
_RAISED = 0.002  # sine: a foot that points down by so much more than while it stands has its heel raised
_SIDES = ("Left", "Right")


@dataclass(frozen=True, slots=True, eq=False)
class Retargeted:
    """A character's movement over T frames.

    Attributes:
        rig: Its B bones.
        hips: (T, 3) m, where its Hips begin, in the rig's axes; what is above the hips stays in the rest pose.
        from_rest: (T, B, 3, 3) rotation of each bone from the rest pose, in the rig's axes.
        known: (T, B) False where the rotation is held.
    """

    rig: Rig
    hips: Float64[np.ndarray, "T 3"]
    from_rest: Float64[np.ndarray, "T B 3 3"]
    known: Bool[np.ndarray, "T B"]


def retarget(
    person: Humanoid, motion: Motion, rig: Rig, joints: tuple[str, ...], xyz: Float64[np.ndarray, "T J 3"], hands: bool
) -> Retargeted:
    """A person's motion on a character.

    Args:
        person: The person's rest pose.
        motion: Root and rotations.
        rig: The character.
        joints: Names of the J joints.
        xyz: (T, J, 3) m, world z up, NaN where unknown: where ankles and wrists really were.
        hands: Whether wrists go where the person's were, too.

    Returns:
        The character's motion.
    """
    source = _Source.of(person, motion, joints, xyz)
    slopes = {} if rig.floor is None else source.sole_slope()
    character = _Character(rig, into_t_pose(rig, person, slopes))
    leg_ratio = character.leg_m() / source.leg_m(person)
    lift = 0.0 if rig.floor is None else character.ankle_height() - leg_ratio * source.ankle_height()
    goals = {name: leg_ratio * place + [0.0, lift, 0.0] for name, place in source.at.items()}
    world = dict(source.world)
    for name, slope in slopes.items():
        toes = name.replace("Foot", "Toes")
        if toes in rig.human:
            own = leg_ratio * person.bones[person.index(toes)].offset
            lacking = world[name] @ (own - character.toes_from(name, toes))
            raised = -world[name][:, 1, 2] - np.sin(slope) - _RAISED
            goals[name] = goals[name] + lacking - _held(lacking, raised, source.at[toes][:, 1])
    hips = character.hips_below(goals["Hips"], world["Hips"])
    feet = [(f"{side}UpperLeg", f"{side}LowerLeg", f"{side}Foot") for side in _SIDES]
    hips[:, 1] -= character.lowered(character.places(hips, world), goals, feet, source.stretched(person))
    for names in feet:
        character.reach(names, world, hips, goals, axis="y", sign=-1.0, hinge="x", hinge_sign=1.0)
    for side, x in (("Left", 1.0), ("Right", -1.0)) if hands else ():
        names = (f"{side}UpperArm", f"{side}LowerArm", f"{side}Hand")
        character.reach(names, world, hips, goals, axis="x", sign=x, hinge="y", hinge_sign=-x)
    known = _known(person, motion, rig)
    back = rig.canonical.T
    return Retargeted(rig, hips @ rig.canonical, back @ character.from_rest(world) @ rig.canonical, known)


@dataclass(slots=True)
class _Source:
    """Where the person's bones begin (m) and their world frames, y up, by VRM's name."""

    at: dict[str, Float64[np.ndarray, "T 3"]]
    world: dict[str, Float64[np.ndarray, "T 3 3"]]

    @classmethod
    def of(
        cls, person: Humanoid, motion: Motion, joints: tuple[str, ...], xyz: Float64[np.ndarray, "T J 3"]
    ) -> _Source:
        chained = forward_kinematics(person, motion)
        seen = points(joints, xyz)
        at = {}
        for name in ("Hips", *(f"{side}{bone}" for side in _SIDES for bone in ("UpperLeg", "Foot", "Hand", "Toes"))):
            if name in chained:
                known = np.isfinite(seen[name]).all(axis=1, keepdims=True)
                at[name] = np.where(known, seen[name], chained[name]) @ YUP_FROM_WORLD.T
        world = YUP_FROM_WORLD @ world_rotations(person, motion)
        return cls(at, {bone.name: world[:, b] for b, bone in enumerate(person.bones)})

    def leg_m(self, person: Humanoid) -> float:
        names = [f"{side}{bone}" for side in _SIDES for bone in ("LowerLeg", "Foot")]
        return float(sum(np.linalg.norm(bone.offset) for bone in person.bones if bone.name in names)) / 2

    def stretched(self, person: Humanoid) -> float:
        """How long their legs get, as a share of the length of the bones."""
        reaches = [np.linalg.norm(self.at[f"{side}Foot"] - self.at[f"{side}UpperLeg"], axis=1) for side in _SIDES]
        return min(float(np.quantile(reaches, _SHARE)) / self.leg_m(person), 1.0)

    def ankle_height(self) -> float:
        """m above the floor, of a foot that stands on it."""
        return float(np.mean([self.at[f"{side}Foot"][self._standing(side), 1].mean() for side in _SIDES]))

    def sole_slope(self) -> dict[str, float]:
        """rad, how far the line from ankle to toes points down while a foot stands on the floor."""
        return {
            f"{side}Foot": float(np.median(np.arcsin(-self.world[f"{side}Foot"][self._standing(side), 1, 2])))
            for side in _SIDES
            if f"{side}Toes" in self.at
        }

    def _standing(self, side: str) -> Bool[np.ndarray, " T"]:
        height = self.at[f"{side}Foot"][:, 1]
        return height <= np.quantile(height, _STANDING)


@dataclass(slots=True)
class _Character:
    """A rig that is given the world frames of a human's bones, in canonical axes."""

    rig: Rig
    t_pose: dict[str, Float64[np.ndarray, "3 3"]]

    def leg_m(self) -> float:
        return float(np.mean([sum(self._lengths(f"{s}UpperLeg", f"{s}LowerLeg", f"{s}Foot")) for s in _SIDES]))

    def ankle_height(self) -> float:
        assert self.rig.floor is not None
        return float(np.mean([self._rest(f"{side}Foot")[1] for side in _SIDES])) - self.rig.floor

    def hips_below(
        self, middle: Float64[np.ndarray, "T 3"], world_from_hips: Float64[np.ndarray, "T 3 3"]
    ) -> Float64[np.ndarray, "T 3"]:
        """m, where the Hips begin when the middle of the hip joints is there."""
        offset = (self._rest("LeftUpperLeg") + self._rest("RightUpperLeg")) / 2 - self._rest("Hips")
        return middle - world_from_hips @ self.t_pose["Hips"] @ offset

    def from_rest(self, world: dict[str, Float64[np.ndarray, "T 3 3"]]) -> Float64[np.ndarray, "T B 3 3"]:
        """Rotation of each bone from the rest pose; a bone that is no human's goes with its parent."""
        bones = {index: name for name, index in self.rig.human.items()}
        from_rest = np.empty((len(world["Hips"]), len(self.rig.bones), 3, 3))
        for b, bone in enumerate(self.rig.bones):
            name = bones.get(b, "")
            if name in world:
                from_rest[:, b] = world[name] @ self.t_pose[name]
            else:
                from_rest[:, b] = from_rest[:, bone.parent] if bone.parent >= 0 else np.eye(3)
        return from_rest

    def places(
        self, hips: Float64[np.ndarray, "T 3"], world: dict[str, Float64[np.ndarray, "T 3 3"]]
    ) -> Float64[np.ndarray, "T B 3"]:
        """m, where every bone begins."""
        rest, rotations = self.rig.places, self.from_rest(world)
        places = np.empty((len(hips), len(rest), 3))
        for b, bone in enumerate(self.rig.bones):
            if b == self.rig.human["Hips"]:
                places[:, b] = hips
            elif bone.parent < 0:
                places[:, b] = rest[b]
            else:
                places[:, b] = places[:, bone.parent] + rotations[:, bone.parent] @ (rest[b] - rest[bone.parent])
        return places

    def lowered(
        self,
        places: Float64[np.ndarray, "T B 3"],
        goals: dict[str, Float64[np.ndarray, "T 3"]],
        legs: list[tuple[str, str, str]],
        stretched: float,
    ) -> float:
        """m, by which the hips must be lower so that legs are stretched no more than the person's."""
        share = max(stretched, _STRETCHED)
        needed, longest = [0.0], 0.0
        for upper, lower, foot in legs:
            way = goals[foot] - places[:, self.rig.human[upper]]
            longest = sum(self._lengths(upper, lower, foot))
            level = np.minimum(np.hypot(way[:, 0], way[:, 2]), share * longest)
            lowest = np.sqrt((share * longest) ** 2 - level**2)  # the hip may be so far above the ankle
            needed.append(float(np.quantile(-way[:, 1] - lowest, _SHARE)))
        return min(max(needed), _MAX_LOWERED * longest)

    def toes_from(self, foot: str, toes: str) -> Float64[np.ndarray, " 3"]:
        """m, from the ankle to the toes, in the human's foot's frame."""
        way: np.ndarray = self.t_pose[foot] @ (self._rest(toes) - self._rest(foot))
        return way

    def reach(
        self,
        names: tuple[str, str, str],
        world: dict[str, Float64[np.ndarray, "T 3 3"]],
        hips: Float64[np.ndarray, "T 3"],
        goals: dict[str, Float64[np.ndarray, "T 3"]],
        axis: str,
        sign: float,
        hinge: str,
        hinge_sign: float,
    ) -> None:
        """Turn the two bones of a limb so that the third begins at its goal; it keeps its own direction."""
        upper, lower, end = names
        start = self.places(hips, world)[:, self.rig.human[upper]]
        about = hinge_sign * world[upper][:, :, "xyz".index(hinge)]
        first, second, about = reach(start, goals[end], about, *self._lengths(*names))
        world[upper] = axis_frames(axis, sign * first, hinge, hinge_sign * about)
        world[lower] = axis_frames(axis, sign * second, hinge, hinge_sign * about)

    def _rest(self, name: str) -> Float64[np.ndarray, " 3"]:
        place: np.ndarray = self.rig.places[self.rig.human[name]]
        return place

    def _lengths(self, upper: str, lower: str, end: str) -> tuple[float, float]:
        places = [self._rest(name) for name in (upper, lower, end)]
        return float(np.linalg.norm(places[1] - places[0])), float(np.linalg.norm(places[2] - places[1]))


def _held(
    values: Float64[np.ndarray, "T 3"], raised: Float64[np.ndarray, " T"], height: Float64[np.ndarray, " T"]
) -> Float64[np.ndarray, "T 3"]:
    """While a heel is raised, the value of the level foot before or after; changes while the toes are high."""
    held = values.copy()
    for begin, end in np.flatnonzero(np.diff((raised > 0).astype(np.int8), prepend=0, append=0)).reshape(-1, 2):
        if begin == 0 and end == len(values):
            continue
        before, after = ([i for i in pair if 0 <= i < len(values)] for pair in ((begin - 1, begin), (end, end - 1)))
        ends = [values[min(pair, key=lambda i: abs(raised[i]))] for pair in (before, after) if len(pair) == 2]
        flown = np.cumsum((height[begin:end] - height[begin:end].min()) ** 2)
        held[begin:end] = ends[0] + (flown / max(flown[-1], 1e-12))[:, None] * (ends[-1] - ends[0])
    return held


def _known(person: Humanoid, motion: Motion, rig: Rig) -> Bool[np.ndarray, "T B"]:
    known = np.ones((len(motion.root), len(rig.bones)), dtype=bool)
    for b, bone in enumerate(person.bones):
        if bone.name in rig.human:
            known[:, rig.human[bone.name]] = motion.known[:, b]
    return known
