"""From corners to a rig: intrinsics, initial poses, then one bundle adjustment over everything.

Views are matched by time (`timeline`), never by their frames' numbers, wherever the board's motion tells time; the
largest group of cameras that share boards (`camera_group`) is then fitted (`group_fit`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.markers import Markers
from calib.board.poses import CameraViews
from calib.board.target import Target, bodies_of, least_corners, middles_of
from calib.board.wand import Wand
from calib.corners.at_rest import at_rest
from calib.corners.corners import BoardViews, Corners
from calib.solve.camera_group import CameraGroup, largest_group, matched_in_time, thinned
from calib.solve.group_fit import FittedGroup, fit_group
from calib.solve.intrinsics import Intrinsics, calibrate_lens
from calib.solve.unsteady_clocks import UnsteadyClock
from multiview.data import FrameNumber, FrameNumbers, Times
from multiview.errors import CalibrationError
from multiview.geometry.bundle import Bundle, BundleState

__all__ = ["Calibration", "solve"]


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
    lenses, left_out = _lenses(corners, views, points, board, model) if known is None else (known, {})
    if not lenses:
        raise CalibrationError("no camera can be calibrated: " + "; ".join(f"{k} {v}" for k, v in left_out.items()))
    matched = matched_in_time(corners, views, lenses, points, board, offsets)
    if max_instants is not None:
        matched = thinned(matched, sorted(lenses), max_instants, keep_frame)
    group, apart = largest_group(matched, lenses, points, board, offsets)
    fitted = fit_group(group, points, board, offsets, known is not None)
    return _calibration(group, fitted, left_out | apart)


def _calibration(group: CameraGroup, fitted: FittedGroup, left_out: dict[str, str]) -> Calibration:
    bundle, matched = fitted.bundle, group.matched
    inlier = np.zeros(len(matched.corners), dtype=bool)
    inlier[matched.row[bundle.weight > 0]] = True
    offset_place = np.array([places[-1] for places in bundle.layout()])
    offset_sigma = np.where(offset_place >= 0, np.sqrt(np.diag(fitted.covariance))[offset_place], 0.0)
    clock_offset = matched.timeline.clock_offset[group.members]
    return Calibration(
        corners=matched.corners,
        cameras=group.cameras,
        bundle=bundle,
        state=fitted.state,
        clock_offset=clock_offset - clock_offset[0],
        frame=matched.poses.frame,
        lane_s=matched.timeline.lane_s,
        row=matched.row,
        inlier=inlier,
        sigma=fitted.sigma,
        covariance=fitted.covariance,
        intrinsics=group.lenses,
        graph=group.graph,
        loops=group.loops,
        left_out=left_out,
        offset_sigma=offset_sigma,
        sure_clock=matched.timeline.sure[group.members],
        unsteady_clocks=fitted.unsteady_clocks,
    )


def _lenses(
    corners: Corners, views: BoardViews, points: Float64[np.ndarray, "N 3"], board: Target, model: str | None
) -> tuple[dict[int, Intrinsics], dict[str, str]]:
    if isinstance(board, Wand):
        raise CalibrationError(
            "a wand tells where cameras are, not what their lenses are: calibrate the lenses with a board first, and "
            "give them with --lenses"
        )
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
