"""Recorded human motion as poses: clips of falls, somersaults and cartwheels that no generator of gaits makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from multiview.body.skeleton import load_skeleton
from multiview.recordings.pose_table import Poses
from tests.measured_poses import measured_poses

_WORLD_FROM_CLIP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # clips are y up, facing +x
# Joints of body25 beside the clips' own: the clip's joint that carries them, and the offset (m).
_CARRIED = {
    "nose": ("neck", (0.12, 0.15, 0.0)),
    **{f"{side}_{part}": ("neck", (x, y, z * sign)) for side, sign in (("right", 1.0), ("left", -1.0))
       for part, x, y, z in (("eye", 0.1, 0.18, 0.035), ("ear", 0.0, 0.17, 0.075))},
    **{f"{side}_{part}": (f"{side}_ankle", (x, -0.07, z * sign)) for side, sign in (("right", 1.0), ("left", -1.0))
       for part, x, z in (("big_toe", 0.16, -0.03), ("small_toe", 0.14, 0.05), ("heel", -0.05, 0.0))},
}  # fmt: skip


def recorded_clip(path: Path, fps: float) -> Poses:
    """One person from frame 0 on, skeleton body25; rotations between the clip's own frames by slerp."""
    joints = json.loads(path.with_name("humanoid3d_character.json").read_text())["Skeleton"]["Joints"]
    rows = np.array(json.loads(path.read_text())["Frames"], dtype=np.float64)
    time = np.concatenate([[0.0], np.cumsum(rows[:-1, 0])])
    at = np.arange(int(time[-1] * fps) + 1) / fps
    root = np.stack([np.interp(at, time, rows[:, i]) for i in (1, 2, 3)], axis=1)
    world, place, column = [_between(time, rows[:, 4:8], at)], [root], 8
    for joint in joints[1:]:
        parent = joint["Parent"]
        place.append(place[parent] + world[parent].apply([joint[f"Attach{axis}"] for axis in "XYZ"]))
        width = {"spherical": 4, "revolute": 1, "fixed": 0}[joint["Type"]]
        own, column = rows[:, column : column + width], column + width
        world.append(world[parent] * _between(time, own, at) if width else world[parent])
    index = {joint["Name"]: i for i, joint in enumerate(joints)}
    names = load_skeleton("body25").joints
    xyz = np.empty((len(at), len(names), 3))
    for j, name in enumerate(names):
        if name in _CARRIED:
            joint, offset = _CARRIED[name]
            xyz[:, j] = place[index[joint]] + world[index[joint]].apply(offset)
        elif name == "neck":
            xyz[:, j] = (place[index["left_shoulder"]] + place[index["right_shoulder"]]) / 2
        else:
            xyz[:, j] = place[index["root" if name == "mid_hip" else name]]
    return measured_poses(xyz @ _WORLD_FROM_CLIP.T, at, names, "body25", person=1, sigma_m=0.006)


def _between(time: np.ndarray, values: np.ndarray, at: np.ndarray) -> Rotation:
    """Of quaternions (w, x, y, z), or of one angle about z."""
    turns = (
        Rotation.from_rotvec(values * [0.0, 0.0, 1.0])
        if values.shape[1] == 1
        else Rotation.from_quat(values[:, [1, 2, 3, 0]])
    )
    return Slerp(time, turns)(at)
