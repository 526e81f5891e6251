"""Segment poses for C3D: 4x4 matrices with a reliability, as markerless systems write and Visual3D builds models from.

A frame of a segment is 17 floats: the matrix world_from_segment by columns, whose translation has the file's unit, and
the reliability: the mean score of the 2D joints that its origin rests on. Where the pose is unknown the matrix is NaN
and the reliability -1. Axes are those of `multiview.biomechanics.segments`: X forwards, Y up, Z to the right.
https://www.c3d.org/docs/C3D_User_Guide.pdf
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from multiview.biomechanics.segments import reach_of, segments
from multiview.errors import ConfigError
from multiview.recordings.pose_table import Poses

__all__ = ["FLOATS", "segment_names", "segment_poses"]

FLOATS = 17
_ALWAYS = (
    "pelvis",
    "thorax",
    *(f"{side}_{name}" for side in ("left", "right") for name in ("humerus", "thigh", "shank")),
)
_ORIGINS = {
    "humerus": "shoulder",
    "forearm": "elbow",
    "hand": "wrist",
    "thigh": "hip",
    "shank": "knee",
    "foot": "ankle",
}


def segment_names(joints: tuple[str, ...]) -> tuple[str, ...]:
    """The segments whose whole pose a skeleton determines; none of an animal's."""
    try:
        segments(joints, np.empty((0, len(joints), 3)))
    except ConfigError:
        return ()
    shows = reach_of(joints)
    more = [f"{side}_{name}" for side in ("left", "right") for name in ("forearm", "hand") if shows.hand]
    more += [f"{side}_foot" for side in ("left", "right") if shows.sole]
    return (*_ALWAYS, *(("head",) if shows.head else ()), *more)


def segment_poses(
    poses: Poses, frames: int, names: tuple[str, ...], scale: float
) -> Float32[np.ndarray, "frames people segments 17"]:
    """Everybody's segments in every frame of the file; `scale` per metre."""
    data = np.full((frames, len(poses.people), len(names), FLOATS), np.nan, dtype=np.float32)
    data[..., 16] = -1.0
    body = segments(poses.joints, poses.xyz)
    row, place = poses.frame - poses.frame[0], np.searchsorted(poses.people, poses.person)
    for k, name in enumerate(names):
        side, _, part = name.partition("_")
        joint = f"{side}_{_ORIGINS[part]}" if part in _ORIGINS else "left_hip" if name == "pelvis" else "left_shoulder"
        matrix = np.zeros((len(poses), 4, 4))
        matrix[:, :3, :3], matrix[:, :3, 3], matrix[:, 3, 3] = body.frame[name], scale * body.origin[name], 1.0
        known = np.asarray(np.isfinite(matrix).all(axis=(1, 2)))
        own = np.zeros((len(poses), FLOATS))
        own[:, :16] = np.where(known[:, None], matrix.transpose(0, 2, 1).reshape(-1, 16), np.nan)
        own[:, 16] = np.where(known, poses.score[:, poses.joints.index(joint)], -1.0)
        data[row, place, k] = own
    return data
