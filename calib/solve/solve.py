"""From corners to a rig: intrinsics, initial poses, then one bundle adjustment over everything.

Robust from the first step: homographies gate the corners of a view, a redescending loss whose scale follows the
residuals carries the bundle past what is left, and the last fit is plain least squares over the corners that a
chi-square gate lets in, which is the most accurate one there is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.board import Board
from calib.board.poses import CameraViews, noise, planar_poses
from calib.corners.corners import BoardViews, Corners
from calib.solve.extrinsics import ViewPoses, covisibility, place_boards, place_cameras
from calib.solve.intrinsics import Intrinsics, calibrate_lens, free_parameters
from calib.solve.timing import moves_smoothly, with_time_offsets
from multiview.errors import CalibrationError
from multiview.geometry.bundle import Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["Calibration", "solve"]

_GATE = 6.0  # sigmas; real corners have tails, and gross errors lie far beyond
_MIN_CORNERS = 4  # for a board's pose, over all cameras
_MIN_SIGMA_PX = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A solved group of cameras, with the final bundle and its inputs.

    Attributes:
        cameras: Indices into the corner table's cameras; the bundle's are numbered in this order.
        bundle: The measurements and what was free.
        state: Lenses, poses, time offsets, board poses.
        frame: (K,) frame of each board pose.
        row: (V, N) row of the corner table, -1 where not seen.
        inlier: (M,) rows of the whole table that were used.
        sigma: (C,) noise of each camera's corners, px.
        covariance: (S, S) of the bundle's shared unknowns, for residuals of unit deviation.
        intrinsics: Of each camera alone, before the bundle.
        graph: Co-visibility of the cameras.
        loops: (camera, camera, angle in rad, length in m): how badly loops of the graph close.
        left_out: Why other cameras could not be solved, by name.
        offset_sigma: (C,) standard deviation of the time offsets, s; 0 where fixed.
    """

    cameras: tuple[int, ...]
    bundle: Bundle
    state: BundleState
    frame: Int64[np.ndarray, " K"]
    row: Int64[np.ndarray, "V N"]
    inlier: Bool[np.ndarray, " M"]
    sigma: Float64[np.ndarray, " C"]
    covariance: Float64[np.ndarray, "S S"]
    intrinsics: tuple[Intrinsics, ...]
    graph: nx.Graph
    loops: tuple[tuple[int, int, float, float], ...]
    left_out: dict[str, str]
    offset_sigma: Float64[np.ndarray, " C"]

    @property
    def rms_px(self) -> float:
        """sqrt(mean(dx^2 + dy^2)) over the inlier corners."""
        return float(np.sqrt(np.mean(self.errors()[self.bundle.weight > 0] ** 2)))

    def errors(self) -> Float64[np.ndarray, "V N"]:
        """Reprojection error of every corner of the bundle's views, px."""
        return np.linalg.norm(self.bundle.residuals(self.state), axis=-1)


def solve(
    corners: Corners,
    board: Board,
    model: str | None = None,
    offsets: bool = True,
    known: dict[int, Intrinsics] | None = None,
) -> Calibration:
    """The rig of the largest group of cameras that share boards: lenses, poses, time offsets.

    Args:
        corners: The table.
        board: The board.
        model: Lens model of all cameras ("pinhole5", "pinhole8", "fisheye"); None: chosen on held-out pictures.
        offsets: Let every camera have a time offset, where the board moves smoothly enough to tell.
        known: Lenses that are kept as they are, by camera index; None: all are estimated.

    Returns:
        The calibration; `calib.report.outcome` makes a rig and a verdict of it.

    Raises:
        CalibrationError: No camera can be calibrated.

    References:
        Zhang 2000, A Flexible New Technique for Camera Calibration; Triggs et al. 2000, Bundle adjustment: a modern
        synthesis.
    """
    points = board.points - board.points.mean(axis=0)
    views = BoardViews.of(corners, len(points))
    lenses, left_out = _lenses(corners, views, points, board.front_corners, model) if known is None else (known, {})
    if not lenses:
        raise CalibrationError("no camera can be calibrated: " + "; ".join(f"{k} {v}" for k, v in left_out.items()))
    poses, kept, frames = _view_poses(views, lenses, points)
    graph = covisibility(poses, [lenses[c].lens for c in sorted(lenses)], points)
    numbers = sorted(lenses)
    component = max(nx.connected_components(graph), key=lambda found: (len(found), -min(found)))
    for other in set(graph.nodes) - component:
        left_out[corners.names[numbers[other]]] = "shares no board with the other cameras"
    members = sorted(component)
    placed, loops = place_cameras(graph, component)
    bundle, state = _assembled(
        views, kept, poses, placed, [lenses[numbers[c]] for c in members], members, points, frames
    )
    if known is not None:
        bundle = replace(bundle, free_lens=tuple(np.zeros_like(free) for free in bundle.free_lens))
    bundle, state = _robust(bundle, state)
    if offsets and len(members) > 1 and moves_smoothly(state, frames):
        bundle, state, frames = with_time_offsets(bundle, state, frames)
        bundle, state = _robust(bundle, state)
    bundle, state = _inliers(bundle, state)
    solved_views = kept[np.isin(poses.camera, members)]
    row = views.row[solved_views]
    inlier = np.zeros(len(corners), dtype=bool)
    inlier[row[bundle.weight > 0]] = True
    covariance = bundle.linearised(state).shared_covariance()
    offset_place = np.array([places[-1] for places in bundle.layout()])
    offset_sigma = np.where(offset_place >= 0, np.sqrt(np.diag(covariance))[offset_place], 0.0)
    return Calibration(
        cameras=tuple(numbers[c] for c in members),
        bundle=bundle,
        state=state,
        frame=frames,
        row=row,
        inlier=inlier,
        sigma=_sigmas(bundle, state),
        covariance=covariance,
        intrinsics=tuple(lenses[numbers[c]] for c in members),
        graph=nx.relabel_nodes(graph, dict(enumerate(numbers))),
        loops=tuple((numbers[a], numbers[b], angle, length) for a, b, angle, length in loops),
        left_out=left_out,
        offset_sigma=offset_sigma,
    )


def _lenses(
    corners: Corners, views: BoardViews, points: Float64[np.ndarray, "N 3"], front: int, model: str | None
) -> tuple[dict[int, Intrinsics], dict[str, str]]:
    lenses, left_out = {}, {}
    for c, name in enumerate(corners.names):
        own = views.camera == c
        try:
            own_views = CameraViews(points, views.xy[own], views.row[own] >= 0, front)
            found = calibrate_lens(own_views, corners.sizes[c], model)
            if "mirrored" in found.notes:  # no camera that turns and moves can see a board so
                raise CalibrationError(
                    "shows the board mirrored; switch mirroring off in the camera's settings (or, if the board bears "
                    'its mirror image on the back, write back = "mirrored" into board.toml and detect again)'
                )
            lenses[c] = found
        except CalibrationError as error:
            left_out[name] = str(error)
    return lenses, left_out


def _view_poses(
    views: BoardViews, lenses: dict[int, Intrinsics], points: Float64[np.ndarray, "N 3"]
) -> tuple[ViewPoses, Int64[np.ndarray, " v"], Int64[np.ndarray, " K"]]:
    """Every view's own pose (cameras numbered in the order of `lenses`), the views kept, and the frames they show.

    Views in which no pose was found are kept, with nothing used: another camera may know where the board was.
    """
    kept = np.flatnonzero(np.isin(views.camera, list(lenses)))
    frames, knot = np.unique(views.frame[kept], return_inverse=True)
    seen = views.row[kept] >= 0
    camera = np.searchsorted(sorted(lenses), views.camera[kept])
    R, t, used = np.empty((len(kept), 3, 3)), np.empty((len(kept), 3)), np.zeros_like(seen)
    for i, c in enumerate(sorted(lenses)):
        lens, sigma, own = lenses[c].lens, lenses[c].sigma, np.flatnonzero(camera == i)
        ours = CameraViews(points, views.xy[kept[own]], seen[own])
        planar, R[own], t[own], _ = planar_poses(ours, lens, max(2.0, 6 * sigma), sigma)
        used[own] = planar.used
    return ViewPoses(camera, knot, R, t, views.xy[kept], used), kept, frames


def _assembled(
    views: BoardViews,
    kept: Int64[np.ndarray, " v"],
    poses: ViewPoses,
    placed: dict[int, tuple[np.ndarray, np.ndarray]],
    lenses: list[Intrinsics],
    members: list[int],
    points: Float64[np.ndarray, "N 3"],
    frames: Int64[np.ndarray, " K"],
) -> tuple[Bundle, BundleState]:
    """The bundle of a component, every seen corner in it, started from the tree."""
    own = np.isin(poses.camera, members)
    poses = ViewPoses(
        np.searchsorted(members, poses.camera[own]),
        poses.knot[own],
        poses.R[own],
        poses.t[own],
        poses.xy[own],
        poses.used[own],
    )
    cameras = {i: placed[c] for i, c in enumerate(members)}
    target_R, target_t = place_boards(poses, [entry.lens for entry in lenses], cameras, points, len(frames))
    posed = np.zeros(len(frames), dtype=bool)
    posed[poses.knot[poses.used.any(axis=1)]] = True
    seen = (views.row[kept[own]] >= 0) & posed[poses.knot][:, None]
    sigma = np.array([entry.sigma for entry in lenses])
    first = np.arange(len(members)) == 0
    count = [int((poses.camera == c).sum()) for c in range(len(members))]
    bundle = Bundle(
        points,
        poses.camera,
        poses.knot,
        poses.xy,
        seen / sigma[poses.camera][:, None],
        tuple(free_parameters(entry.model, n) for entry, n in zip(lenses, count, strict=True)),
        free_pose=~first,
        free_offset=np.zeros(len(members), dtype=bool),
        time=views.time[kept[own]],
    )
    R = np.stack([cameras[i][0] for i in range(len(members))])
    t = np.stack([cameras[i][1] for i in range(len(members))])
    state = BundleState(tuple(entry.lens for entry in lenses), R, t, np.zeros(len(members)), target_R, target_t)
    return bundle, state


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
    unknowns = 6 * boards + sum(int((places >= 0).sum()) for places in bundle.layout())
    correction = count.sum() / max(count.sum() - unknowns, 0.1 * count.sum())
    borrowed = 100.0
    pooled = total.sum() / count.sum()
    return np.sqrt((total + borrowed * pooled) / (count + borrowed) * correction)
