"""Views of a board matched in time, and the largest group of cameras that share boards, placed along a tree."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.poses import CameraViews, planar_poses
from calib.board.target import Target, least_corners
from calib.board.wand import Wand
from calib.corners.corners import BoardViews, Corners
from calib.corners.selection import select_instants
from calib.solve.extrinsics import Pose, ViewPoses, covisibility, place_cameras
from calib.solve.half_turns import counted_alike, stamped_together
from calib.solve.intrinsics import Intrinsics
from calib.solve.timeline import Timeline, common_timeline, rising_times
from calib.solve.wand import wand_covisibility, wand_poses
from multiview.data import FrameNumber, FrameNumbers, Times

__all__ = ["CameraGroup", "MatchedViews", "largest_group", "matched_in_time", "thinned"]


@dataclass(frozen=True, slots=True, eq=False)
class MatchedViews:
    """Views of the board on one clock; cameras are numbered in the order of those that have a lens.

    Attributes:
        corners: The table, or those of its rows that were chosen.
        poses: Each view's own, `knot` being its instant.
        row: (V, N) row of the table, -1 where not seen.
        timeline: The views' times.
    """

    corners: Corners
    poses: ViewPoses
    row: Int64[np.ndarray, "V N"]
    timeline: Timeline

    def only(self, views: Bool[np.ndarray, " V"]) -> MatchedViews:
        """Some of the views, with the same table."""
        return MatchedViews(self.corners, self.poses.only(views), self.row[views], self.timeline.only(views))


@dataclass(frozen=True, slots=True, eq=False)
class CameraGroup:
    """The largest group of cameras that share boards.

    Attributes:
        matched: Its views; `poses` number the cameras in the order of `cameras`, and instants from 0 on.
        instants: (K,) steps of the timeline.
        cameras: Indices into the corner table's cameras.
        members: (C,) indices into the timeline's cameras.
        lenses: Of each camera alone.
        placed: cam_from_world of each, along the tree.
        graph: Co-visibility of all cameras, by their indices into the corner table.
        loops: How badly loops of the graph close: (camera, camera, angle in rad, length in m), by the same indices.
    """

    matched: MatchedViews
    instants: Int64[np.ndarray, " K"]
    cameras: tuple[int, ...]
    members: Int64[np.ndarray, " C"]
    lenses: tuple[Intrinsics, ...]
    placed: tuple[Pose, ...]
    graph: nx.Graph
    loops: tuple[tuple[int, int, float, float], ...]


def matched_in_time(
    corners: Corners,
    views: BoardViews,
    lenses: dict[int, Intrinsics],
    points: Float64[np.ndarray, "N 3"],
    board: Target,
    offsets: bool,
) -> MatchedViews:
    """The views' own poses on one clock, which the board's motion tells if it may differ from the stamps' (`offsets`).

    A symmetric board's are counted alike in all cameras.
    """
    poses, row = _view_poses(views, lenses, points, board)
    if board.symmetric:
        poses, row = counted_alike(replace(poses, knot=stamped_together(poses)), row, len(lenses))
    timeline = common_timeline(poses, len(lenses), points, offsets)
    poses = replace(poses, knot=timeline.instant)
    if board.symmetric:  # again, by the times that are known now
        poses, row = counted_alike(replace(poses, time=timeline.time), row, len(lenses))
    return MatchedViews(corners, poses, row, timeline)


def thinned(
    matched: MatchedViews, numbers: list[int], max_instants: int, keep_frame: FrameNumber | None
) -> MatchedViews:
    """The instants that cover most of a longer recording; cameras without a lens keep their corners."""
    instant = matched.timeline.instant
    chosen = select_instants(matched.corners, matched.row, instant, max_instants)
    chosen |= np.isin(instant, instant[matched.poses.frame == keep_frame])
    corners, row = _chosen(matched.corners, matched.row, chosen, numbers)
    return replace(matched.only(chosen), corners=corners, row=row)


def largest_group(
    matched: MatchedViews,
    lenses: dict[int, Intrinsics],
    points: Float64[np.ndarray, "N 3"],
    board: Target,
    offsets: bool,
) -> tuple[CameraGroup, dict[str, str]]:
    """The group, placed along the tree of its co-visibility, and why the other cameras are not of it, by name."""
    poses, timeline, numbers = matched.poses, matched.timeline, sorted(lenses)
    seen_lenses = [lenses[c].lens for c in numbers]
    if isinstance(board, Wand):
        graph = wand_covisibility(poses, seen_lenses, board)
    else:
        graph = covisibility(poses, seen_lenses, points)
    component = max(nx.connected_components(graph), key=lambda found: (len(found), -min(found)))
    apart = {
        matched.corners.names[numbers[other]]: _why_apart(poses, other, component, timeline.moving and offsets)
        for other in set(graph.nodes) - component
    }
    members = sorted(component)
    placed, loops = place_cameras(graph, component)
    matched = matched.only(np.isin(poses.camera, members))
    instants, knot = np.unique(matched.poses.knot, return_inverse=True)
    poses = replace(matched.poses, camera=np.searchsorted(members, matched.poses.camera), knot=knot)
    group = CameraGroup(
        replace(matched, poses=poses),
        instants,
        tuple(numbers[c] for c in members),
        np.array(members),
        tuple(lenses[numbers[c]] for c in members),
        tuple(placed[c] for c in members),
        nx.relabel_nodes(graph, dict(enumerate(numbers))),
        tuple((numbers[a], numbers[b], angle, length) for a, b, angle, length in loops),
    )
    return group, apart


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
