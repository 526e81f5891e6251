"""BVH, the motion file of animation programs: one file per person, y up, centimetres, VRM bone names.

The rest pose is a T-pose; rotations come from `multiview.kinematics`, in the order Z X Y. BVH has no gaps: what is
unknown holds its last rotation, and the file beside it lists what was filled or held.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float64

from multiview.export._dense import dense, write_intervals
from multiview.files import replacing
from multiview.kinematics import Humanoid, Motion, Solver, humanoid
from multiview.poses import Poses

__all__ = ["Exporter"]

_CM = 100.0
_BVH_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # y up instead of z up
_ENDS_CM = {"Head": (0.0, 12.0, 0.0), "LeftHand": (9.0, 0.0, 0.0), "RightHand": (-9.0, 0.0, 0.0)}


class Exporter:
    def write(self, poses: Poses, stem: Path) -> list[Path]:
        paths = []
        for number in poses.people:
            person = dense(poses, int(number))
            path = stem.with_name(f"{stem.name}_person{number}.bvh")
            rest = humanoid(person.joints, person.xyz)
            motion = Solver(rest, person.joints, 1 / person.rate).solve(person.xyz)
            with replacing(path) as temporary, temporary.open("w", encoding="ascii") as file:
                file.write("HIERARCHY\n" + "\n".join(_hierarchy(rest, 0, 0)) + "\nMOTION\n")
                file.write(f"Frames: {len(motion.root)}\nFrame Time: {1 / person.rate:.8f}\n")
                np.savetxt(file, _channels(rest, motion), fmt="%.4f")
            paths += [path, write_intervals(person, path)]
        return paths


def _children(rest: Humanoid, bone: int) -> list[int]:
    return [i for i, other in enumerate(rest.bones) if other.parent == bone]


def _hierarchy(rest: Humanoid, bone: int, depth: int) -> list[str]:
    """The lines of a bone and all below it, in the order of `_order`."""
    pad, inner = "\t" * depth, "\t" * (depth + 1)
    position = "6 Xposition Yposition Zposition " if depth == 0 else "3 "
    x, y, z = rest.bones[bone].offset * _CM
    lines = [
        f"{pad}{'ROOT' if depth == 0 else 'JOINT'} {rest.bones[bone].name}",
        f"{pad}{{",
        f"{inner}OFFSET {x:.4f} {y:.4f} {z:.4f}",
        f"{inner}CHANNELS {position}Zrotation Xrotation Yrotation",
    ]
    children = _children(rest, bone)
    for child in children:
        lines += _hierarchy(rest, child, depth + 1)
    if not children:
        x, y, z = _ENDS_CM.get(rest.bones[bone].name, (0.0, 0.0, 6.0))
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}\tOFFSET {x:.4f} {y:.4f} {z:.4f}", f"{inner}}}"]
    return [*lines, f"{pad}}}"]


def _order(rest: Humanoid, bone: int = 0) -> list[int]:
    return [bone, *(below for child in _children(rest, bone) for below in _order(rest, child))]


def _channels(rest: Humanoid, motion: Motion) -> Float64[np.ndarray, "T channels"]:
    """One row per frame: the root's position (cm), then Z X Y angles (deg) of every bone."""
    local = motion.local.copy()
    local[:, 0] = _BVH_FROM_WORLD @ local[:, 0]
    root = motion.root @ _BVH_FROM_WORLD.T * _CM
    angles = _zxy(local[:, _order(rest)])
    return np.concatenate([root, angles.reshape(len(root), -1)], axis=1)


def _zxy(R: Float64[np.ndarray, "*batch 3 3"]) -> Float64[np.ndarray, "*batch 3"]:
    """Angles (deg) with R = Rz Rx Ry."""
    x = np.arcsin(np.clip(R[..., 2, 1], -1.0, 1.0))
    z = np.arctan2(-R[..., 0, 1], R[..., 1, 1])
    y = np.arctan2(-R[..., 2, 0], R[..., 2, 2])
    return np.degrees(np.stack([z, x, y], axis=-1))
