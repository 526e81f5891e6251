"""BVH, the motion file of animation programs: one file per person, y up, VRM bone names.

The format has no unit; lengths are in centimetres unless asked otherwise. The rest pose is a T-pose; rotations come
from `multiview.body.kinematics`, in the order Z X Y. BVH has no gaps: what is unknown holds its last rotation, and the
file beside it lists what was filled or held.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from multiview.body.kinematics import Humanoid, Motion, RotationSolver
from multiview.common.atomic_file import replacing
from multiview.export import PER_METRE, Progress, part, silent
from multiview.export._dense import dense, rest_pose, write_intervals
from multiview.export._rows import Block, write_rows
from multiview.recordings.pose_table import Poses

__all__ = ["UNITS", "Exporter"]

UNITS = ("cm", "m", "mm")
_BVH_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y up instead of z up
_ENDS = {"Head": (0.0, 0.12, 0.0), "LeftHand": (0.09, 0.0, 0.0), "RightHand": (-0.09, 0.0, 0.0)}  # m


class Exporter:
    def __init__(self, unit: str = "cm") -> None:
        self._scale, self._decimals = PER_METRE[unit], 6 if unit == "m" else 4

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        paths = []
        for i, number in enumerate(poses.people):
            person = dense(poses, int(number))
            path = stem.with_name(f"{stem.name}_{poses.label(int(number))}.bvh")
            rest = rest_pose(poses, person)
            motion = RotationSolver(rest, person.joints, 1 / person.rate).solve(person.xyz)
            with replacing(path) as temporary, temporary.open("wb") as file:
                head = "HIERARCHY\n" + "\n".join(_hierarchy(rest, 0, 0, self._scale)) + "\nMOTION\n"
                head += f"Frames: {len(motion.root)}\nFrame Time: {1 / person.rate:.8f}\n"
                file.write(head.encode("ascii"))
                write_rows(
                    file,
                    [Block(_channels(rest, motion, self._scale), self._decimals)],
                    " ",
                    part(progress, i, len(poses.people)),
                )
            paths += [path, write_intervals(person, path)]
        return paths


def _children(rest: Humanoid, bone: int) -> list[int]:
    return [i for i, other in enumerate(rest.bones) if other.parent == bone]


def _hierarchy(rest: Humanoid, bone: int, depth: int, scale: float) -> list[str]:
    """The lines of a bone and all below it, in the order of `_order`."""
    pad, inner = "\t" * depth, "\t" * (depth + 1)
    position = "6 Xposition Yposition Zposition " if depth == 0 else "3 "
    x, y, z = rest.bones[bone].offset * scale
    lines = [
        f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {rest.bones[bone].name}",
        f"{pad}{{",
        f"{inner}OFFSET {x:.6g} {y:.6g} {z:.6g}",
        f"{inner}CHANNELS {position}Zrotation Xrotation Yrotation",
    ]
    children = _children(rest, bone)
    for child in children:
        lines += _hierarchy(rest, child, depth + 1, scale)
    if not children:
        x, y, z = (scale * length for length in _ENDS.get(rest.bones[bone].name, (0.0, 0.0, 0.06)))
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}\tOFFSET {x:.6g} {y:.6g} {z:.6g}", f"{inner}}}"]
    return [*lines, f"{pad}}}"]


def _order(rest: Humanoid, bone: int = 0) -> list[int]:
    return [bone, *(below for child in _children(rest, bone) for below in _order(rest, child))]


def _channels(rest: Humanoid, motion: Motion, scale: float) -> Float64[np.ndarray, "T channels"]:
    """One row per frame: the root's position, then Z X Y angles (deg) of every bone."""
    local = motion.local.copy()
    local[:, 0] = _BVH_FROM_WORLD @ local[:, 0]
    root = motion.root @ _BVH_FROM_WORLD.T * scale
    angles = _zxy(local[:, _order(rest)])
    return np.concatenate([root, angles.reshape(len(root), -1)], axis=1)


def _zxy(R: Float64[np.ndarray, "*batch 3 3"]) -> Float64[np.ndarray, "*batch 3"]:
    """Angles (deg) with R = Rz Rx Ry."""
    x = np.arcsin(np.clip(R[..., 2, 1], -1.0, 1.0))
    z = np.arctan2(-R[..., 0, 1], R[..., 1, 1])
    y = np.arctan2(-R[..., 2, 0], R[..., 2, 2])
    return np.degrees(np.stack([z, x, y], axis=-1))
