"""Observed people with exact truth, small and quick: thighs and shanks of constant lengths before four cameras."""

from dataclasses import replace

import numpy as np

from calib.people.bundle_of_people import Observed
from calib.people.joint_bundle import DRIFT, LENS, SHIFT, UNKNOWNS, Curves, JointBundle, RigState
from multiview.geometry.bundle import Lens
from multiview.geometry.rigid import rotation_from_vector

JOINTS = ("left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle")
STEP, FPS, NOISE_PX = 0.1, 20.0, 2.0
LENGTHS = 0.42, 0.40


def legs(time, rng):
    """(T, 6, 3) two legs that wander through three metres, turning as they go."""

    def wave(size, slow):
        return size * np.sin(np.outer(time, slow * rng.uniform(0.5, 1.5, 3)) + rng.uniform(0, 6, 3))

    chains = []
    for side in (-0.15, 0.15):
        hip = wave(np.array([1.5, 0.3, 1.5]), 0.8) + np.array([side, 0, 6])
        knee = hip + LENGTHS[0] * unit(wave(1.0, 2.0) + np.array([0, 0.5, 0]))
        chains += [hip, knee, knee + LENGTHS[1] * unit(wave(1.0, 2.0) + np.array([0, 0.5, 0]))]
    return np.stack(chains, axis=1)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def observed_legs(seconds, correlation, seed, cameras=4):
    """A bundle with the truth as its state; noise of each coordinate is an AR(1) process."""
    rng = np.random.default_rng(seed)
    lens = Lens(np.array([1000.0, 1000.0, 639.5, 359.5]), np.zeros(5))
    angle = np.arange(cameras) * 2 * np.pi / cameras
    R = rotation_from_vector(np.stack([0.2 * np.cos(angle), angle, 0.1 * np.sin(angle)], axis=1))
    t = np.array([0.0, 0, 6.0]) - np.einsum("cij,j->ci", R, np.array([0.0, 0, 6.0]))  # all look at (0, 0, 6)
    knots = np.arange(-1, round(seconds / STEP) + 3)
    frames = np.arange(round(seconds * FPS)) / FPS
    truth = legs(np.concatenate([frames, knots * STEP]), rng)
    xyz, guess = truth[: len(frames)], truth[len(frames) :]
    curves = Curves(STEP, np.full(6, 0), np.full(6, len(knots)), len(knots) * np.arange(6))
    state = RigState(
        (lens,) * cameras, R, t, np.zeros(cameras), np.zeros(cameras), np.concatenate(list(guess.transpose(1, 0, 2)))
    )
    white = rng.normal(size=(len(frames), cameras, 6, 2))
    noise = white.copy()
    for n in range(1, len(frames)):
        noise[n] = correlation * noise[n - 1] + np.sqrt(1 - correlation**2) * white[n]
    pixels = np.stack([lens.project(xyz.reshape(-1, 3) @ R[c].T + t[c]).reshape(-1, 6, 2) for c in range(cameras)])
    pixels += NOISE_PX * noise.transpose(1, 0, 2, 3)
    free = np.ones((cameras, UNKNOWNS), dtype=bool)
    free[:, LENS] = free[0] = free[:, DRIFT] = False
    free[2, SHIFT.start + int(np.argmax(np.abs(t[2])))] = False  # a length of the rig
    camera, frame, joint = (grid.ravel() for grid in np.meshgrid(*map(np.arange, pixels.shape[:3]), indexing="ij"))
    bundle = JointBundle(
        curves, camera, joint, frames[frame], pixels[camera, frame, joint], np.full(len(camera), NOISE_PX), free
    )
    inside = curves.inside(joint, bundle.time)
    zero = np.zeros(len(camera), dtype=np.int64)
    ones = np.ones(len(camera))
    row = np.stack([zero, frame, joint], axis=1)
    everything = Observed(bundle, state.coefficients, joint, zero, ones, ones, row, np.zeros(6, int), np.arange(6))
    rows = {name: getattr(everything, name)[inside] for name in ("joint", "person", "score", "size", "row")}
    return replace(everything, bundle=bundle.kept(inside), **rows), state
