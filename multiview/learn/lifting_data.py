"""What lifting networks learn from: windows of random movements, as random cameras see them.

Nobody was recorded for it: movements are those of `synthetic/random_motion.py`. Each is seen by a new camera, from
anywhere around, from the floor to the ceiling, at 2 to 12 m. Keypoints miss by 3 to 35 mm; some are missing, and frames
before the instant or after it are missing as often as not, so that one network serves live and recordings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32

from multiview.lifting.windows import BEFORE, FRAMES, JOINTS, MIRRORED, STEP_S, Windows, view_windows
from multiview.synthetic.random_motion import random_movement

__all__ = ["HIPS", "Batch", "movements", "sample_batch"]

HIPS = [JOINTS.index("left_hip"), JOINTS.index("right_hip")]
_J = len(JOINTS)
_FRAMES = 45  # of a movement
_DISTANCE, _CAMERA_HEIGHT = (1.2, 7.0), (0.15, 2.0)  # in heights of the person
_NOISE = (0.002, 0.02)  # likewise: the standard deviation of a coordinate
_CORRELATION = 0.85  # of the error from one frame to the next, in half of the windows; else there is none
_GROSS = 0.005  # share of keypoints that miss by ten times as much
_HIDDEN = 0.03  # share of windows in which one of these is not seen for some time
_PARTS = ([7, 9], [8, 10], [13, 15], [14, 16], [9], [10], [15], [16], [0, 1, 2, 3, 4], [13, 14, 15, 16])


class Batch(NamedTuple):
    """Windows, and what is true of the person at their instants, in heights of the person.

    Attributes:
        windows: As the network takes them.
        xyz: (N, J, 3) in the windows' views, the camera at the origin.
        motion: (N, T, J, 3) of all frames, about the middle of the hips.
        above: (N,) the middle of the hips above the floor.
    """

    windows: Windows
    xyz: Float[np.ndarray, "N J 3"]
    motion: Float32[np.ndarray, "N T J 3"]
    above: Float[np.ndarray, " N"]


def movements(count: int, seed: int) -> Float32[np.ndarray, "M T J 3"]:
    """Random movements, in heights of the person.

    Args:
        count: M.
        seed: Of all random numbers.

    Returns:
        (M, T, J, 3), the floor at z = 0.
    """
    rng = np.random.default_rng(seed)
    made = np.empty((count, _FRAMES, _J, 3), dtype=np.float32)
    for one in made:
        xyz, build = random_movement(rng, _FRAMES, 1 / STEP_S, JOINTS)
        one[:] = xyz / build.height
    return made


def sample_batch(moved: Float32[np.ndarray, "M T J 3"], count: int, rng: np.random.Generator) -> Batch:
    """Windows of random movements, as a random camera and a middling detector see them.

    Args:
        moved: To draw from, in heights of the person.
        count: N.
        rng: Of all random numbers.

    Returns:
        The windows, and the truth.
    """
    first = rng.integers(0, moved.shape[1] - FRAMES + 1, count)
    rows = rng.integers(0, len(moved), count)
    xyz = moved[rows[:, None], first[:, None] + np.arange(FRAMES)]
    mirrored = rng.random(count) < 0.5
    xyz[mirrored] = xyz[mirrored][:, :, MIRRORED] * np.array([-1.0, 1.0, 1.0], np.float32)
    camera = _cameras(xyz[:, BEFORE], rng).astype(np.float32)
    rays = xyz - camera[:, None, None]
    seen = _seen(count, rng)
    windows = view_windows(rays + _noise(rays.shape, rng), seen)
    inside = np.einsum("nij,nkj->nki", windows.view_from_world, rays[:, BEFORE])
    about = xyz - xyz[:, :, HIPS].mean(axis=2, keepdims=True)
    turn = windows.view_from_world.astype(np.float32).swapaxes(1, 2)
    motion = (about.reshape(count, -1, 3) @ turn).reshape(xyz.shape)
    return Batch(windows, inside, motion, xyz[:, BEFORE, HIPS, 2].mean(axis=1))


def _cameras(xyz: Float[np.ndarray, "N J 3"], rng: np.random.Generator) -> Float[np.ndarray, "N 3"]:
    """Around each person: at the heights of tripods and ceilings, and a fifth anywhere above."""
    count = len(xyz)
    azimuth = rng.uniform(-np.pi, np.pi, count)
    distance = _log_uniform(_DISTANCE, (count,), rng)
    steep = rng.random(count) < 0.2
    height = rng.uniform(*_CAMERA_HEIGHT, count)
    elevation = np.where(steep, np.radians(rng.uniform(-10, 80, count)), 0.0)
    height = np.where(steep, np.maximum(0.7 + distance * np.sin(elevation), 0.1), height)
    level = distance * np.cos(elevation)
    middle = xyz.mean(axis=1)
    return np.stack([middle[:, 0] + level * np.cos(azimuth), middle[:, 1] + level * np.sin(azimuth), height], axis=-1)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Float32[np.ndarray, "N T J 3"]:
    """White or correlated from frame to frame, larger for some joints, and a few gross errors."""
    N, T, J, _ = shape
    sd = _log_uniform(_NOISE, (N, 1, 1), rng) * np.exp(rng.normal(0.0, 0.4, (N, 1, J)))
    noise = rng.standard_normal(shape, dtype=np.float32)
    alike = rng.random(N) < 0.5
    rho = np.float32(_CORRELATION)
    for t in range(1, T):
        noise[alike, t] = rho * noise[alike, t - 1] + np.sqrt(1 - rho * rho) * noise[alike, t]
    sd = np.where(rng.random((N, T, J), dtype=np.float32) < _GROSS, 10.0 * sd, sd).astype(np.float32)
    return np.asarray(noise * sd[..., None])


def _log_uniform(ends: tuple[float, float], shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    low, high = ends
    return np.asarray(low * (high / low) ** rng.random(shape))


def _seen(count: int, rng: np.random.Generator) -> Bool[np.ndarray, "N T J"]:
    """Which keypoints there are: not all frames, not all joints, not all limbs; at the instant always some."""
    seen = (
        rng.random((count, FRAMES, _J), dtype=np.float32) > np.where(rng.random(count) < 0.5, 0.0, 0.08)[:, None, None]
    )
    for part in _PARTS:  # out of the picture, or behind something
        hidden = rng.random(count) < _HIDDEN
        begin, end = np.sort(rng.integers(-5, FRAMES + 5, (2, count)), axis=0)
        times = (np.arange(FRAMES) >= begin[:, None]) & (np.arange(FRAMES) <= end[:, None]) & hidden[:, None]
        seen[:, :, part] &= ~times[:, :, None]
    past = np.where(rng.random(count) < 0.3, rng.integers(0, BEFORE + 1, count), BEFORE)
    future = np.where(rng.random(count) < 0.25, rng.integers(0, BEFORE + 1, count), BEFORE)
    future = np.where(rng.random(count) < 0.25, 0, future)
    away = np.arange(FRAMES) - BEFORE
    seen &= ((away >= -past[:, None]) & (away <= future[:, None]))[:, :, None]
    seen[:, BEFORE, 5:7] |= ~seen[:, BEFORE].any(axis=-1, keepdims=True)
    return seen
