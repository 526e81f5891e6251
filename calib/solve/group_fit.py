"""The bundle adjustment of a group of cameras: from the tree's poses to the last fit.

Robust from the first step: homographies have gated the corners of a view, a redescending loss whose scale follows the
residuals carries the bundle past what is left, and the last fit is plain least squares over the corners that a
chi-square gate lets in, which is the most accurate one there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from calib.board.poses import noise
from calib.board.target import Target
from calib.board.wand import Wand
from calib.solve.camera_group import CameraGroup
from calib.solve.extrinsics import place_boards
from calib.solve.intrinsics import free_parameters
from calib.solve.timing import as_smooth_as_found, in_continuous_time
from calib.solve.unsteady_clocks import UnsteadyClock, fixed_times, release_unsteady_clocks
from calib.solve.wand import AXIS, outlines_to_middles, place_wands
from multiview.geometry.bundle import Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["FittedGroup", "fit_group"]

_GATE = 6.0  # sigmas; real corners have tails, and gross errors lie far beyond
_MIN_CORNERS = 4  # for a board's pose, over all cameras
_MIN_SIGMA_PX = 0.02
_SMOOTHINGS = 2  # accelerations that a rougher motion lets noise cause hide how smooth it is


@dataclass(frozen=True, slots=True, eq=False)
class FittedGroup:
    """The last fit of a group.

    Attributes:
        bundle: With the weights of the corners that count.
        state: Its solution.
        sigma: (C,) noise of each camera's corners, px.
        covariance: (S, S) of the shared unknowns, for residuals of unit deviation.
        unsteady_clocks: What the bundle's times were found to wander by, which is in them.
    """

    bundle: Bundle
    state: BundleState
    sigma: Float64[np.ndarray, " C"]
    covariance: Float64[np.ndarray, "S S"]
    unsteady_clocks: tuple[UnsteadyClock, ...]


def fit_group(
    group: CameraGroup, points: Float64[np.ndarray, "N 3"], board: Target, offsets: bool, known_lenses: bool
) -> FittedGroup:
    """Lenses that are not known, poses, boards and, if they may differ, time offsets and unsteady clocks."""
    bundle, state = _assembled(group, points, isinstance(board, Wand))
    if known_lenses:
        bundle = replace(bundle, free_lens=tuple(np.zeros_like(free) for free in bundle.free_lens))
    bundle, state = _robust(bundle, state)
    timeline, cameras = group.matched.timeline, len(group.cameras)
    if cameras > 1 and timeline.moving and (offsets or not timeline.exact):
        free = (np.arange(cameras) > 0) & offsets
        bundle, state, _ = in_continuous_time(bundle, state, group.instants, timeline.step_s, free)
        bundle, state = _robust(bundle, state)
        for _ in range(_SMOOTHINGS):
            bundle = as_smooth_as_found(bundle, state)
            bundle, state = _robust(bundle, state)
    if isinstance(board, Wand):
        bundle, state = _robust(outlines_to_middles(board, bundle, state), state)
    weight = bundle.weight
    bundle, state = _inliers(bundle, state)
    unsteady: tuple[UnsteadyClock, ...] = ()
    if bundle.knots is not None and offsets:

        def fit(bundle: Bundle, state: BundleState) -> tuple[Bundle, BundleState]:
            return _inliers(*_robust(replace(bundle, weight=weight, cauchy=np.inf), state))

        bundle, state, unsteady = release_unsteady_clocks(bundle, state, weight, group.matched.poses.used, fit)
    covariance = bundle.linearised(state).shared_covariance()
    if unsteady:
        covariance = covariance[: -len(bundle.unsteady), : -len(bundle.unsteady)]
        bundle, state = fixed_times(bundle, state)
    return FittedGroup(bundle, state, _sigmas(bundle, state), covariance, unsteady)


def _assembled(group: CameraGroup, points: Float64[np.ndarray, "N 3"], on_a_line: bool) -> tuple[Bundle, BundleState]:
    """The bundle of a group, every seen corner in it, started from the tree."""
    poses, cameras, instants = group.matched.poses, len(group.cameras), len(group.instants)
    place = place_wands if on_a_line else place_boards
    lenses = [entry.lens for entry in group.lenses]
    target_R, target_t = place(poses, lenses, dict(enumerate(group.placed)), points, instants)
    posed = np.zeros(instants, dtype=bool)
    posed[poses.knot[poses.used.any(axis=1)]] = True
    seen = (group.matched.row >= 0) & posed[poses.knot][:, None]
    sigma = np.array([entry.sigma for entry in group.lenses])
    count = np.bincount(poses.camera, minlength=cameras).tolist()
    bundle = Bundle(
        points,
        poses.camera,
        poses.knot,
        poses.xy,
        seen / sigma[poses.camera][:, None],
        tuple(free_parameters(entry.model, n) for entry, n in zip(group.lenses, count, strict=True)),
        free_pose=np.arange(cameras) > 0,
        free_offset=np.zeros(cameras, dtype=bool),
        time=group.matched.timeline.time,
        lens_prior=tuple(entry.prior for entry in group.lenses),
        axis=AXIS if on_a_line else None,
    )
    R, t = (np.stack(parts) for parts in zip(*group.placed, strict=True))
    return bundle, BundleState(tuple(lenses), R, t, np.zeros(cameras), target_R, target_t)


def _robust(bundle: Bundle, state: BundleState) -> tuple[Bundle, BundleState]:
    """Cauchy's loss with a scale that follows the residuals down (graduated non-convexity)."""
    seen = bundle.weight > 0
    scale = np.inf
    for _ in range(8):
        errors = np.where(seen, np.linalg.norm(bundle.residuals(state), axis=-1) * bundle.weight, np.nan)
        previous, scale = scale, max(noise(errors), 1.0)
        if scale > 0.9 * previous:
            break
        robust = replace(bundle, cauchy=1.5 * scale)
        state = levenberg_marquardt(robust, state, max_steps=12, tolerance=1e-3).state
    return bundle, state


def _inliers(bundle: Bundle, state: BundleState) -> tuple[Bundle, BundleState]:
    """Plain least squares over the corners within the gate, repeated until the gate lets in the same ones."""
    seen = bundle.weight > 0
    errors = np.linalg.norm(bundle.residuals(state), axis=-1)
    sigma = np.array([noise(errors[(bundle.camera == c)[:, None] & seen]) for c in range(len(state.lenses))])
    inlier = np.zeros_like(seen)
    for _ in range(8):
        sigma = np.maximum(sigma, _MIN_SIGMA_PX)
        width = _GATE * np.maximum(sigma, 0.7 * np.median(sigma))  # a quiet camera's tails are not gross errors
        previous, inlier = inlier, seen & (errors < width[bundle.camera][:, None])
        enough = np.bincount(bundle.knot, inlier.sum(axis=1), len(state.target_R)) >= _MIN_CORNERS
        inlier &= enough[bundle.knot][:, None]
        bundle = replace(bundle, weight=inlier / sigma[bundle.camera][:, None], cauchy=np.inf)
        state = levenberg_marquardt(bundle, state, max_steps=20, tolerance=1e-8).state
        errors = np.linalg.norm(bundle.residuals(state), axis=-1)
        sigma = _sigmas(bundle, state)
        if (inlier != previous).mean() < 1e-4:
            break
    return bundle, state


def _sigmas(bundle: Bundle, state: BundleState) -> Float64[np.ndarray, " C"]:
    """Noise of each camera's inlier corners, px per axis, corrected for the unknowns that were fitted to it.

    A camera with few corners borrows from the others.
    """
    square = (bundle.residuals(state) ** 2).sum(axis=-1)
    inlier = bundle.weight > 0
    cameras = len(state.lenses)
    total = np.bincount(bundle.camera, (square * inlier).sum(axis=1), cameras)
    count = 2.0 * np.bincount(bundle.camera, inlier.sum(axis=1), cameras)
    boards = len(np.unique(bundle.knot[inlier.any(axis=1)]))
    unknowns = (
        bundle.pose_unknowns * boards
        + len(bundle.unsteady)
        + sum(int((places >= 0).sum()) for places in bundle.layout())
    )
    correction = count.sum() / max(count.sum() - unknowns, 0.1 * count.sum())
    borrowed = 100.0
    pooled = total.sum() / count.sum()
    return np.sqrt((total + borrowed * pooled) / (count + borrowed) * correction)
