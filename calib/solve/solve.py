"""From corners to a rig: intrinsics, initial poses, then one bundle adjustment over everything.

Robust from the first step: homographies gate the corners of a view, a redescending loss whose scale follows the
residuals carries the bundle past what is left, and the last fit is plain least squares over the corners that a
chi-square gate lets in, which is the most accurate one there is.

Views are matched by time (`timeline`), never by their frames' numbers, wherever the board's motion tells time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import cv2
import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.markers import Markers
from calib.board.poses import CameraViews, noise, planar_poses
from calib.board.target import Target, bodies_of, least_corners, middles_of
from calib.board.wand import Wand
from calib.corners.at_rest import at_rest
from calib.corners.corners import BoardViews, Corners
from calib.corners.selection import select_instants
from calib.solve.extrinsics import ViewPoses, covisibility, place_boards, place_cameras
from calib.solve.half_turns import counted_alike, stamped_together
from calib.solve.intrinsics import Intrinsics, calibrate_lens, free_parameters
from calib.solve.timeline import common_timeline, rising_times
from calib.solve.timing import as_smooth_as_found, in_continuous_time
from calib.solve.unsteady_clocks import UnsteadyClock, fixed_times, release_unsteady_clocks
from calib.solve.wand import AXIS, outlines_to_middles, place_wands, wand_covisibility, wand_poses
from multiview.data import FrameNumber, FrameNumbers, Times
from multiview.errors import CalibrationError
from multiview.geometry.bundle import Bundle, BundleState
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["Calibration", "solve"]

_GATE = 6.0  # sigmas; real corners have tails, and gross errors lie far beyond
_MIN_CORNERS = 4  # for a board's pose, over all cameras
_MIN_SIGMA_PX = 0.02
_SMOOTHINGS = 2  # accelerations that a rougher motion lets noise cause hide how smooth it is


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A solved group of cameras, with the final bundle and its inputs.

    Attributes:
        corners: The corner table, or those of its rows that were chosen.
        cameras: Indices into the corner table's cameras; the bundle's are numbered in this order.
        bundle: The measurements and what was free; its times are on the first camera's clock, from a common zero.
        state: Lenses, poses, board poses, and what the time offsets are beyond `clock_offset`.
        clock_offset: (C,) s, coarse difference of the clocks; `time_offset` is the whole.
        frame: (V,) number of each view's frame, which says no time.
        lane_s: (V,) what the bundle's times have beyond the common clock: further boards move as if after the first.
        row: (V, N) row of the corner table, -1 where not seen.
        inlier: (M,) rows of the table that were used.
        sigma: (C,) noise of each camera's corners, px.
        covariance: (S, S) of the bundle's shared unknowns, for residuals of unit deviation.
        intrinsics: Of each camera alone, before the bundle.
        graph: Co-visibility of the cameras.
        loops: (camera, camera, angle in rad, length in m): how badly loops of the graph close.
        left_out: Why other cameras could not be solved, by name.
        offset_sigma: (C,) standard deviation of the time offsets, s; 0 where fixed.
        sure_clock: (C,) whether `clock_offset` is beyond doubt; else stamps were believed.
        unsteady_clocks: Of cameras whose time offset is not constant; the bundle's times include what they wander by.
    """

    corners: Corners
    cameras: tuple[int, ...]
    bundle: Bundle
    state: BundleState
    clock_offset: Float64[np.ndarray, " C"]
    frame: FrameNumbers
    lane_s: Float64[np.ndarray, " V"]
    row: Int64[np.ndarray, "V N"]
    inlier: Bool[np.ndarray, " M"]
    sigma: Float64[np.ndarray, " C"]
    covariance: Float64[np.ndarray, "S S"]
    intrinsics: tuple[Intrinsics, ...]
    graph: nx.Graph
    loops: tuple[tuple[int, int, float, float], ...]
    left_out: dict[str, str]
    offset_sigma: Float64[np.ndarray, " C"]
    sure_clock: Bool[np.ndarray, " C"]
    unsteady_clocks: tuple[UnsteadyClock, ...] = ()

    @property
    def time_offset(self) -> Float64[np.ndarray, " C"]:
        """s, to be added to each camera's stamps; 0 for the first camera."""
        return self.clock_offset + self.state.offset

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cameras."""
        return tuple(self.corners.names[c] for c in self.cameras)

    @property
    def stamps(self) -> Times:
        """s, of each view by its own camera."""
        return Times(self.corners.time[self.row.max(axis=1)])

    @property
    def rms_px(self) -> float:
        """sqrt(mean(dx^2 + dy^2)) over the inlier corners."""
        return float(np.sqrt(np.mean(self.errors()[self.bundle.weight > 0] ** 2)))

    def errors(self) -> Float64[np.ndarray, "V N"]:
        """Reprojection error of every corner of the bundle's views, px."""
        return np.linalg.norm(self.bundle.residuals(self.state), axis=-1)


def solve(
    corners: Corners,
    board: Target,
    model: str | None = None,
    offsets: bool = True,
    known: dict[int, Intrinsics] | None = None,
    max_instants: int | None = None,
    keep_frame: FrameNumber | None = None,
) -> Calibration:
    """The rig of the largest group of cameras that share boards: lenses, poses, time offsets.

    Args:
        corners: The table.
        board: The board.
        model: Lens model of all cameras ("pinhole5", "pinhole8", "fisheye"); None: chosen on held-out pictures.
        offsets: Let every camera have a time offset, where the board moves smoothly enough to tell; False: all stamps
            are of one clock, or, where they cannot be, frames of one number were taken together.
        known: Lenses that are kept as they are, by camera index; None: all are estimated.
        max_instants: Of a longer recording so many are chosen for coverage; None: all are used.
        keep_frame: Number of a frame that is used in any case.

    Returns:
        The calibration; `calib.report.outcome` makes a rig and a verdict of it.

    Raises:
        CalibrationError: No camera can be calibrated, or the equations have no solution.

    References:
        Zhang 2000, A Flexible New Technique for Camera Calibration; Triggs et al. 2000, Bundle adjustment: a modern
        synthesis.
    """
    try:
        return _solve(corners, board, model, offsets, known, max_instants, keep_frame)
    except (np.linalg.LinAlgError, FloatingPointError, ZeroDivisionError, cv2.error) as error:
        raise CalibrationError(
            f"the equations of the cameras have no solution ({str(error).splitlines()[0]}); "
            "record the board again, moved through the whole volume and tilted"
        ) from error


def _solve(
    corners: Corners,
    board: Target,
    model: str | None,
    offsets: bool,
    known: dict[int, Intrinsics] | None,
    max_instants: int | None,
    keep_frame: FrameNumber | None,
) -> Calibration:
    if isinstance(board, Markers) and board.fixed:
        corners = at_rest(corners)
    points = board.points - middles_of(board)
    views = BoardViews.of(corners, len(points), bodies_of(board))
    if isinstance(board, Wand) and known is None:
        raise CalibrationError(
            "a wand tells where cameras are, not what their lenses are: calibrate the lenses with a board first, and "
            "give them with --lenses"
        )
    lenses, left_out = _lenses(corners, views, points, board, model) if known is None else (known, {})
    if not lenses:
        raise CalibrationError("no camera can be calibrated: " + "; ".join(f"{k} {v}" for k, v in left_out.items()))
    numbers = sorted(lenses)
    poses, row = _view_poses(views, lenses, points, board)
    if board.symmetric:
        poses, row = counted_alike(replace(poses, knot=stamped_together(poses)), row, len(numbers))
    timeline = common_timeline(poses, len(numbers), points, offsets)
    poses = replace(poses, knot=timeline.instant)
    if board.symmetric:
        poses, row = counted_alike(replace(poses, time=timeline.time), row, len(numbers))
    if max_instants is not None:
        chosen = select_instants(corners, row, timeline.instant, max_instants)
        chosen |= np.isin(timeline.instant, timeline.instant[poses.frame == keep_frame])
        corners, row = _chosen(corners, row, chosen, numbers)
        poses, timeline = poses.only(chosen), timeline.only(chosen)
    seen_lenses = [lenses[c].lens for c in numbers]
    if isinstance(board, Wand):
        graph = wand_covisibility(poses, seen_lenses, board)
    else:
        graph = covisibility(poses, seen_lenses, points)
    component = max(nx.connected_components(graph), key=lambda found: (len(found), -min(found)))
    for other in set(graph.nodes) - component:
        left_out[corners.names[numbers[other]]] = _why_apart(poses, other, component, timeline.moving and offsets)
    members = sorted(component)
    placed, loops = place_cameras(graph, component)
    own = np.isin(poses.camera, members)
    poses, timeline, row = poses.only(own), timeline.only(own), row[own]
    instants, knot = np.unique(poses.knot, return_inverse=True)
    poses = replace(poses, camera=np.searchsorted(members, poses.camera), knot=knot)
    cameras = {i: placed[c] for i, c in enumerate(members)}
    chosen_lenses = [lenses[numbers[c]] for c in members]
    bundle, state = _assembled(
        poses, row >= 0, cameras, chosen_lenses, timeline.time, len(instants), points, isinstance(board, Wand)
    )
    if known is not None:
        bundle = replace(bundle, free_lens=tuple(np.zeros_like(free) for free in bundle.free_lens))
    bundle, state = _robust(bundle, state)
    free = (np.arange(len(members)) > 0) & offsets
    if len(members) > 1 and timeline.moving and (offsets or not timeline.exact):
        bundle, state, _ = in_continuous_time(bundle, state, instants, timeline.step_s, free)
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

        bundle, state, unsteady = release_unsteady_clocks(bundle, state, weight, poses.used, fit)
    inlier = np.zeros(len(corners), dtype=bool)
    inlier[row[bundle.weight > 0]] = True
    covariance = bundle.linearised(state).shared_covariance()
    if unsteady:
        covariance = covariance[: -len(bundle.unsteady), : -len(bundle.unsteady)]
        bundle, state = fixed_times(bundle, state)
    offset_place = np.array([places[-1] for places in bundle.layout()])
    offset_sigma = np.where(offset_place >= 0, np.sqrt(np.diag(covariance))[offset_place], 0.0)
    clock_offset = timeline.clock_offset[members]
    return Calibration(
        corners=corners,
        cameras=tuple(numbers[c] for c in members),
        bundle=bundle,
        state=state,
        clock_offset=clock_offset - clock_offset[0],
        frame=poses.frame,
        lane_s=timeline.lane_s,
        row=row,
        inlier=inlier,
        sigma=_sigmas(bundle, state),
        covariance=covariance,
        intrinsics=tuple(chosen_lenses),
        graph=nx.relabel_nodes(graph, dict(enumerate(numbers))),
        loops=tuple((numbers[a], numbers[b], angle, length) for a, b, angle, length in loops),
        left_out=left_out,
        offset_sigma=offset_sigma,
        sure_clock=timeline.sure[members],
        unsteady_clocks=unsteady,
    )


def _lenses(
    corners: Corners, views: BoardViews, points: Float64[np.ndarray, "N 3"], board: Target, model: str | None
) -> tuple[dict[int, Intrinsics], dict[str, str]]:
    lenses, left_out = {}, {}
    for c, name in enumerate(corners.names):
        own = views.camera == c
        try:
            own_views = CameraViews(
                points, views.xy[own], views.row[own] >= 0, board.front_corners, least_corners(board)
            )
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
    views: BoardViews, lenses: dict[int, Intrinsics], points: Float64[np.ndarray, "N 3"], board: Target
) -> tuple[ViewPoses, Int64[np.ndarray, "V N"]]:
    """Every view's own pose (cameras numbered in the order of `lenses`), and its rows of the corner table.

    Views in which no pose was found are kept, with nothing used: another camera may know where the board was.
    """
    kept = np.flatnonzero(np.isin(views.camera, list(lenses)))
    seen = views.row[kept] >= 0
    camera = np.searchsorted(sorted(lenses), views.camera[kept])
    frame, time = FrameNumbers(views.frame[kept]), Times(views.time[kept])
    R, t, used = np.empty((len(kept), 3, 3)), np.empty((len(kept), 3)), np.zeros_like(seen)
    for i, c in enumerate(sorted(lenses)):
        lens, sigma, own = lenses[c].lens, lenses[c].sigma, np.flatnonzero(camera == i)
        if isinstance(board, Wand):
            used[own], R[own], t[own] = wand_poses(board, views.xy[kept[own]], seen[own], lens)
        else:
            ours = CameraViews(points, views.xy[kept[own]], seen[own], least=least_corners(board))
            planar, R[own], t[own], _ = planar_poses(ours, lens, max(2.0, 6 * sigma), sigma)
            used[own] = planar.used
        for body in np.unique(views.body[kept[own]]):
            of_body = own[views.body[kept[own]] == body]
            time[of_body] = rising_times(FrameNumbers(frame[of_body]), Times(time[of_body]))
    knot = np.zeros(len(kept), dtype=np.int64)
    poses = ViewPoses(camera, frame, time, knot, R, t, views.xy[kept], used, views.body[kept])
    return poses, views.row[kept]


def _why_apart(poses: ViewPoses, camera: int, others: Collection[int], searched: bool) -> str:
    """Why a camera cannot be placed beside the others: at no moment of its pictures, or of none with the board.

    `searched` says that the board's motion was asked how the clocks differ.
    """
    own, theirs = poses.knot[poses.camera == camera], poses.knot[np.isin(poses.camera, list(others))]
    if np.isin(own, theirs).any():
        return "shares no board with the other cameras"
    why = (
        "shares no board with the other cameras: none of its pictures was taken together with one of theirs "
        "(compare the numbers or times of the files)"
    )
    if searched:
        why += (
            ", or they saw the board together too briefly to tell how their clocks differ (wave it for some seconds "
            "where both see it at once)"
        )
    return why


def _chosen(
    corners: Corners, row: Int64[np.ndarray, "V N"], chosen: Bool[np.ndarray, " V"], numbers: list[int]
) -> tuple[Corners, Int64[np.ndarray, "v N"]]:
    """The corners of these views and of cameras that have no lens, and the views' rows in the smaller table."""
    rows = ~np.isin(corners.camera, numbers)
    rows[row[chosen][row[chosen] >= 0]] = True
    place = np.where(rows, np.cumsum(rows) - 1, -1)
    return corners.only(rows), np.where(row[chosen] >= 0, place[row[chosen]], -1)


def _assembled(
    poses: ViewPoses,
    seen: Bool[np.ndarray, "V N"],
    cameras: dict[int, tuple[np.ndarray, np.ndarray]],
    lenses: list[Intrinsics],
    time: Times,
    instants: int,
    points: Float64[np.ndarray, "N 3"],
    on_a_line: bool,
) -> tuple[Bundle, BundleState]:
    """The bundle of a component, every seen corner in it, started from the tree."""
    place = place_wands if on_a_line else place_boards
    target_R, target_t = place(poses, [entry.lens for entry in lenses], cameras, points, instants)
    posed = np.zeros(instants, dtype=bool)
    posed[poses.knot[poses.used.any(axis=1)]] = True
    seen = seen & posed[poses.knot][:, None]
    sigma = np.array([entry.sigma for entry in lenses])
    count = [int((poses.camera == c).sum()) for c in range(len(lenses))]
    bundle = Bundle(
        points,
        poses.camera,
        poses.knot,
        poses.xy,
        seen / sigma[poses.camera][:, None],
        tuple(free_parameters(entry.model, n) for entry, n in zip(lenses, count, strict=True)),
        free_pose=np.arange(len(lenses)) > 0,
        free_offset=np.zeros(len(lenses), dtype=bool),
        time=time,
        lens_prior=tuple(entry.prior for entry in lenses),
        axis=AXIS if on_a_line else None,
    )
    R = np.stack([cameras[i][0] for i in range(len(lenses))])
    t = np.stack([cameras[i][1] for i in range(len(lenses))])
    state = BundleState(tuple(entry.lens for entry in lenses), R, t, np.zeros(len(lenses)), target_R, target_t)
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
    unknowns = (
        bundle.pose_unknowns * boards
        + len(bundle.unsteady)
        + sum(int((places >= 0).sum()) for places in bundle.layout())
    )
    correction = count.sum() / max(count.sum() - unknowns, 0.1 * count.sum())
    borrowed = 100.0
    pooled = total.sum() / count.sum()
    return np.sqrt((total + borrowed * pooled) / (count + borrowed) * correction)
