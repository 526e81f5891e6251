"""Time offsets of cameras: whether the board's motion determines them, and the knots of its interpolation.

A camera whose stamps are d seconds off observes a moving board at its position d seconds away: with the board's motion
interpolated between frames, d is one more unknown of that camera.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int64

from multiview.geometry.bundle import Bundle, BundleState
from multiview.geometry.rigid import rotation_from_vector, vector_from_rotation
from multiview.geometry.trajectory import Knots

__all__ = ["frame_step", "moves_smoothly", "with_time_offsets"]

_PADDING = 2  # knots before and after a run, so that a camera 1.5 frames out still finds the board's motion
_MAX_GAP = 4  # frame steps without any view that are still one run
_SMOOTH = 0.75  # |change of velocity| / |velocity|, per frame; chance placements have 1.7, a waved board 0.1 to 0.5
_MIN_TRIPLES = 8


def frame_step(frames: Int64[np.ndarray, " K"]) -> int:
    """The usual distance between frames that show the board."""
    gaps, count = np.unique(np.diff(frames), return_counts=True)
    return int(gaps[count.argmax()]) if len(gaps) else 1


def moves_smoothly(state: BundleState, frames: Int64[np.ndarray, " K"]) -> bool:
    """Whether the board's place in a frame follows from those around it, so that time between frames has a meaning."""
    step = frame_step(frames)
    inner = np.flatnonzero((np.diff(frames[:-1]) == step) & (np.diff(frames[1:]) == step)) + 1
    if len(inner) < _MIN_TRIPLES:
        return False
    t = state.target_t
    ahead, behind = t[inner + 1] - t[inner], t[inner] - t[inner - 1]
    speed = np.linalg.norm(ahead + behind, axis=1) / 2
    return bool(np.median(np.linalg.norm(ahead - behind, axis=1)) < _SMOOTH * np.median(speed))


def with_time_offsets(
    bundle: Bundle, state: BundleState, frames: Int64[np.ndarray, " K"]
) -> tuple[Bundle, BundleState, Int64[np.ndarray, " k"]]:
    """The same bundle with one free time offset per camera but the first, and knots at every frame of every run."""
    assert bundle.time is not None
    step = frame_step(frames)
    dense, segment = _grid(frames, step)
    stamps = np.array([np.median(bundle.time[bundle.knot == k]) for k in range(len(frames))])
    pace = np.median(np.diff(stamps) / np.diff(frames))
    knots = Knots(_extended(dense, frames, stamps, pace), segment)
    R, t = _filled_in(dense, frames, state)
    place = np.searchsorted(dense, frames[bundle.knot])
    free = np.arange(len(state.lenses)) > 0
    bundle = replace(bundle, knot=place, knots=knots, free_offset=free)
    return bundle, replace(state, target_R=R, target_t=t), dense


def _grid(frames: Int64[np.ndarray, " K"], step: int) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Every frame of every run and its padding, rising; runs whose paddings would touch are one run."""
    breaks = np.flatnonzero(np.diff(frames) > max(_MAX_GAP, 2 * _PADDING + 1) * step) + 1
    runs = []
    for run in np.split(frames, breaks):
        padded = np.arange(run[0] - _PADDING * step, run[-1] + (_PADDING + 1) * step, step)
        runs.append(np.union1d(padded, run))  # a frame off the step is a knot too
    segment = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    return np.concatenate(runs), segment


def _extended(
    dense: Int64[np.ndarray, " k"], frames: Int64[np.ndarray, " K"], stamps: Float64[np.ndarray, " K"], pace: float
) -> Float64[np.ndarray, " k"]:
    """Times of all knots: those of frames as stamped, others by the nearest frame and the usual pace."""
    between = np.interp(dense, frames, stamps)
    left = np.clip(np.searchsorted(frames, dense, side="right") - 1, 0, len(frames) - 1)
    right = np.clip(left + 1, 0, len(frames) - 1)
    nearest = np.where(np.abs(frames[right] - dense) < np.abs(frames[left] - dense), right, left)
    by_pace = stamps[nearest] + (dense - frames[nearest]) * pace
    enclosed = (frames[left] <= dense) & (dense <= frames[right]) & (frames[right] - frames[left] <= 10)
    return np.where(enclosed, between, by_pace)


def _filled_in(
    dense: Int64[np.ndarray, " k"], frames: Int64[np.ndarray, " K"], state: BundleState
) -> tuple[Float64[np.ndarray, "k 3 3"], Float64[np.ndarray, "k 3"]]:
    """Poses of all knots: between frames on the way from one to the next, outside as in the nearest frame."""
    left = np.clip(np.searchsorted(frames, dense, side="right") - 1, 0, max(len(frames) - 2, 0))
    right = np.minimum(left + 1, len(frames) - 1)
    part = np.clip((dense - frames[left]) / np.maximum(frames[right] - frames[left], 1), 0, 1)[:, None]
    rotation = vector_from_rotation(state.target_R[right] @ np.swapaxes(state.target_R[left], -1, -2))
    R = rotation_from_vector(part * rotation) @ state.target_R[left]
    return R, state.target_t[left] + part * (state.target_t[right] - state.target_t[left])
