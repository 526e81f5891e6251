"""BVH, the motion file of animation programs: one file per person, y up, VRM bone names.

The format has no unit; lengths are in centimetres unless asked otherwise. The rest pose is a T-pose; rotations come
from `multiview.body.kinematics`, in the order Z X Y, or for a bone that this order would make jump (cartwheels) in the
one that does so least. Angles are continuous, not bound to 180 degrees, as programs interpolate them. Where no order is
within 5 mm half-way between frames (kicks, somersaults), all files have rows between frames, two or more for each. BVH
has no gaps: what is unknown holds its last rotation, and the file beside it lists what was filled or held. Of a
character, the hips and what hangs on them are written, in the axes and the rest pose of its own file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64
from scipy.spatial.transform import Rotation

from multiview.body.kinematics import Humanoid
from multiview.common.atomic_file import replacing
from multiview.export import PER_METRE, Progress, part, silent
from multiview.export._between import AngleMotion, rows_per_frame
from multiview.export._dense import Dense, dense, write_intervals
from multiview.export._euler import Order, continuous_angles
from multiview.export._figure import figure
from multiview.export._naming import person_path
from multiview.export._rows import Block, write_rows
from multiview.recordings.pose_table import Poses
from multiview.retarget.target import Character

__all__ = ["UNITS", "Exporter"]

UNITS = ("cm", "m", "mm")
_ENDS = {"Head": (0.0, 0.12, 0.0), "LeftHand": (0.09, 0.0, 0.0), "RightHand": (-0.09, 0.0, 0.0)}  # m


class Exporter:
    def __init__(self, unit: str = "cm") -> None:
        self._scale, self._decimals = PER_METRE[unit], 6 if unit == "m" else 4
        self.character: Character | None = None

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        people = [dense(poses, int(number)) for number in poses.people]
        motions = [_angle_motion(poses, person, self.character) for person in people]
        rows = max(map(rows_per_frame, motions), default=1)  # the same for everyone, who stay in step in a program
        paths = []
        for i, (person, motion) in enumerate(zip(people, motions, strict=True)):
            path = person_path(stem, poses, person.person, ".bvh")
            channels = _channels(motion, rows, self._scale)
            with replacing(path) as temporary, temporary.open("wb") as file:
                head = (
                    "HIERARCHY\n" + "\n".join(_hierarchy(motion.rest, motion.orders, 0, 0, self._scale)) + "\nMOTION\n"
                )
                head += f"Frames: {len(channels)}\nFrame Time: {1 / (person.rate * rows):.8f}\n"
                file.write(head.encode())  # a character's names may be of any script
                write_rows(file, [Block(channels, self._decimals)], " ", part(progress, i, len(people)))
            paths += [path, write_intervals(person, path)]
        return paths


def _angle_motion(poses: Poses, person: Dense, character: Character | None) -> AngleMotion:
    shown = figure(poses, person, character).below_hips()
    axes = [_along(shown.rest, bone) for bone in range(len(shown.rest.bones))]
    rotations = [Rotation.from_matrix(shown.local[:, bone]) for bone in range(shown.local.shape[1])]
    return AngleMotion.of(shown.rest, axes, shown.root, rotations, shown.known, person.rate)


def _children(rest: Humanoid, bone: int) -> list[int]:
    """The bones below a bone; the tip of a finger is where its last bone ends, not a bone."""
    return [i for i, other in enumerate(rest.bones) if other.parent == bone and not other.name.endswith("Tip")]


def _end(rest: Humanoid, bone: int) -> Float64[np.ndarray, " 3"]:
    """m, where a bone ends that has no other below it."""
    tip = next((other for other in rest.bones if other.parent == bone and other.name.endswith("Tip")), None)
    if tip is not None:
        return tip.offset
    return np.array(_ENDS.get(rest.bones[bone].name, (0.0, 0.0, 0.06)))


def _along(rest: Humanoid, bone: int) -> Rotation:
    """The shortest rotation from y to the bone's direction, which is to the middle of those below it."""
    x, y, z = np.mean([rest.bones[child].offset for child in _children(rest, bone)] or [_end(rest, bone)], axis=0)
    angle = np.arctan2(np.hypot(x, z), y)
    axis = np.array([z, 0.0, -x]) / np.hypot(x, z) if x or z else np.array([1.0, 0.0, 0.0])
    return Rotation.from_rotvec(angle * axis)


def _hierarchy(rest: Humanoid, orders: list[Order], bone: int, depth: int, scale: float) -> list[str]:
    """The lines of a bone and all below it, in the order of `_down`."""
    pad, inner = "\t" * depth, "\t" * (depth + 1)
    rotations = " ".join(f"{axis}rotation" for axis in orders[bone])
    position = "6 Xposition Yposition Zposition " if depth == 0 else "3 "
    x, y, z = rest.bones[bone].offset * scale
    lines = [
        f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {'_'.join(rest.bones[bone].name.split())}",  # names are one word
        f"{pad}{{",
        f"{inner}OFFSET {x:.6g} {y:.6g} {z:.6g}",
        f"{inner}CHANNELS {position}{rotations}",
    ]
    children = _children(rest, bone)
    for child in children:
        lines += _hierarchy(rest, orders, child, depth + 1, scale)
    if not children:
        x, y, z = scale * _end(rest, bone)
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}\tOFFSET {x:.6g} {y:.6g} {z:.6g}", f"{inner}}}"]
    return [*lines, f"{pad}}}"]


def _down(rest: Humanoid, bone: int = 0) -> list[int]:
    return [bone, *(below for child in _children(rest, bone) for below in _down(rest, child))]


def _channels(motion: AngleMotion, rows: int, scale: float) -> Float64[np.ndarray, "R channels"]:
    """The root's position, then the angles (deg) of every bone, in `rows` rows for each frame."""
    root, rotations = motion.with_rows_between(rows)
    angles = [continuous_angles(rotations[bone], motion.orders[bone]) for bone in _down(motion.rest)]
    return np.concatenate([root * scale, *angles], axis=1)
