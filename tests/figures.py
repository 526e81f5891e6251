"""A small made-up studio for pictures, exports and messages: a ring of cameras, and people who stride in place."""

from __future__ import annotations

import numpy as np

from multiview.body.skeleton import Skeleton, load_skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.common.palette import RGB
from multiview.data import Pose3D, Track, Tracks

# x forward, y left, z up; a person of 1.75 m standing at the origin
_STANDING = {
    "nose": (0.10, 0.0, 1.60), "left_eye": (0.08, 0.03, 1.63), "right_eye": (0.08, -0.03, 1.63),
    "left_ear": (0.0, 0.075, 1.61), "right_ear": (0.0, -0.075, 1.61),
    "left_shoulder": (0.0, 0.19, 1.42), "right_shoulder": (0.0, -0.19, 1.42),
    "left_elbow": (0.0, 0.27, 1.15), "right_elbow": (0.0, -0.27, 1.15),
    "left_wrist": (0.14, 0.30, 0.93), "right_wrist": (0.14, -0.30, 0.93),
    "left_hip": (0.0, 0.10, 0.92), "right_hip": (0.0, -0.10, 0.92),
    "left_knee": (0.05, 0.11, 0.50), "right_knee": (0.05, -0.11, 0.50),
    "left_ankle": (0.0, 0.11, 0.09), "right_ankle": (0.0, -0.11, 0.09),
}  # fmt: skip


def ring(count: int = 4, radius: float = 3.2, height: float = 2.2) -> Rig:
    """Cameras on a circle, looking at a point 1 m above the middle of the floor."""
    K = np.array([[900.0, 0.0, 639.5], [0.0, 900.0, 359.5], [0.0, 0.0, 1.0]])
    cameras = []
    for i in range(count):
        angle = 2 * np.pi * (i + 0.4) / count
        centre = np.array([radius * np.cos(angle), radius * np.sin(angle), height])
        forward = np.array([0.0, 0.0, 1.0]) - centre
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        cameras.append(Camera(f"cam{i + 1:02d}", (1280, 720), K, np.zeros(5), R, -R @ centre))
    return Rig(tuple(cameras))


def pixels_of(picture: np.ndarray, colour: RGB, tolerance: int = 2) -> int:
    """How many pixels of a picture as OpenCV reads it (blue, green, red) have a colour."""
    wanted = 255 * np.array(colour)[::-1]
    return int((np.abs(picture.reshape(-1, 3) - wanted) <= tolerance).all(axis=1).sum())


def figure(
    skeleton: Skeleton, place: tuple[float, float] = (0.0, 0.0), facing: float = 0.0, stride: float = 0.0
) -> Pose3D:
    """One person of COCO's joints (others of the skeleton are NaN), `stride` in radians swings arms and legs."""
    xyz = np.full((len(skeleton.joints), 3), np.nan)
    for i, name in enumerate(skeleton.joints):
        if name in _STANDING:
            x, y, z = _STANDING[name]
            side = 1.0 if name.startswith("left") else -1.0
            if name.split("_")[-1] in ("elbow", "wrist"):
                x += 0.35 * np.sin(-side * stride) * (1.42 - z) / 0.5
            if name.split("_")[-1] in ("knee", "ankle"):
                x += 0.35 * np.sin(side * stride) * (0.92 - z) / 0.8
            xyz[i] = x, y, z
    turn = np.array([[np.cos(facing), -np.sin(facing), 0], [np.sin(facing), np.cos(facing), 0], [0, 0, 1.0]])
    xyz = xyz @ turn.T + [*place, 0.0]
    known = np.isfinite(xyz).all(axis=1)
    cov = np.where(known[:, None, None], np.eye(3) * 0.01**2, np.nan)
    return Pose3D(xyz, cov, known * 0.9, known * np.int64(3), np.zeros(len(xyz), dtype=bool))


def crowd(frame: int = 0, fps: float = 25.0) -> tuple[Skeleton, Tracks]:
    """Three people; the right arm of the third is filled."""
    skeleton = load_skeleton("coco17")
    swing = 0.8 * np.sin(2 * np.pi * frame / fps)
    poses = [
        figure(skeleton, (0.9, 0.3 + 0.01 * frame), 2.2, swing),
        figure(skeleton, (-0.8, 0.7), -0.6, -swing),
        figure(skeleton, (0.0 + 0.01 * frame, -1.0), 1.2, swing),
    ]
    for name in ("right_elbow", "right_wrist"):
        poses[2].filled[skeleton.index(name)] = True
        poses[2].views[skeleton.index(name)] = 0
    tracks = tuple(Track(person, pose) for person, pose in enumerate(poses))
    return skeleton, Tracks(frame, round(frame * 1e9 / fps), tracks)
