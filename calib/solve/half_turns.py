"""Which way a board was held that looks the same turned by half a turn: told by its motion and by several cameras.

From one view to the next a board turns by less than a quarter. Two cameras that see it at several moments have one
relative pose only if both count its corners from the same end; so at each moment the cameras are brought to agree.
Which end that is in the whole recording does not matter.

Letters in shapes: V views, N points of the board.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.solve.extrinsics import Pose, ViewPoses
from multiview.geometry.rigid import compose, invert, rotation_angle

__all__ = ["counted_alike", "stamped_together"]

_HALF_TURN = np.diag([-1.0, -1.0, 1.0])
_LONGEST_GAP_S = 0.7
_FITS = 0.2  # rad, and share of the distance, by which the relative pose of two cameras may vary
_CANDIDATES, _LEAST_SUPPORT = 40, 4
_TOGETHER_S = 0.04


def counted_alike(
    views: ViewPoses, row: Int64[np.ndarray, "V N"], cameras: int
) -> tuple[ViewPoses, Int64[np.ndarray, "V N"]]:
    """The same views, those put right that count the corners from the other end.

    Args:
        views: Of a board that half a turn leaves as it is; `knot` says which were taken together.
        row: (V, N) of the corner table.
        cameras: How many.

    Returns:
        The views and their rows.
    """
    good = np.asarray(views.used.any(axis=1))
    other = np.zeros(len(good), dtype=bool)
    for c in range(cameras):
        _follow(views.R, views.time, np.flatnonzero(good & (views.camera == c)), other)
    world = _placed(views, good, other, cameras)
    reference: dict[int, int] = {}  # the first view of each moment
    R = views.R @ np.where(other[:, None, None], _HALF_TURN, np.eye(3))
    in_world = np.full_like(R, np.nan)
    for c, (camera_R, _) in world.items():
        own = np.flatnonzero(good & (views.camera == c))
        in_world[own] = camera_R.T @ R[own]
        for v in own.tolist():
            first = reference.setdefault(int(views.knot[v]), v)
            if _nearer_other_way(in_world[first], in_world[v]):
                other[v] ^= True
                in_world[v] = in_world[v] @ _HALF_TURN
    firsts = np.array([reference[knot] for knot in sorted(reference)], dtype=np.int64)
    late = np.zeros(len(good), dtype=bool)
    _follow(in_world, views.time, firsts, late)
    by_knot = {int(views.knot[v]) for v in firsts[late[firsts]].tolist()}
    other ^= np.isin(views.knot, list(by_knot)) & np.isin(views.camera, list(world))
    return _other_way(views, row, other)


def stamped_together(views: ViewPoses) -> Int64[np.ndarray, " V"]:
    """Moments by the stamps alone, before clocks are related."""
    return np.round(views.time / _TOGETHER_S).astype(np.int64)


def _other_way(
    views: ViewPoses, row: Int64[np.ndarray, "V N"], other: Bool[np.ndarray, " V"]
) -> tuple[ViewPoses, Int64[np.ndarray, "V N"]]:
    R, xy, used, row = views.R.copy(), views.xy.copy(), views.used.copy(), row.copy()
    R[other] = R[other] @ _HALF_TURN
    xy[other], used[other], row[other] = xy[other, ::-1], used[other, ::-1], row[other, ::-1]
    return replace(views, R=R, xy=xy, used=used), row


def _nearer_other_way(a: Float64[np.ndarray, "3 3"], b: Float64[np.ndarray, "3 3"]) -> bool:
    return bool(np.trace(a.T @ b @ _HALF_TURN) > np.trace(a.T @ b))


def _follow(
    R: Float64[np.ndarray, "V 3 3"],
    time: Float64[np.ndarray, " V"],
    views: Int64[np.ndarray, " v"],
    other: Bool[np.ndarray, " V"],
) -> None:
    """Mark the views that are nearer to the one before if counted the other way; over longer gaps nothing is known."""
    order = views[np.argsort(time[views], kind="stable")]
    for before, v in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        if time[v] - time[before] < _LONGEST_GAP_S:
            other[v] = _nearer_other_way(R[before], R[v]) != other[before]


def _placed(
    views: ViewPoses, good: Bool[np.ndarray, " V"], other: Bool[np.ndarray, " V"], cameras: int
) -> dict[int, Pose]:
    """cam_from_world of the cameras that are related, roughly; of the largest group."""
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(cameras))
    R = views.R @ np.where(other[:, None, None], _HALF_TURN, np.eye(3))
    own = [np.flatnonzero(good & (views.camera == c)) for c in range(cameras)]
    for a, b in combinations(range(cameras), 2):
        _, in_a, in_b = np.intersect1d(views.knot[own[a]], views.knot[own[b]], return_indices=True)
        if len(in_a):
            v, w = own[a][in_a], own[b][in_b]
            pose, support = _relative((R[v], views.t[v]), (R[w], views.t[w]))
            if support >= min(_LEAST_SUPPORT, len(v)):
                graph.add_edge(a, b, pose=pose, weight=support)
    group = max(nx.connected_components(graph), key=lambda found: (len(found), -min(found)))
    tree = nx.maximum_spanning_tree(graph.subgraph(group), weight="weight")
    placed: dict[int, Pose] = {min(group): (np.eye(3), np.zeros(3))}
    for a, b in nx.bfs_edges(tree, min(group)):
        b_from_a = tree.edges[a, b]["pose"] if a < b else invert(tree.edges[a, b]["pose"])
        placed[b] = compose(b_from_a, placed[a])
    return placed


def _relative(in_a: Pose, in_b: Pose) -> tuple[Pose, int]:
    """`b_from_a` that most moments agree with, whichever end either camera counted from, and how many do."""
    from_a = invert(in_a)
    half = _HALF_TURN, np.zeros(3)
    both = [compose(in_b, from_a), compose(in_b, compose(half, from_a))]
    picks = np.unique(np.linspace(0, len(in_a[0]) - 1, _CANDIDATES).astype(int))
    far = np.linalg.norm(in_b[1], axis=1)
    best: tuple[int, float, Pose] | None = None
    for R, t in both:
        for i in picks.tolist():
            misses = []
            for other_R, other_t in both:
                angle = np.asarray(rotation_angle(np.swapaxes(other_R, -1, -2) @ R[i]))
                misses.append(np.maximum(angle, np.linalg.norm(other_t - t[i], axis=1) / far))
            missed = np.minimum(*misses)
            support, error = int((missed < _FITS).sum()), float(np.minimum(missed, _FITS).sum())
            if best is None or (support, -error) > (best[0], -best[1]):
                best = support, error, (R[i], t[i])
    assert best is not None
    return best[2], best[0]
