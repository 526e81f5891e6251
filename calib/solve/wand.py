"""A wand in the equations: three points on a line, whose turn about it nobody sees.

One view of it tells the directions of its balls, and only roughly how far away each is. So two cameras are related by
these directions alone (the essential matrix), the stick's length says how far apart they are, and balls are placed
where rays meet. The bundle then takes the wand for a board whose turn about its axis stays where it is.

Letters in shapes: V views, N balls, F shared instants, K instants.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import networkx as nx
import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.poses import ideal_coordinates
from calib.board.wand import Wand
from calib.solve.extrinsics import PairPose, Pose, ViewPoses, place_boards
from multiview.geometry.bundle import Bundle, BundleState, Lens
from multiview.geometry.rigid import alignment, invert, transform

__all__ = ["AXIS", "line_noise", "outlines_to_middles", "place_wands", "wand_covisibility", "wand_poses"]

AXIS = np.array([1.0, 0.0, 0.0])
_DEEPEST = 0.7  # logarithm of how much farther away one end is than the other, at most
_MEETING_PX = (1.0, 5.0)  # of epipolar lines: cameras may be half a frame out of step
_CAP_PX = 50.0  # so that one bad view cannot outvote the others
_FEWEST_SHARED = 4  # instants, of three balls each: twelve directions for five unknowns
_FAR = 1e6  # times the distance of two cameras, within which points are looked for
_OUTLINE = 48  # points of it


def wand_poses(
    wand: Wand, xy: Float64[np.ndarray, "V N 2"], seen: Bool[np.ndarray, "V N"], lens: Lens
) -> tuple[Bool[np.ndarray, "V N"], Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"]]:
    """Where single views have the wand.

    Args:
        wand: The wand.
        xy: (V, N, 2) px.
        seen: (V, N) mask.
        lens: Of the camera.

    Returns:
        The balls that count, all of a view or none, and cam_from_wand of the balls' mean; depths are rough.
    """
    s = np.array(wand.balls)
    ideal = ideal_coordinates(lens, xy)
    whole = seen.all(axis=1) & np.isfinite(ideal).all(axis=(1, 2))
    rays = np.concatenate([np.nan_to_num(ideal), np.ones((*ideal.shape[:2], 1))], axis=-1)
    first, last = rays[:, 0], rays[:, -1]
    deeper = np.zeros(len(xy))  # logarithm of the depth of the last ball over that of the first
    if len(s) == 3:
        way = last - first
        along = np.einsum("vi,vi->v", rays[:, 1] - first, way) / np.maximum((way**2).sum(axis=1), 1e-18)
        part, along = (s[1] - s[0]) / (s[2] - s[0]), np.clip(along, 1e-3, 1 - 1e-3)
        deeper = np.clip(np.log(along * (1 - part) / (part * (1 - along))), -_DEEPEST, _DEEPEST)
    apart = np.exp(deeper)[:, None] * last - first
    depth = (s[-1] - s[0]) / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
    direction = apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
    t = depth * first + (s.mean() - s[0]) * direction
    return np.repeat(whole[:, None], len(s), axis=1), _frames(direction, np.array([0.0, 0.0, 1.0])), t


def line_noise(
    wand: Wand, xy: Float64[np.ndarray, "V N 2"], seen: Bool[np.ndarray, "V N"], lens: Lens
) -> Float64[np.ndarray, " V"]:
    """How far the middle ball is from the line through the others, as a distance of two-dimensional noise.

    Args:
        wand: The wand.
        xy: (V, N, 2) px.
        seen: (V, N) mask.
        lens: Of the camera.

    Returns:
        (V,) px, whose median is that of the noise's length; NaN where no three balls are seen.
    """
    if len(wand.balls) < 3:
        return np.full(len(xy), np.nan)
    s = np.array(wand.balls)
    part = (s[1] - s[0]) / (s[2] - s[0])
    at = ideal_coordinates(lens, xy) * lens.focal[:2]
    way = at[:, 2] - at[:, 0]
    first = at[:, 1] - at[:, 0]
    off = (way[:, 0] * first[:, 1] - way[:, 1] * first[:, 0]) / np.maximum(np.linalg.norm(way, axis=1), 1e-9)
    # The medians of |z| and of the length of two-dimensional noise are 0.6745 and 1.1774 deviations.
    noise = np.abs(off) / np.sqrt(1 + part**2 + (1 - part) ** 2) / 0.6745 * 1.17741
    return np.where(seen.all(axis=1), noise, np.nan)


def wand_covisibility(views: ViewPoses, lenses: list[Lens], wand: Wand) -> nx.Graph:
    """As `covisibility`, by directions of the balls.

    Args:
        views: Of the wand.
        lenses: Of the cameras.
        wand: The wand.

    Returns:
        Cameras as nodes; an edge (a, b), a < b, holds `pose` (a PairPose), `boards` and `weight`.
    """
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(range(len(lenses)))
    whole = views.used.all(axis=1)
    own = [np.flatnonzero((views.camera == c) & whole) for c in range(len(lenses))]
    ideal = [ideal_coordinates(lens, views.xy[rows]) for lens, rows in zip(lenses, own, strict=True)]
    for a, b in combinations(range(len(lenses)), 2):
        _, in_a, in_b = np.intersect1d(views.knot[own[a]], views.knot[own[b]], return_indices=True)
        if len(in_a) < _FEWEST_SHARED:
            continue
        shared = ideal[a][in_a], ideal[b][in_b]
        pose = _pair_pose(views, own[a][in_a], own[b][in_b], shared, (lenses[a], lenses[b]), wand)
        if pose is not None:
            graph.add_edge(a, b, pose=pose, boards=pose.boards, weight=pose.boards / (1.0 + pose.error_px))
    return graph


def _pair_pose(
    views: ViewPoses,
    in_a: Int64[np.ndarray, " F"],
    in_b: Int64[np.ndarray, " F"],
    ideal: tuple[Float64[np.ndarray, "F N 2"], Float64[np.ndarray, "F N 2"]],
    lenses: tuple[Lens, Lens],
    wand: Wand,
) -> PairPose | None:
    """`a_from_b` under which directions meet and the wand keeps its length; None where nothing does.

    Proposed by essential matrices, and by the single views' own poses, which are good of a wand that is near.
    """
    import cv2

    flat_a, flat_b = (np.ascontiguousarray(rays.reshape(-1, 2)) for rays in ideal)
    focal = float(np.sqrt(lenses[0].focal[0] * lenses[1].focal[0]))
    proposed = []
    cv2.setRNGSeed(0)
    for px in _MEETING_PX:
        E, mask = cv2.findEssentialMat(
            flat_b, flat_a, np.eye(3), method=cv2.USAC_MAGSAC, prob=0.9999, threshold=px / focal, maxIters=5000
        )
        if E is not None and E.shape == (3, 3):
            _, R, t, *_ = cv2.recoverPose(E, flat_b, flat_a, np.eye(3), distanceThresh=_FAR, mask=mask)
            proposed.append((R, t.ravel()))
    balls = wand.points - wand.points.mean(axis=0)
    x_a, x_b = (transform(views.R[rows, None], views.t[rows, None], balls) for rows in (in_a, in_b))
    near = np.ones(len(in_a), dtype=bool)
    for _ in range(3):  # each time without the worst third
        R, t = alignment(x_b[near].reshape(-1, 3), x_a[near].reshape(-1, 3))
        missed = np.linalg.norm(transform(R, t, x_b) - x_a, axis=-1).mean(axis=1)
        near = missed <= np.quantile(missed, 2 / 3)
    proposed.append((R, t))
    found = [_judged(R, t, ideal, lenses, wand) for R, t in proposed]
    best = min(found, key=lambda pose: pose.error_px)
    return best if best.boards >= _FEWEST_SHARED else None


def _judged(
    R: Float64[np.ndarray, "3 3"],
    t: Float64[np.ndarray, " 3"],
    ideal: tuple[Float64[np.ndarray, "F N 2"], Float64[np.ndarray, "F N 2"]],
    lenses: tuple[Lens, Lens],
    wand: Wand,
) -> PairPose:
    """A pose of which the shift's length counts for nothing: with that length, the instants that it explains, and
    by how much it misses directions and the wand's length in the middle of all, px."""
    import cv2

    flat_a, flat_b = (np.ascontiguousarray(rays.reshape(-1, 2).T) for rays in ideal)
    x = cv2.triangulatePoints(np.eye(3, 4), np.column_stack([R, t]), flat_b, flat_a)
    x = (x[:3] / np.where(np.abs(x[3]) < 1e-12, 1e-12, x[3])).T.reshape(*ideal[1].shape[:2], 3)  # in the axes of b
    to_a = transform(R, t, x)
    ahead = (x[..., 2] > 0).all(axis=1) & (to_a[..., 2] > 0).all(axis=1)
    length, true = np.linalg.norm(np.diff(x, axis=1), axis=-1), np.diff(wand.balls)
    scale = float(np.median((true / np.maximum(length, 1e-12))[ahead])) if ahead.any() else 1.0
    depth = np.maximum(scale * x[..., 2].mean(axis=1), 1e-3)
    missed = lenses[1].focal[0] * np.abs(scale * length - true).max(axis=1) / depth
    for lens, at, rays in ((lenses[0], to_a, ideal[0]), (lenses[1], x, ideal[1])):
        off = lens.focal[:2] * (at[..., :2] / np.maximum(at[..., 2:], 1e-9) - rays)
        missed = np.maximum(missed, np.linalg.norm(off, axis=-1).max(axis=1))
    missed = np.where(ahead, np.minimum(missed, _CAP_PX), _CAP_PX)
    return PairPose(R, scale * t, int((missed < _CAP_PX).sum()), float(np.median(missed)))


def place_wands(
    views: ViewPoses, lenses: list[Lens], cameras: dict[int, Pose], points: Float64[np.ndarray, "N 3"], knots: int
) -> Pose:
    """world_from_wand for every instant: where the rays of its cameras meet, or as its one camera has it.

    Args:
        views: Of the wand.
        lenses: Of the cameras.
        cameras: cam_from_world of each.
        points: (N, 3) m, of the balls, centred.
        knots: How many instants.

    Returns:
        The poses; the turn about the stick changes as little as it can from one to the next.
    """
    R, t = place_boards(views, lenses, cameras, points, knots)
    N = len(points)
    A, b, count = np.zeros((knots, N, 3, 3)), np.zeros((knots, N, 3)), np.zeros(knots)
    for c, lens in enumerate(lenses):
        own = np.flatnonzero((views.camera == c) & views.used.all(axis=1))
        ideal = ideal_coordinates(lens, views.xy[own])
        to_world = invert(cameras[c])
        rays = np.concatenate([ideal, np.ones((*ideal.shape[:2], 1))], axis=-1) @ to_world[0].T
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        across = np.eye(3) - rays[..., :, None] * rays[..., None, :]
        np.add.at(A, views.knot[own], across)
        np.add.at(b, views.knot[own], across @ to_world[1])
        np.add.at(count, views.knot[own], 1)
    direction = R[:, :, 0]
    met = count >= 2
    if met.any():
        x = np.linalg.solve(A[met] + 1e-9 * np.eye(3), b[met][..., None])[..., 0]
        way = x[:, -1] - x[:, 0]
        t[met], direction[met] = x.mean(axis=1), way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
    frames, side = np.empty_like(R), R[0, :, 1] if knots else AXIS
    for k in range(knots):
        frames[k] = _frames(direction[k : k + 1], side)[0]
        side = frames[k, :, 1]
    return frames, t


def outlines_to_middles(wand: Wand, bundle: Bundle, state: BundleState) -> Bundle:
    """The same bundle with pictures of the balls' middles in place of middles of their outlines.

    A ball is seen as the cone about it: in a picture an ellipse, longer away from the middle of the picture, in which
    the ball's middle is off by up to (radius / distance)^2 times its own distance from there. The outline is followed
    through the lens.

    Args:
        wand: The wand.
        bundle: As detected.
        state: Near the solution.

    Returns:
        The bundle.
    """
    motion = bundle.motion(state)
    in_world = bundle.points @ np.swapaxes(motion.R, -1, -2) + motion.t[:, None]
    xy = bundle.xy.copy()
    for c, lens in enumerate(state.lenses):
        own = np.flatnonzero(bundle.camera == c)
        x = in_world[own] @ state.R[c].T + state.t[c]
        xy[own] -= outline_middle(lens, x, np.array(wand.diameters) / 2) - lens.project(x)
    return replace(bundle, xy=xy)


def outline_middle(
    lens: Lens, x: Float64[np.ndarray, "*batch N 3"], radius: Float64[np.ndarray, " N"]
) -> Float64[np.ndarray, "*batch N 2"]:
    """Middle of the area within a ball's outline in the picture, px.

    Args:
        lens: Of the camera.
        x: (..., N, 3) m, middles of the balls in its axes.
        radius: (N,) m.

    Returns:
        (..., N, 2) px.
    """
    far = np.maximum(np.linalg.norm(x, axis=-1), 1.001 * radius)
    sine = (radius / far)[..., None, None]
    towards = (x / np.maximum(far, 1e-9)[..., None])[..., None, :]
    one = np.cross(towards, np.where(np.abs(towards[..., :1]) < 0.7, np.array([1.0, 0, 0]), np.array([0, 1.0, 0])))
    one /= np.maximum(np.linalg.norm(one, axis=-1, keepdims=True), 1e-12)
    other = np.cross(towards, one)
    angle = 2 * np.pi * np.arange(_OUTLINE)[:, None] / _OUTLINE
    rim = np.sqrt(1 - sine**2) * towards + sine * (np.cos(angle) * one + np.sin(angle) * other)
    at = lens.project(rim)
    middle = at.mean(axis=-2, keepdims=True)
    a, b = at - middle, np.roll(at, -1, axis=-2) - middle
    area = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return np.asarray(
        middle[..., 0, :] + ((a + b) * area[..., None]).sum(axis=-2) / (3 * area.sum(axis=-1, keepdims=True))
    )


def _frames(direction: Float64[np.ndarray, "V 3"], side: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "V 3 3"]:
    """Rotations whose x is a direction, and whose y is as near to `side` as that allows."""
    across = np.where(np.abs(direction @ side)[:, None] < 0.999, side, np.roll(side, 1))
    y = across - (across * direction).sum(axis=1, keepdims=True) * direction
    y /= np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-12)
    return np.stack([direction, y, np.cross(direction, y)], axis=-1)
