"""Joint rotations from joint positions: what animation programs and joint-angle tables need.

A person is a tree of bones with the VRM humanoid names. In the rest pose, a T-pose, every bone's frame is x to the
person's left, y up, z forward, so that all local rotations are the identity there. Then, frame by frame:

- Hips: x along the line of the hips, y towards the middle of the shoulders as far as that allows.
- UpperChest: x along the line of the shoulders; the middle of these, where Neck is, lies straight above it.
- Spine, straight above the hips, and Chest: from there to UpperChest, bent forward as far as these are nearer to each
  other than when upright; twist half from the hips and half from the shoulders.
- Neck: y towards the middle of the ears; Head, there: x along the line of the ears, z towards the nose; where landmarks
  of the face are known, see `head_kinematics`.
- Limbs: the bone's direction, and the plane of elbow or knee for the twist. A straight limb has no plane: the hinge
  axis is then carried along with the bone from before, and turns back at `MAX_HINGE_RAD_S` at most: it never flips.
  A straight leg turns with its toes, or with the hips where toes are unknown.
- Feet, where toes are known: z towards them, y as near to the shank as that allows.
- Hands and fingers, where their joints are known: see `finger_kinematics`.

Bone lengths are constant, the medians over time, so forward kinematics gives every joint back as far as the data keeps
its lengths. Rotations of what is unknown are held, relative to the parent.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from multiview.body.finger_kinematics import (
    FINGER_HIERARCHY,
    finger_frames,
    finger_points,
    finger_roots,
    hand_frame,
)
from multiview.body.frames import axis_frames, unit_vectors
from multiview.body.head_kinematics import HEAD_POINTS, head_frame, head_points
from multiview.body.kinematics_kernels import carry_hinge
from multiview.errors import ConfigError

__all__ = [
    "HIERARCHY",
    "Bone",
    "Humanoid",
    "Motion",
    "RotationSolver",
    "forward_kinematics",
    "humanoid",
    "points",
    "world_rotations",
]

_TRUNK_END = 0.2  # Spine lies so far above the hips, and UpperChest below the shoulders, as a share of their distance
_TRUNK_FACTOR = 1.02  # the trunk's bones are this much longer than hips to shoulders ever get: never quite straight
MAX_HINGE_RAD_S = 9.0  # rad/s, of a limb's hinge axis about the limb
_BENT, _STRAIGHT = 0.3, 0.15  # sines: a limb that is bent so far has a plane; a straight one counts as bent so far

# Bone: parent, the direction of its offset from the parent in the rest pose (whose length is the person's). The upper
# arms are as high as the neck besides.
HIERARCHY: dict[str, tuple[str, tuple[float, float, float]]] = {
    "Hips": ("", (0, 0, 0)),
    "Spine": ("Hips", (0, 1, 0)),
    "Chest": ("Spine", (0, 1, 0)),
    "UpperChest": ("Chest", (0, 1, 0)),
    "Neck": ("UpperChest", (0, 1, 0)),
    "Head": ("Neck", (0, 1, 0)),
    **{f"{side}{bone}": (parent if parent in ("UpperChest", "Hips") else f"{side}{parent}", offset) for side, x in
       (("Left", 1.0), ("Right", -1.0)) for bone, parent, offset in (
           ("UpperArm", "UpperChest", (x, 0, 0)), ("LowerArm", "UpperArm", (x, 0, 0)), ("Hand", "LowerArm", (x, 0, 0)),
           ("UpperLeg", "Hips", (x, 0, 0)), ("LowerLeg", "UpperLeg", (0, -1, 0)), ("Foot", "LowerLeg", (0, -1, 0)),
           ("Toes", "Foot", (0, 0, 1)))},
    **FINGER_HIERARCHY,
}  # fmt: skip
_NEEDED = [
    f"{side}_{joint}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
]
_TRUNK = ("Spine", "Chest", "UpperChest")


@dataclass(frozen=True, slots=True)
class Bone:
    """A bone's name, its parent's index (-1 for the root) and its offset from it in the rest pose, m."""

    name: str
    parent: int
    offset: Float64[np.ndarray, " 3"]


@dataclass(frozen=True, slots=True)
class Humanoid:
    """A person's B bones, and the points that the head carries.

    Attributes:
        bones: With VRM's humanoid names, parents first.
        face: Offsets of nose, eyes, ears and landmarks of the face in the head's frame, m, by joint name.
    """

    bones: tuple[Bone, ...]
    face: dict[str, Float64[np.ndarray, " 3"]]

    def index(self, name: str) -> int:
        """The place of a bone.

        Args:
            name: Its VRM name.

        Returns:
            Its index in `bones`.
        """
        return [bone.name for bone in self.bones].index(name)


@dataclass(frozen=True, slots=True)
class Motion:
    """A person's movement over T frames.

    Attributes:
        root: (T, 3) position of the hips, m, world.
        local: (T, B, 3, 3) each bone's rotation parent_from_bone; of the root world_from_bone.
        known: (T, B) True where the rotation follows from joints of the frame, False where it is held.
    """

    root: Float64[np.ndarray, "T 3"]
    local: Float64[np.ndarray, "T B 3 3"]
    known: Bool[np.ndarray, "T B"]


def points(joints: tuple[str, ...], xyz: Float64[np.ndarray, "T J 3"]) -> dict[str, Float64[np.ndarray, "T 3"]]:
    """The positions of the face and of the humanoid's bones, but for those between hips and neck, which nobody sees.

    Args:
        joints: Names of the J joints.
        xyz: (T, J, 3) m, NaN where unknown.

    Returns:
        (T, 3) m for each VRM bone and each point of the face, by name.

    Raises:
        ConfigError: The skeleton lacks a shoulder, elbow, wrist, hip, knee or ankle.
    """
    index = {name: i for i, name in enumerate(joints)}
    missing = [name for name in _NEEDED if name not in index]
    if missing:
        raise ConfigError(f"rotations need {', '.join(missing)}, which the skeleton does not have")

    def at(*names: str) -> Float64[np.ndarray, "T 3"]:
        mean: np.ndarray = xyz[:, [index[name] for name in names]].mean(axis=1)
        return mean

    found = {"Hips": at("left_hip", "right_hip"), "Neck": at("left_shoulder", "right_shoulder")}
    if {"left_ear", "right_ear", "nose"} <= set(index):
        found["Head"] = at("left_ear", "right_ear")
    for side in ("left", "right"):
        for bone, joint in (("UpperArm", "shoulder"), ("LowerArm", "elbow"), ("Hand", "wrist"),
                            ("UpperLeg", "hip"), ("LowerLeg", "knee"), ("Foot", "ankle")):  # fmt: skip
            found[side.title() + bone] = at(f"{side}_{joint}")
        toes = next((toe for toe in (f"{side}_big_toe", f"{side}_foot_index") if toe in index), None)
        if toes is not None:
            found[f"{side.title()}Toes"] = at(toes)
    found |= finger_points(index, xyz)
    return found | {name: at(name) for name in HEAD_POINTS if name in index and "Head" in found}


def humanoid(joints: tuple[str, ...], xyz: Float64[np.ndarray, "T J 3"]) -> Humanoid:
    """A person's rest pose: the median bone lengths over time; a length that was never observed is 0.1 m.

    Args:
        joints: Names of the J joints.
        xyz: (T, J, 3) m, NaN where unknown.

    Returns:
        The bones of the T-pose.

    Raises:
        ConfigError: As `points`.
    """
    at = points(joints, xyz)
    names = [name for name in HIERARCHY if name in at or name in _TRUNK]
    end = _TRUNK_END * _quantile(at["Neck"] - at["Hips"], 0.5)
    _, _, trunk = _trunk(at, end, end)
    lengths = {"Hips": 0.0, "Spine": end, "Neck": end}
    lengths["Chest"] = lengths["UpperChest"] = _TRUNK_FACTOR * _quantile(trunk, 0.99) / 2
    for side in ("Left", "Right"):
        lengths[f"{side}UpperArm"] = _quantile(at[f"{side}UpperArm"] - at["Neck"], 0.5)
    roots: dict[str, Float64[np.ndarray, " 3"]] = {}
    for side in (side for side in ("Left", "Right") if f"{side}MiddleProximal" in at):
        roots |= finger_roots(at, side)
    bones = []
    for name in names:
        parent, direction = HIERARCHY[name]
        length = lengths[name] if name in lengths else _quantile(at[name] - at[parent], 0.5)
        offset = np.array(direction, dtype=np.float64) * length
        if name in roots and np.isfinite(roots[name]).all():
            offset = roots[name]
        if name.endswith("UpperArm"):
            offset[1] = end
        bones.append(Bone(name, names.index(parent) if parent else -1, offset))
    return Humanoid(tuple(bones), head_points(at) if "Head" in at else {})


@dataclass(slots=True)
class RotationSolver:
    """Joint rotations of one person, frames in order; remembers hinge axes and last rotations from call to call.

    Attributes:
        person: The rest pose.
        joints: Names of the J joints of what will be solved.
        frame_s: Time between frames, s.
    """

    person: Humanoid
    joints: tuple[str, ...]
    frame_s: float
    _hinges: dict[str, Float64[np.ndarray, " 3"]] = field(default_factory=dict)
    _held: Float64[np.ndarray, "B 3 3"] | None = None
    _root: Float64[np.ndarray, " 3"] = field(default_factory=lambda: np.zeros(3))

    def solve(self, xyz: Float64[np.ndarray, "T J 3"]) -> Motion:
        """The rotations of the next T frames.

        Args:
            xyz: (T, J, 3) m, world, NaN where unknown.

        Returns:
            The motion, rotations held where joints are unknown.
        """
        at = points(self.joints, xyz)
        frames = self._world_frames(at)
        bones = self.person.bones
        held = np.tile(np.eye(3), (len(bones), 1, 1)) if self._held is None else self._held
        local, known = np.empty((len(xyz), len(bones), 3, 3)), np.empty((len(xyz), len(bones)), dtype=bool)
        world = np.empty_like(local)  # what the bone really gets, held where unknown
        for b, bone in enumerate(bones):
            parent = world[:, bone.parent] if bone.parent >= 0 else np.broadcast_to(np.eye(3), (len(xyz), 3, 3))
            wanted = frames.get(bone.name)
            if wanted is None:  # an end: hands and toes point where their parent does
                local[:, b], known[:, b] = np.eye(3), known[:, bone.parent]
            else:
                known[:, b] = np.isfinite(wanted).all(axis=(1, 2))
                local[:, b] = _hold(np.swapaxes(parent, 1, 2) @ wanted, known[:, b], held[b])
            world[:, b] = parent @ local[:, b]
        root = _hold(at["Hips"], np.isfinite(at["Hips"]).all(axis=1), self._root)
        if len(xyz):
            self._held, self._root = local[-1].copy(), root[-1].copy()
        return Motion(root, local, known)

    def _world_frames(self, at: dict[str, Float64[np.ndarray, "T 3"]]) -> dict[str, Float64[np.ndarray, "T 3 3"]]:
        hips, chest, between = _trunk(at, self._offset("Spine"), self._offset("Neck"))
        trunk = axis_frames("y", between, "x", hips[:, :, 0] + chest[:, :, 0])
        length = 2 * self._offset("UpperChest")
        sine = np.sqrt(1.0 - np.minimum(np.linalg.norm(between, axis=1) / length, 1.0) ** 2)  # bones of equal length
        frames = {"Hips": hips, "Spine": trunk @ _about_x(-sine), "Chest": trunk @ _about_x(sine), "UpperChest": chest}
        if "Head" in at:
            neck = at["Head"] - at["Neck"]
            frames["Neck"] = axis_frames("y", neck, "x", chest[:, :, 0])
            frames["Head"] = head_frame(at, self.person.face)
        for side, x in (("Left", 1.0), ("Right", -1.0)):
            self._limb(at, frames, (f"{side}UpperArm", f"{side}LowerArm", f"{side}Hand"), "x", x, "y", -x, None)
            across = hips[:, :, 0]
            if f"{side}Toes" in at:
                toes, shank = at[f"{side}Toes"] - at[f"{side}Foot"], at[f"{side}LowerLeg"] - at[f"{side}Foot"]
                foot = frames[f"{side}Foot"] = axis_frames("z", toes, "y", shank)
                across = np.where(np.isfinite(foot[:, :, 0]), foot[:, :, 0], across)
            self._limb(at, frames, (f"{side}UpperLeg", f"{side}LowerLeg", f"{side}Foot"), "y", -1.0, "x", 1.0, across)
            if f"{side}MiddleProximal" in at:
                hand = frames[f"{side}Hand"] = hand_frame(at, side)
                frames |= finger_frames(at, side, hand)
        return frames

    def _offset(self, name: str) -> float:
        """m, of a bone that lies straight above its parent."""
        return float(self.person.bones[self.person.index(name)].offset[1])

    def _limb(
        self,
        at: dict[str, Float64[np.ndarray, "T 3"]],
        frames: dict[str, Float64[np.ndarray, "T 3 3"]],
        names: tuple[str, str, str],
        along: str,
        along_sign: float,
        hinge: str,
        hinge_sign: float,
        straight: Float64[np.ndarray, "T 3"] | None,
    ) -> None:
        """Upper and lower bone share the hinge axis, so that elbow and knee only bend; `straight` is that of a straight
        limb, None where it is carried along.
        """
        upper, lower = unit_vectors(at[names[1]] - at[names[0]]), unit_vectors(at[names[2]] - at[names[1]])
        bend = np.cross(upper, lower)
        if straight is not None:
            share = np.maximum(1.0 - np.linalg.norm(bend, axis=1, keepdims=True) / _BENT, 0.0)
            bend = bend + np.where(np.isfinite(straight), _STRAIGHT * share * hinge_sign * straight, 0.0)
        start = self._hinges.get(names[0])
        if start is None:  # as in the rest pose, rotated with the body
            body = frames["Hips" if "Leg" in names[0] else "UpperChest"][:, :, "xyz".index(hinge)]
            body = body[np.isfinite(body).all(axis=1)]
            start = hinge_sign * body[0] if len(body) else np.array([0.0, 0.0, 1.0])
        axes = carry_hinge(upper, bend, np.ascontiguousarray(start), MAX_HINGE_RAD_S * self.frame_s)
        if len(axes):
            self._hinges[names[0]] = axes[-1]
        frames[names[0]] = axis_frames(along, along_sign * upper, hinge, hinge_sign * axes)
        frames[names[1]] = axis_frames(along, along_sign * lower, hinge, hinge_sign * axes)


def forward_kinematics(person: Humanoid, motion: Motion) -> dict[str, Float64[np.ndarray, "T 3"]]:
    """Forward kinematics, the inverse of `RotationSolver.solve`.

    Args:
        person: The rest pose.
        motion: Root and rotations.

    Returns:
        (T, 3) m, world: where each bone begins, and the points of the face, by name.
    """
    world = world_rotations(person, motion)
    place: list[np.ndarray] = []
    for bone in person.bones:
        place.append(motion.root if bone.parent < 0 else place[bone.parent] + world[:, bone.parent] @ bone.offset)
    found = {bone.name: place[b] for b, bone in enumerate(person.bones)}
    if "Head" in found:
        head = person.index("Head")
        found |= {name: place[head] + world[:, head] @ offset for name, offset in person.face.items()}
    return found


def world_rotations(person: Humanoid, motion: Motion) -> Float64[np.ndarray, "T B 3 3"]:
    """The rotations of all bones, chained.

    Args:
        person: The rest pose.
        motion: Root and rotations.

    Returns:
        (T, B, 3, 3) world_from_bone.
    """
    world = np.empty_like(motion.local)
    for b, bone in enumerate(person.bones):
        own = motion.local[:, b]
        world[:, b] = own if bone.parent < 0 else world[:, bone.parent] @ own
    return world


def _trunk(
    at: dict[str, Float64[np.ndarray, "T 3"]], low: float, high: float
) -> tuple[Float64[np.ndarray, "T 3 3"], Float64[np.ndarray, "T 3 3"], Float64[np.ndarray, "T 3"]]:
    """World frames of Hips and UpperChest, and the way (m) from `low` above the hips to `high` below the shoulders."""
    up = at["Neck"] - at["Hips"]
    hips = axis_frames("x", at["LeftUpperLeg"] - at["RightUpperLeg"], "y", up)
    chest = axis_frames("x", at["LeftUpperArm"] - at["RightUpperArm"], "y", up)
    return hips, chest, up - high * chest[:, :, 1] - low * hips[:, :, 1]


def _quantile(vectors: Float64[np.ndarray, "T 3"], share: float) -> float:
    lengths = np.linalg.norm(vectors, axis=1)
    lengths = lengths[np.isfinite(lengths)]
    return float(np.quantile(lengths, share)) if len(lengths) else 0.1


def _about_x(sine: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, "T 3 3"]:
    """Rotations that take y towards z."""
    R = np.tile(np.eye(3), (len(sine), 1, 1))
    R[:, 1, 1] = R[:, 2, 2] = np.sqrt(1.0 - sine**2)
    R[:, 2, 1], R[:, 1, 2] = sine, -sine
    return R


def _hold(values: Float64[np.ndarray, "T ..."], known: Bool[np.ndarray, " T"], start: np.ndarray) -> np.ndarray:
    """Where unknown, the last known value before, or `start`."""
    last = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    seen = last >= 0
    held: np.ndarray = np.where(seen.reshape(-1, *[1] * (values.ndim - 1)), values[np.maximum(last, 0)], start)
    return held
