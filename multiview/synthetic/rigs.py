"""Rigs of synthetic studios: cameras in a ring around the floor, or in a row along one side of it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Camera, Rig

__all__ = ["PLACEMENTS", "looking_at", "rig_at"]


def looking_at(
    centre: Float64[np.ndarray, " 3"], target: Float64[np.ndarray, " 3"]
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    """R, t (`cam_from_world`) of an upright camera at `centre` that looks at `target`, both in m."""
    forward = (target - centre) / np.linalg.norm(target - centre)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    return R, -R @ centre


def ring(cameras: int, radius: float, rng: np.random.Generator) -> Float64[np.ndarray, "C 2"]:
    """Places all around, m, slightly off the perfect ring as in a real studio."""
    angles = 2 * np.pi * (np.arange(cameras) + rng.uniform(-0.15, 0.15, cameras)) / cameras
    if cameras == 2:  # opposite cameras would look along one line and see no depth
        angles = np.pi * (np.arange(2) * 0.5 + rng.uniform(-0.05, 0.05, 2))
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1) * radius


def row(cameras: int, radius: float, rng: np.random.Generator) -> Float64[np.ndarray, "C 2"]:
    """Places along one side, m, `radius` from the middle, spread over 1.6 of it."""
    along = np.linspace(-0.8, 0.8, cameras) if cameras > 1 else np.zeros(1)
    return np.stack([along * radius, np.full(cameras, -radius)], axis=-1) + rng.uniform(-0.03, 0.03, (cameras, 2))


PLACEMENTS = {"ring": ring, "row": row}


def rig_at(
    places: Float64[np.ndarray, "C 2"],
    focal_px: float,
    size: tuple[int, int],
    dist: Float64[np.ndarray, " n"],
    rng: np.random.Generator,
) -> Rig:
    """Cameras at these places of the floor, 2.2 to 3 m high, aimed at the middle, but not perfectly."""
    cameras = []
    for i, (x, y) in enumerate(places):
        target = np.append(rng.uniform(-0.15, 0.15, 2), 0.85)
        R, t = looking_at(np.array([x, y, rng.uniform(2.2, 3.0)]), target)
        focal = focal_px * rng.uniform(0.98, 1.02)
        middle = (np.array(size) - 1) / 2 + rng.uniform(-0.01, 0.01, 2) * np.array(size)
        K = np.array([[focal, 0.0, middle[0]], [0.0, focal * rng.uniform(0.995, 1.005), middle[1]], [0.0, 0.0, 1.0]])
        cameras.append(Camera(name=f"cam{i + 1:02d}", size=size, K=K, dist=dist, R=R, t=t))
    return Rig(tuple(cameras))
