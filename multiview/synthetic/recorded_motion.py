"""Recorded human motion, played by a synthetic person: BVH, or the JSON files of DeepMimic (Peng et al. 2018).

What is taken from a file are the rotations of the body's parts and the path of the pelvis, scaled by the length of the
legs; bones are those of the person who plays it. A JSON file holds the rotations themselves. Of BVH the joints' places
are read, from which they follow: the two hips and the spine span the pelvis, the shoulders and the spine the torso, and
a limb's two bones the plane in which it bends. The head and, where there are no toes, the feet go with what they hang
on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float64

from multiview.body.frames import YUP_FROM_WORLD, axis_frames, unit_vectors
from multiview.body.marker_joints import joints_of_markers
from multiview.common.ledger import reading
from multiview.errors import SourceError
from multiview.marker_files import read_markers
from multiview.synthetic.anatomy import BODY_PARTS, Build, Posture, joint_positions, part_offset

__all__ = ["RecordedMotion", "read_motion"]

_PARENT = {
    "torso": "pelvis",
    "head": "torso",
    **{f"{side}_{part}": (over if over in ("torso", "pelvis") else f"{side}_{over}")
       for side in ("left", "right")
       for part, over in (("upper_arm", "torso"), ("forearm", "upper_arm"), ("hand", "forearm"),
                          ("thigh", "pelvis"), ("shank", "thigh"), ("foot", "shank"))},
}  # fmt: skip
_SIDES = ("left", "right")
_LOWEST = ("left_heel", "left_big_toe", "right_heel", "right_big_toe", "left_knee", "right_knee", "mid_hip", "head_top")
_STRAIGHT = 0.05  # a limb that is bent less than this (rad) bends in the plane of the part it hangs on

# DeepMimic: x forward, y up, z to the right; the parts in the order of the file's numbers, and how many each has.
_FORWARD_LEFT_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
_JSON_PARTS = (
    ("pelvis", 4), ("torso", 4), ("head", 4),
    ("right_thigh", 4), ("right_shank", 1), ("right_foot", 4), ("right_upper_arm", 4), ("right_forearm", 1),
    ("left_thigh", 4), ("left_shank", 1), ("left_foot", 4), ("left_upper_arm", 4), ("left_forearm", 1),
)  # fmt: skip
_JSON_COLUMNS = 4 + sum(numbers for _, numbers in _JSON_PARTS)
_JSON_LEG_M = 0.421546 + 0.40987


class _JsonMotion(msgspec.Struct):
    Frames: list[list[float]]
    Loop: str = "none"


@dataclass(frozen=True, slots=True, eq=False)
class RecordedMotion:
    """A recorded motion of N instants.

    Attributes:
        time_s: (N,) s, from 0, ascending.
        pelvis: (N, 3) m, z up, for legs of `leg_m`.
        rotation: (N, 3, 3) of each part against the one it hangs on.
        leg_m: m, from hip to ankle along the bones.
        loops: Whether it begins anew, where and as it ended.
    """

    time_s: Float64[np.ndarray, " N"]
    pelvis: Float64[np.ndarray, "N 3"]
    rotation: dict[str, Float64[np.ndarray, "N 3 3"]]
    leg_m: float
    loops: bool

    @property
    def seconds(self) -> float:
        """s, from the first instant to the last."""
        return float(self.time_s[-1])

    def posture(self, build: Build, times_s: Float64[np.ndarray, " T"]) -> Posture:
        """How a person moves; before the first instant they stand still, as after the last if nothing loops.

        Args:
            build: Of the person.
            times_s: (T,) s.

        Returns:
            The posture at these times: the path's middle above the origin, the lowest point on the floor.
        """
        from scipy.spatial.transform import Rotation, Slerp  # slow to import, and most people walk as they like

        cycle = np.maximum(np.floor(times_s / self.seconds), 0.0) if self.loops else np.zeros_like(times_s)
        within = np.clip(times_s - cycle * self.seconds, 0.0, self.seconds)
        rotation = {
            part: Slerp(self.time_s, Rotation.from_matrix(matrices))(within).as_matrix()
            for part, matrices in self.rotation.items()
        }
        scale = sum(float(np.linalg.norm(part_offset(build, part))) for part in ("left_shank", "left_foot"))
        path = np.column_stack([np.interp(within, self.time_s, axis) for axis in self.pelvis.T]) * scale / self.leg_m
        headings, moved = self._between_cycles(int(cycle.max(initial=0)), scale / self.leg_m)
        pelvis = (headings[cycle.astype(int)] @ path[..., None])[..., 0] + moved[cycle.astype(int)]
        rotation["pelvis"] = headings[cycle.astype(int)] @ rotation["pelvis"]
        lowest = joint_positions(build, Posture(pelvis, rotation), _LOWEST)[..., 2].min()
        middle = (pelvis.min(axis=0) + pelvis.max(axis=0)) / 2
        return Posture(pelvis - [middle[0], middle[1], lowest], rotation)

    def _between_cycles(self, last: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Turn about the vertical, and shift, of each cycle up to the `last`: each begins as the one before ended."""
        turn = _heading(self.rotation["pelvis"][-1] @ self.rotation["pelvis"][0].T)
        headings, moved = [np.eye(3)], [np.zeros(3)]
        first, end = scale * self.pelvis[0] * [1, 1, 0], scale * self.pelvis[-1] * [1, 1, 0]
        for _ in range(last):
            moved.append(moved[-1] + headings[-1] @ (end - turn @ first))
            headings.append(headings[-1] @ turn)
        return np.stack(headings), np.stack(moved)


def read_motion(path: Path) -> RecordedMotion:
    """Read a recorded motion.

    Args:
        path: A BVH file, else JSON with `Frames` as DeepMimic has them.

    Returns:
        The motion.

    Raises:
        SourceError: The file is damaged, of another kind, or a joint that is needed is missing.

    References:
        Peng, Abbeel, Levine and van de Panne, DeepMimic, 2018.
    """
    if path.suffix.lower() == ".bvh":
        return _read_bvh(path)
    try:
        content = msgspec.json.decode(reading(path).read_bytes(), type=_JsonMotion)
        rows = np.array(content.Frames, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: no recorded motion (BVH, or JSON with Frames): {error}") from None
    if rows.ndim != 2 or rows.shape[1] != _JSON_COLUMNS or len(rows) < 2 or not np.isfinite(rows).all():
        raise SourceError(f"{path}: a motion has two or more rows of {_JSON_COLUMNS} finite numbers in Frames")
    if not (rows[:-1, 0] > 0).all():
        raise SourceError(f"{path}: the times of Frames do not rise")
    return _of_rows(rows, content.Loop == "wrap")


def _of_rows(rows: Float64[np.ndarray, "N K"], loops: bool) -> RecordedMotion:
    """Rows of DeepMimic: seconds to the next, the root's place, then each part's quaternion (w, x, y, z) or angle."""
    from scipy.spatial.transform import Rotation

    rotation, column, axes = {}, 4, _FORWARD_LEFT_UP
    for part, numbers in _JSON_PARTS:
        values = rows[:, column : column + numbers]
        column += numbers
        if numbers == 1:
            turn = Rotation.from_rotvec(values * [0.0, 0.0, 1.0])
        else:
            turn = Rotation.from_quat(values[:, [1, 2, 3, 0]])
        rotation[part] = axes @ turn.as_matrix() @ axes.T
    for side in _SIDES:
        rotation[f"{side}_hand"] = np.broadcast_to(np.eye(3), (len(rows), 3, 3))
    time_s = np.concatenate([[0.0], np.cumsum(rows[:-1, 0])])
    return RecordedMotion(time_s, rows[:, 1:4] @ axes.T, rotation, _JSON_LEG_M, loops)


def _read_bvh(path: Path) -> RecordedMotion:
    markers = read_markers(path)
    names, xyz = joints_of_markers(markers.xyz, markers.names)
    world = dict(zip(names, (xyz @ YUP_FROM_WORLD).swapaxes(0, 1), strict=True))
    for middle, ends in (("mid_hip", "hip"), ("neck", "shoulder")):
        if middle not in world and f"left_{ends}" in world and f"right_{ends}" in world:
            world[middle] = (world[f"left_{ends}"] + world[f"right_{ends}"]) / 2
    needed = ("mid_hip", "neck", *(f"{side}_{joint}" for side in _SIDES for joint in _LIMBS))
    if missing := [joint for joint in needed if joint not in world or not np.isfinite(world[joint]).all()]:
        raise SourceError(f"{path}: no bones are named after {', '.join(missing)}")
    if len(markers.time_s) < 2:
        raise SourceError(f"{path}: a motion has two or more frames")
    frames = _part_frames(world)
    rotation = {part: frames[_PARENT[part]].swapaxes(1, 2) @ frames[part] for part in BODY_PARTS if part in _PARENT}
    leg_m = sum(
        float(np.median(np.linalg.norm(world[f"left_{a}"] - world[f"left_{b}"], axis=1)))
        for a, b in (("hip", "knee"), ("knee", "ankle"))
    )
    rotation["pelvis"] = frames["pelvis"]
    return RecordedMotion(markers.time_s - markers.time_s[0], world["mid_hip"], rotation, leg_m, False)


_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def _part_frames(world: dict[str, Float64[np.ndarray, "T 3"]]) -> dict[str, Float64[np.ndarray, "T 3 3"]]:
    """The rotation of each part, world_from_part, from where joints are."""
    up = world["neck"] - world["mid_hip"]
    frames = {
        "pelvis": axis_frames("y", world["left_hip"] - world["right_hip"], "z", up),
        "torso": axis_frames("y", world["left_shoulder"] - world["right_shoulder"], "z", up),
    }
    frames["head"] = frames["torso"]
    for side in _SIDES:
        shoulder, elbow, wrist, hip, knee, ankle = (world[f"{side}_{joint}"] for joint in _LIMBS)
        arm = _limb(shoulder, elbow, wrist, 1.0, frames["torso"])
        leg = _limb(hip, knee, ankle, -1.0, frames["pelvis"])
        frames |= {f"{side}_upper_arm": arm[0], f"{side}_forearm": arm[1], f"{side}_hand": arm[1]}
        frames |= {f"{side}_thigh": leg[0], f"{side}_shank": leg[1]}
        toe = world.get(f"{side}_big_toe")
        known = toe is not None and bool(np.isfinite(toe).all())
        frames[f"{side}_foot"] = axis_frames("y", leg[1][..., 1], "x", toe - ankle) if known else leg[1]
    return frames


def _limb(
    root: Float64[np.ndarray, "T 3"],
    hinge: Float64[np.ndarray, "T 3"],
    end: Float64[np.ndarray, "T 3"],
    bends: float,
    parent: Float64[np.ndarray, "T 3 3"],
) -> tuple[Float64[np.ndarray, "T 3 3"], Float64[np.ndarray, "T 3 3"]]:
    """The frames of a limb's two parts, which hang along -z; it bends forwards (1) or backwards (-1)."""
    up = unit_vectors(root - hinge)
    below = unit_vectors(end - hinge)
    aside = below - np.sum(below * up, axis=1, keepdims=True) * up
    upper = axis_frames("z", up, "x", bends * aside + _STRAIGHT * parent[..., 0])
    return upper, axis_frames("z", -below, "y", upper[..., 1])


def _heading(turn: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"]:
    """The rotation about the vertical that is nearest to a rotation."""
    angle = np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
