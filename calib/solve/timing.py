"""The board's motion in continuous time: knots of its interpolation, how smooth it is, and one time offset per camera.

A camera whose stamps are d seconds off observes a moving board at its position d seconds away: with the board's motion
interpolated between instants, d is one more unknown of that camera.

A motion that may be rougher than a hand's follows noise between its instants, and most so where a camera's views lie
beside those of the others: then a wrong d fits better than the true one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.geometry import trajectory
from multiview.geometry.bundle import Bundle, BundleState
from multiview.geometry.rigid import rotation_from_vector, vector_from_rotation
from multiview.geometry.trajectory import Knots

__all__ = ["as_smooth_as_found", "in_continuous_time", "instant_step"]

_PADDING = 2  # knots before and after a run, so that a camera 1.5 steps out still finds the board's motion
_MAX_GAP = 4  # steps without any view that are still one run
_MARGIN = 1.5  # times the accelerations that were found, which the next fit expects
_FEWEST_KNOTS, _FEWEST_CORNERS = 20, 4  # to tell how smooth a motion is, and where the board is
_SMOOTHEST = (1.0, 0.2)  # rad/s^2 and m/s^2


def instant_step(instants: Int64[np.ndarray, " K"]) -> int:
    """The usual distance between instants that show the board."""
    gaps, count = np.unique(np.diff(instants), return_counts=True)
    return int(gaps[count.argmax()]) if len(gaps) else 1


def in_continuous_time(
    bundle: Bundle,
    state: BundleState,
    instants: Int64[np.ndarray, " K"],
    step_s: float,
    free_offset: Bool[np.ndarray, " C"],
) -> tuple[Bundle, BundleState, Int64[np.ndarray, " k"]]:
    """The same bundle with knots at every step of every run, each view at its own time.

    Args:
        bundle: With one board pose per instant.
        state: Of it.
        instants: (K,) number of the step of each board pose, rising.
        step_s: Of the grid; instant i is at i times this.
        free_offset: (C,) cameras whose time offset is estimated.

    Returns:
        The bundle, its state, and the instants of its knots.
    """
    dense, segment = _grid(instants, instant_step(instants))
    R, t = _filled_in(dense, instants, state)
    place = np.searchsorted(dense, instants[bundle.knot])
    bundle = replace(bundle, knot=place, knots=Knots(dense * step_s, segment), free_offset=free_offset)
    return bundle, replace(state, target_R=R, target_t=t), dense


def as_smooth_as_found(bundle: Bundle, state: BundleState) -> Bundle:
    """The same bundle, which expects no larger accelerations than those it has found where views tell the motion.

    Args:
        bundle: In continuous time.
        state: Fitted to it; noise makes its accelerations larger than they are, never smaller.

    Returns:
        The bundle; as it is, where too few knots tell.
    """
    assert bundle.knots is not None
    support, found, _ = trajectory.bending(bundle.knots, state.target_R, state.target_t)
    seen = np.zeros(len(bundle.knots.time), dtype=bool)
    seen[bundle.knot[(bundle.weight > 0).sum(axis=1) >= min(_FEWEST_CORNERS, len(bundle.points))]] = True
    told = seen[support].all(axis=1)
    if told.sum() < _FEWEST_KNOTS:
        return bundle
    rms = np.sqrt((found[told].reshape(-1, 2, 3) ** 2).mean(axis=(0, 2)))
    turn, shift = np.clip(_MARGIN * rms, _SMOOTHEST, bundle.acceleration).tolist()
    return replace(bundle, acceleration=(turn, shift))


def _grid(instants: Int64[np.ndarray, " K"], step: int) -> tuple[Int64[np.ndarray, " k"], Int64[np.ndarray, " k"]]:
    """Every step of every run and its padding, rising; runs whose paddings would touch are one run."""
    breaks = np.flatnonzero(np.diff(instants) > max(_MAX_GAP, 2 * _PADDING + 1) * step) + 1
    runs = []
    for run in np.split(instants, breaks):
        padded = np.arange(run[0] - _PADDING * step, run[-1] + (_PADDING + 1) * step, step)
        runs.append(np.union1d(padded, run))  # an instant off the step is a knot too
    segment = np.repeat(np.arange(len(runs)), [len(run) for run in runs])
    return np.concatenate(runs), segment


def _filled_in(
    dense: Int64[np.ndarray, " k"], instants: Int64[np.ndarray, " K"], state: BundleState
) -> tuple[Float64[np.ndarray, "k 3 3"], Float64[np.ndarray, "k 3"]]:
    """Poses of all knots: between instants on the way from one to the next, outside as at the nearest."""
    left = np.clip(np.searchsorted(instants, dense, side="right") - 1, 0, max(len(instants) - 2, 0))
    right = np.minimum(left + 1, len(instants) - 1)
    part = np.clip((dense - instants[left]) / np.maximum(instants[right] - instants[left], 1), 0, 1)[:, None]
    rotation = vector_from_rotation(state.target_R[right] @ np.swapaxes(state.target_R[left], -1, -2))
    R = rotation_from_vector(part * rotation) @ state.target_R[left]
    return R, state.target_t[left] + part * (state.target_t[right] - state.target_t[left])
