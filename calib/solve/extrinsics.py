"""Initial poses of the cameras and boards: the co-visibility graph and its maximum spanning tree.

Two cameras that see the board at the same instants have a relative pose; cameras are nodes, such pairs are edges. The
maximum spanning tree places every camera; the edges left over close loops and say how well the tree fits.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.data import FrameNumbers, Times
from multiview.geometry.bundle import Lens
from multiview.geometry.rigid import compose, invert, rotation_angle

__all__ = ["PairPose", "Pose", "ViewPoses", "covisibility", "place_boards", "place_cameras"]

_CANDIDATES = 40
_CAP_PX = 50.0

Pose = tuple[Float64[np.ndarray, "... 3 3"], Float64[np.ndarray, "... 3"]]


@dataclass(frozen=True, slots=True, eq=False)
class ViewPoses:
    """Each view's board in its camera's axes.

    Attributes:
        camera: (V,) index of the camera.
        frame: (V,) number of the frame, which says no time.
        time: (V,) s, by the camera's own stamps.
        knot: (V,) index of the instant; views of one instant show the board in one place.
        R: (V, 3, 3) cam_from_board.
        t: (V, 3) cam_from_board, m.
        xy: (V, N, 2) px.
        used: (V, N) corners that the pose rests on.
        body: (V,) number of the board, of several.
    """

    camera: Int64[np.ndarray, " V"]
    frame: FrameNumbers
    time: Times
    knot: Int64[np.ndarray, " V"]
    R: Float64[np.ndarray, "V 3 3"]
    t: Float64[np.ndarray, "V 3"]
    xy: Float64[np.ndarray, "V N 2"]
    used: Bool[np.ndarray, "V N"]
    body: Int64[np.ndarray, " V"]

    def only(self, views: Bool[np.ndarray, " V"]) -> ViewPoses:
        """Some of the views."""
        return ViewPoses(*(getattr(self, field.name)[views] for field in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class PairPose:
    """`a_from_b` of two cameras, the instants they share, and how well the best pose predicts them (px)."""

    R: Float64[np.ndarray, "3 3"]
    t: Float64[np.ndarray, " 3"]
    boards: int
    error_px: float


def covisibility(views: ViewPoses, lenses: list[Lens], points: Float64[np.ndarray, "N 3"]) -> nx.Graph:
    """Cameras as nodes; an edge (a, b), a < b, holds `pose` (a PairPose) and `weight`."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(len(lenses)))
    own = [np.flatnonzero(views.camera == c) for c in range(len(lenses))]
    for a, b in combinations(range(len(lenses)), 2):
        _, in_a, in_b = np.intersect1d(views.knot[own[a]], views.knot[own[b]], return_indices=True)
        if len(in_a):
            pose = _pair_pose(views, own[a][in_a], own[b][in_b], lenses[a], lenses[b], points)
            graph.add_edge(a, b, pose=pose, boards=pose.boards, weight=pose.boards / (1.0 + pose.error_px))
    return graph


def place_cameras(graph: nx.Graph, component: set[int]) -> tuple[dict[int, Pose], list[tuple[int, int, float, float]]]:
    """cam_from_world of a component's cameras, the world being its first camera, and the loops' misfits.

    A loop is an edge beside the tree: (a, b, rad, m) between what the edge says and what the tree says.
    """
    tree = nx.maximum_spanning_tree(graph.subgraph(component), weight="weight")
    root = min(component)
    placed: dict[int, Pose] = {root: (np.eye(3), np.zeros(3))}
    for a, b in nx.bfs_edges(tree, root):
        placed[b] = compose(_b_from_a(graph, b, a), placed[a])
    loops = []
    for a, b in graph.subgraph(component).edges:
        if not tree.has_edge(a, b):
            direct, around = _b_from_a(graph, a, b), compose(placed[a], invert(placed[b]))
            angle = float(rotation_angle(direct[0] @ around[0].T))
            loops.append((min(a, b), max(a, b), angle, float(np.linalg.norm(direct[1] - around[1]))))
    return placed, sorted(loops)


def place_boards(
    views: ViewPoses, lenses: list[Lens], cameras: dict[int, Pose], points: Float64[np.ndarray, "N 3"], knots: int
) -> Pose:
    """world_from_board for every knot: of the poses its cameras propose, the one that suits all of them best."""
    best = np.full(knots, np.inf)
    R, t = np.tile(np.eye(3), (knots, 1, 1)), np.zeros((knots, 3))
    order = np.argsort(views.knot, kind="stable")
    starts = np.searchsorted(views.knot[order], np.arange(knots + 1))
    by_camera = {c: compose(invert(cameras[c]), (views.R, views.t)) for c in cameras}
    most = int(np.diff(starts).max(initial=0))
    for turn in range(most):  # the turn-th view of every knot proposes; all views of the knot judge
        proposing = np.full(knots, -1)
        has = np.flatnonzero(np.diff(starts) > turn)
        proposing[has] = order[starts[has] + turn]
        proposal_R = np.stack(
            [by_camera[int(c)][0][v] for c, v in zip(views.camera[proposing[has]], proposing[has], strict=True)]
        )
        proposal_t = np.stack(
            [by_camera[int(c)][1][v] for c, v in zip(views.camera[proposing[has]], proposing[has], strict=True)]
        )
        full_R, full_t = np.tile(np.eye(3), (knots, 1, 1)), np.zeros((knots, 3))
        full_R[has], full_t[has] = proposal_R, proposal_t
        cost = np.zeros(knots)
        for c, pose in cameras.items():
            own = np.flatnonzero(views.camera == c)
            in_camera = compose(pose, (full_R[views.knot[own]], full_t[views.knot[own]]))
            np.add.at(cost, views.knot[own], _mean_error(views, own, in_camera, lenses[c], points))
        better = has[cost[has] < best[has]]
        best[better], R[better], t[better] = cost[better], full_R[better], full_t[better]
    return R, t


def _b_from_a(graph: nx.Graph, b: int, a: int) -> Pose:
    pose = graph.edges[a, b]["pose"]
    return invert((pose.R, pose.t)) if a < b else (pose.R, pose.t)


def _pair_pose(
    views: ViewPoses,
    in_a: Int64[np.ndarray, " F"],
    in_b: Int64[np.ndarray, " F"],
    lens_a: Lens,
    lens_b: Lens,
    points: Float64[np.ndarray, "N 3"],
) -> PairPose:
    """The candidate of one frame that predicts the others best, in both directions."""
    picks = np.unique(np.linspace(0, len(in_a) - 1, _CANDIDATES).astype(int))
    a_from_board, b_from_board = (views.R[in_a], views.t[in_a]), (views.R[in_b], views.t[in_b])
    R, t = compose((views.R[in_a[picks]], views.t[in_a[picks]]), invert((views.R[in_b[picks]], views.t[in_b[picks]])))
    cost = np.empty((len(picks), len(in_a)))
    for i in range(len(picks)):
        to_a = compose((R[i], t[i]), b_from_board)
        to_b = compose(invert((R[i], t[i])), a_from_board)
        cost[i] = _mean_error(views, in_a, to_a, lens_a, points) + _mean_error(views, in_b, to_b, lens_b, points)
    best = int(cost.mean(axis=1).argmin())
    return PairPose(R[best], t[best], len(in_a), float(np.median(cost[best]) / 2))


def _mean_error(
    views: ViewPoses, own: Int64[np.ndarray, " v"], in_camera: Pose, lens: Lens, points: Float64[np.ndarray, "N 3"]
) -> Float64[np.ndarray, " v"]:
    """Mean reprojection error of each view in px, capped, so that one bad view cannot outvote the others."""
    x = points @ np.swapaxes(in_camera[0], -1, -2) + in_camera[1][:, None]
    errors = np.linalg.norm(lens.project(x) - views.xy[own], axis=-1)
    errors = np.where(x[..., 2] > 0, np.minimum(errors, _CAP_PX), _CAP_PX)
    used = views.used[own]
    return (errors * used).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
