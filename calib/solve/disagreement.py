"""How well the cameras agree on where the board was, view by view.

Every camera alone sees where the board is. If the rig holds, two cameras that see it at the same time agree within what
their corners' noise allows: with x the difference of the poses and H their information, x' (H_a^-1 + H_b^-1)^-1 x is
chi-square with six degrees of freedom. A camera that was moved, turned, zoomed or trembles disagrees with all others,
while these agree with each other, however the bundle has spread the misfit over them.

Letters in shapes: V views, N corners, C cameras, D pairs of views.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.poses import MIN_CORNERS, CameraViews, noise, planar_poses
from calib.solve.solve import Calibration
from multiview.data import Times
from multiview.geometry.bundle import Lens
from multiview.geometry.lens import distort_with_jacobian
from multiview.geometry.rigid import compose, invert, rotation_angle, rotation_from_vector, vector_from_rotation

__all__ = ["Disagreement", "Pairs", "disagreement"]

_MIN_SIGMA_PX = 0.05
_STEP_QUANTILE = 0.1  # of the distances in time between a camera's views: its frame interval, gaps aside
_POSE_UNKNOWNS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Views of two cameras at the same time, and how far they are apart.

    Attributes:
        a: (D,) a view of one camera.
        b: (D,) one of another.
        px: (D,) root mean square shift of a corner in their images that noise does not explain.
        angle: (D,) rad, between their boards.
    """

    a: Int64[np.ndarray, " D"]
    b: Int64[np.ndarray, " D"]
    px: Float64[np.ndarray, " D"]
    angle: Float64[np.ndarray, " D"]

    def only(self, kept: Bool[np.ndarray, " D"]) -> Pairs:
        """Some of the pairs."""
        return Pairs(self.a[kept], self.b[kept], self.px[kept], self.angle[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Disagreement:
    """Every view's own pose of the board beside that of the bundle.

    Attributes:
        camera: (V,) of the calibration's cameras.
        time: (V,) s, common to all cameras.
        usable: (V,) mask of the views that determine a pose.
        used: (V, N) mask of the corners that a plane explains.
        sigma: (C,) noise of each camera's corners, px, about the views' own poses.
        shift: (V, 6) from the bundle's pose to the view's own: turn (rad) and shift (m) in the world.
        information: (V, 6, 6) of `shift`.
        board: (V, 3, 3) and (V, 3) m, where the bundle has the board.
        pairs: Of views at the same time.
    """

    camera: Int64[np.ndarray, " V"]
    time: Times
    usable: Bool[np.ndarray, " V"]
    used: Bool[np.ndarray, "V N"]
    sigma: Float64[np.ndarray, " C"]
    shift: Float64[np.ndarray, "V 6"]
    information: Float64[np.ndarray, "V 6 6"]
    board: tuple[Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"]]
    pairs: Pairs

    @property
    def own_board(self) -> tuple[Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"]]:
        """(V, 3, 3) and (V, 3) m, where each view has the board."""
        return rotation_from_vector(self.shift[:, :3]) @ self.board[0], self.board[1] + self.shift[:, 3:]


def disagreement(calibration: Calibration) -> Disagreement:
    """The views' own poses of the board, compared with each other.

    Args:
        calibration: A solved rig; rejected corners count as well.

    Returns:
        The comparison.
    """
    bundle, state = calibration.bundle, calibration.state
    seen = calibration.row >= 0
    count = len(bundle.camera)
    motion = bundle.motion(state)
    usable, corners, used = np.zeros(count, dtype=bool), np.zeros(count), np.zeros_like(seen)
    shift, information = np.zeros((count, 6)), np.zeros((count, 6, 6))
    sigma = np.zeros(len(state.lenses))
    least = min(MIN_CORNERS, int(seen.sum(axis=1).max()))  # of single markers four
    for c, lens in enumerate(state.lenses):
        own = np.flatnonzero(bundle.camera == c)
        views = CameraViews(bundle.points, bundle.xy[own], seen[own], least=least)
        planar, R, t, errors = planar_poses(views, lens, max(2.0, 6 * float(calibration.sigma[c])), 1.0)
        sigma[c] = max(noise(errors), _MIN_SIGMA_PX) if np.isfinite(errors).any() else _MIN_SIGMA_PX
        good = planar.used.any(axis=1)
        usable[own], corners[own], used[own] = good, planar.used.sum(axis=1), planar.used
        in_world = compose(invert((state.R[c], state.t[c])), (R, t))
        turn = in_world[0] @ np.swapaxes(motion.R[own], -1, -2)
        shift[own] = np.column_stack([vector_from_rotation(turn), in_world[1] - motion.t[own]])
        information[own] = _information(bundle.points, planar.used, R, t, lens, state.R[c]) / sigma[c] ** 2
    usable &= np.linalg.eigvalsh(information)[:, 0] > 0
    time = np.zeros(count) if bundle.time is None else bundle.time + state.offset[bundle.camera]
    at = _simultaneous(bundle.camera, Times(time), usable, len(state.lenses))
    px = _apart(shift, information, corners, sigma[bundle.camera], *at)
    time = time - calibration.lane_s
    turn_a, turn_b = (rotation_from_vector(shift[views, :3]) for views in at)
    angle = np.asarray(rotation_angle(turn_a @ np.swapaxes(turn_b, -1, -2)))
    pairs = Pairs(*at, px, angle)
    used &= usable[:, None]
    return Disagreement(bundle.camera, time, usable, used, sigma, shift, information, (motion.R, motion.t), pairs)


def _information(
    points: Float64[np.ndarray, "N 3"],
    used: Bool[np.ndarray, "v N"],
    R: Float64[np.ndarray, "v 3 3"],
    t: Float64[np.ndarray, "v 3"],
    lens: Lens,
    world: Float64[np.ndarray, "3 3"],
) -> Float64[np.ndarray, "v 6 6"]:
    """J'J of each view's own pose, in the world's axes, turning about the board's origin."""
    arm = points @ np.swapaxes(R, -1, -2)
    x = arm + t[:, None]
    depth = np.maximum(x[..., 2], 1e-3)
    ideal = x[..., :2] / depth[..., None]
    _, by_ideal, _ = distort_with_jacobian(ideal, lens.dist, lens.model)
    by_ideal = by_ideal * (lens.focal[:2, None] / depth[..., None, None])
    by_x = np.concatenate([by_ideal, -(by_ideal @ ideal[..., None])], axis=-1) @ world
    arm = arm @ world
    J = np.concatenate([np.cross(arm[..., None, :], by_x), by_x], axis=-1) * used[..., None, None]
    J = J.reshape(len(J), -1, _POSE_UNKNOWNS)
    return np.asarray(np.swapaxes(J, -1, -2) @ J)


def _simultaneous(
    camera: Int64[np.ndarray, " V"], time: Times, usable: Bool[np.ndarray, " V"], cameras: int
) -> tuple[Int64[np.ndarray, " D"], Int64[np.ndarray, " D"]]:
    """Each view with the nearest one in time of every other camera, if they are less than half a frame apart."""
    own = [np.flatnonzero((camera == c) & usable) for c in range(cameras)]
    own = [views[np.argsort(time[views], kind="stable")] for views in own]
    first, second = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for a, b in combinations(own, 2):
        if not len(a) or not len(b):
            continue
        near = np.clip(np.searchsorted(time[b], time[a]), 0, len(b) - 1)
        before = np.maximum(near - 1, 0)
        near = np.where(np.abs(time[b[before]] - time[a]) < np.abs(time[b[near]] - time[a]), before, near)
        step = max(_frame_interval(time[a]), _frame_interval(time[b]))
        same = np.abs(time[b[near]] - time[a]) <= 0.5 * step
        first.append(a[same])
        second.append(b[near[same]])
    return np.concatenate(first), np.concatenate(second)


def _frame_interval(time: Float64[np.ndarray, " v"]) -> float:
    gaps = np.diff(time)
    gaps = gaps[gaps > 0]
    return float(np.quantile(gaps, _STEP_QUANTILE)) if len(gaps) else 0.0


def _apart(
    shift: Float64[np.ndarray, "V 6"],
    information: Float64[np.ndarray, "V 6 6"],
    corners: Float64[np.ndarray, " V"],
    sigma: Float64[np.ndarray, " V"],
    a: Int64[np.ndarray, " D"],
    b: Int64[np.ndarray, " D"],
) -> Float64[np.ndarray, " D"]:
    """The chi-square of the difference of two poses less its expectation, as a shift of each corner, px."""
    x = shift[a] - shift[b]
    covariance = np.linalg.inv(information[a]) + np.linalg.inv(information[b])
    square = np.einsum("di,di->d", x, np.linalg.solve(covariance, x[..., None])[..., 0])
    common = 2 / (1 / corners[a] + 1 / corners[b])
    return np.sqrt(np.maximum(square - _POSE_UNKNOWNS, 0) * (sigma[a] ** 2 + sigma[b] ** 2) / common)
