"""Poses of the board in one camera's axes: homographies, then robust refinement of all views at once.

Letters in shapes: V views, N corners on the board.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.geometry.bundle import Bundle, BundleState, Lens, LensPrior
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.lens import undistort
from multiview.geometry.rigid import nearest_rotation

__all__ = [
    "CameraViews",
    "board_poses",
    "consistent_with_plane",
    "faces_camera",
    "ideal_coordinates",
    "noise",
    "planar_poses",
    "refined_poses",
]

MIN_CORNERS = 6  # a homography has 8 unknowns; with 6 corners one wrong one is still noticed


@dataclass(frozen=True, slots=True, eq=False)
class CameraViews:
    """One camera's views of the board: `points` on it (m), their observations (px), and a mask of those used.

    The points from `front` on are on the back of the board; None: all are on its front. A view of fewer corners than
    `least` tells nothing.
    """

    points: Float64[np.ndarray, "N 3"]
    xy: Float64[np.ndarray, "V N 2"]
    used: Bool[np.ndarray, "V N"]
    front: int | None = None
    least: int = MIN_CORNERS

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, views: Int64[np.ndarray, " v"]) -> CameraViews:
        return replace(self, xy=self.xy[views], used=self.used[views])

    @property
    def of_back(self) -> Bool[np.ndarray, " V"]:
        """The views that show the back."""
        on_back = np.arange(len(self.points)) >= (len(self.points) if self.front is None else self.front)
        return np.asarray((self.used & on_back).any(axis=1))


def consistent_with_plane(
    points: Float64[np.ndarray, "N 3"],
    xy: Float64[np.ndarray, "V N 2"],
    seen: Bool[np.ndarray, "V N"],
    threshold: float,
    min_corners: int = MIN_CORNERS,
    least: int = MIN_CORNERS,
) -> Bool[np.ndarray, "V N"]:
    """Which corners agree with one homography per view within `threshold` (units of xy), by RANSAC.

    A view in which too few agree, or in which those that agree lie on one line, loses all its corners.
    """
    import cv2

    kept = np.zeros_like(seen)
    for v in np.flatnonzero(seen.sum(axis=1) >= least):
        own = np.flatnonzero(seen[v])
        H, mask = cv2.findHomography(points[own, :2], xy[v, own], cv2.RANSAC, threshold, maxIters=300)
        agree = own[mask.ravel() > 0] if H is not None else own[:0]
        if len(agree) < max(min_corners, 0.5 * len(own)):
            continue
        spread = np.linalg.svd(points[agree, :2] - points[agree, :2].mean(axis=0), compute_uv=False)
        if spread[1] > 0.05 * spread[0]:
            kept[v, agree] = True
    return kept


def ideal_coordinates(lens: Lens, xy: Float64[np.ndarray, "V N 2"]) -> Float64[np.ndarray, "V N 2"]:
    """Undistorted normalised coordinates of pixels."""
    return undistort((xy - lens.focal[2:]) / lens.focal[:2], lens.dist, lens.model)


def board_poses(
    points: Float64[np.ndarray, "N 3"], ideal: Float64[np.ndarray, "V N 2"], used: Bool[np.ndarray, "V N"]
) -> tuple[Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"]]:
    """cam_from_board of each view from its homography (Zhang 2000, section 3.1); `ideal` are normalised coordinates."""
    size = np.abs(points).max()
    X = np.column_stack([points[:, :2] / size, np.ones(len(points))])
    w = (used & np.isfinite(ideal).all(axis=-1)).astype(np.float64)
    xy = np.where(w[..., None] > 0, ideal, 0.0)
    middle = (xy * w[..., None]).sum(axis=1) / w.sum(axis=1)[:, None]
    xy = (xy - middle[:, None]) * w[..., None]
    scale = np.sqrt((xy**2).sum(axis=(1, 2)) / w.sum(axis=1))
    xy = xy / scale[:, None, None]
    # Sum over corners of the outer products of the two DLT rows, (X, 0, -x X) and (0, X, -y X).
    XX = X[:, :, None] * X[:, None, :]
    A = np.zeros((len(ideal), 3, 3, 3, 3))
    A[:, 0, :, 0, :] = A[:, 1, :, 1, :] = np.einsum("vn,nij->vij", w, XX)
    for k in range(2):
        A[:, k, :, 2, :] = A[:, 2, :, k, :] = -np.einsum("vn,nij->vij", xy[..., k], XX)
    A[:, 2, :, 2, :] = np.einsum("vn,nij->vij", (xy**2).sum(axis=-1), XX)
    H = np.linalg.eigh(A.reshape(-1, 9, 9))[1][:, :, 0].reshape(-1, 3, 3)
    H[:, :2] = H[:, :2] * scale[:, None, None] + middle[..., None] * H[:, 2:]
    H[:, :, :2] /= size
    H *= np.where(H[:, 2, 2] < 0, -1.0, 1.0)[:, None, None]  # in front of the camera
    length = np.linalg.norm(H[:, :, :2], axis=1).mean(axis=1)
    r1, r2, t = (np.moveaxis(H, 2, 0) / length[:, None])[:3]
    return nearest_rotation(np.stack([r1, r2, np.cross(r1, r2)], axis=2)), t


def faces_camera(R: Float64[np.ndarray, "V 3 3"], t: Float64[np.ndarray, "V 3"]) -> Bool[np.ndarray, " V"]:
    """Whether the printed side is seen; a mirrored picture shows a board from behind."""
    return np.einsum("vi,vi->v", R[:, :, 2], t) > 0


def refined_poses(
    views: CameraViews, lens: Lens, R: Float64[np.ndarray, "V 3 3"], t: Float64[np.ndarray, "V 3"], sigma: float
) -> tuple[Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"], Float64[np.ndarray, "V N"]]:
    """Poses by robust reprojection error with the lens fixed, and the error of every corner, px (NaN where unused)."""
    bundle, state = one_camera(views, lens, R, t, sigma, free=np.zeros(4 + len(lens.dist), dtype=bool))
    state = levenberg_marquardt(bundle, state, max_steps=8, tolerance=1e-4).state
    errors = np.linalg.norm(bundle.residuals(state), axis=-1)
    return state.target_R, state.target_t, np.where(views.used, errors, np.nan)


def planar_poses(
    views: CameraViews, lens: Lens, threshold_px: float, sigma: float
) -> tuple[CameraViews, Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"], Float64[np.ndarray, "V N"]]:
    """The views with only those corners that agree with a plane, their poses, and errors (px, NaN where unused).

    A view in which too few agree has no corner left, and a pose that means nothing.
    """
    ideal = ideal_coordinates(lens, views.xy)
    seen = views.used & np.isfinite(ideal).all(axis=-1)
    ideal = np.where(seen[..., None], ideal, 0.0)
    used = consistent_with_plane(views.points, ideal, seen, threshold_px / lens.focal[0], views.least, views.least)
    views = replace(views, used=used)
    good = np.flatnonzero(views.used.any(axis=1))
    R, t = np.tile(np.eye(3), (len(views), 1, 1)), np.tile([0.0, 0.0, 1.0], (len(views), 1))
    errors = np.full(views.used.shape, np.nan)
    first = board_poses(views.points, ideal[good], views.used[good])
    R[good], t[good], errors[good] = refined_poses(views[good], lens, *first, sigma)
    return views, R, t, errors


def one_camera(
    views: CameraViews,
    lens: Lens,
    R: Float64[np.ndarray, "V 3 3"],
    t: Float64[np.ndarray, "V 3"],
    sigma: float,
    free: Bool[np.ndarray, " n"],
    prior: LensPrior | None = None,
) -> tuple[Bundle, BundleState]:
    """The bundle of a single camera in its own axes, with one board pose per view; `free` of its lens may move."""
    count, none = len(views), np.zeros(1, dtype=bool)
    camera, knot, weight = np.zeros(count, dtype=np.int64), np.arange(count), views.used / sigma
    bundle = Bundle(views.points, camera, knot, views.xy, weight, (free,), none, none, 2.0, lens_prior=(prior,))
    return bundle, BundleState((lens,), np.eye(3)[None], np.zeros((1, 3)), np.zeros(1), R, t)


def noise(errors: Float64[np.ndarray, "*shape"]) -> float:
    """Deviation per axis of distances from 2D Gaussian noise, unmoved by outliers (the median is 1.1774 sigma)."""
    finite = errors[np.isfinite(errors)]
    return float(np.median(finite)) / 1.17741 if finite.size else np.nan
