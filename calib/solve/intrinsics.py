"""One camera's lens from its own views of the board: focal length found by a scan, then robust least squares.

The model is chosen on held-out views: a richer lens model must predict them clearly better.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.poses import (
    MIN_CORNERS,
    CameraViews,
    board_poses,
    consistent_with_plane,
    faces_camera,
    ideal_coordinates,
    noise,
    one_camera,
    refined_poses,
)
from calib.solve.lens_prior import determines, lens_prior
from multiview.errors import CalibrationError
from multiview.geometry.bundle import Bundle, BundleState, Lens, LensPrior
from multiview.geometry.least_squares import levenberg_marquardt
from multiview.geometry.rigid import transform

__all__ = ["Intrinsics", "calibrate_lens", "free_parameters", "spread_out"]

MODELS = ("pinhole5", "fisheye", "pinhole8")  # in the order of preference
_VIEWS_USED, _VIEWS_SCANNED = 44, 14
_SMALL_VIEWS_USED = 150  # of single markers
_MIN_IMPROVEMENT = 0.05  # of the held-out squared error
_MIN_VIEWS_TO_CHOOSE = 16  # views; with fewer, holding half of them out tells nothing


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsics:
    """A lens, the noise of its corners (px per axis), and warnings.

    `prior` is what had to be assumed of a lens that the views do not determine; None: they do.
    """

    lens: Lens
    sigma: float
    model: str
    held_out_px: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    prior: LensPrior | None = None


def free_parameters(model: str, views: int) -> Bool[np.ndarray, " n"]:
    """Which of fx fy cx cy and the coefficients so many views can carry."""
    if model == "fisheye":
        return np.array([True] * 4 + [True, True, views >= 6, views >= 10])
    few = [True, True, views >= 4, views >= 4, views >= 8]
    return np.array([True, True, views >= 3, views >= 3, *few] + ([True] * 3 if model == "pinhole8" else []))


def calibrate_lens(views: CameraViews, size: tuple[int, int], model: str | None = None) -> Intrinsics:
    """The lens of a camera from its views; `model` one of MODELS, None to choose. Raises CalibrationError."""
    threshold = max(3.0, 0.004 * size[0])
    planar = consistent_with_plane(views.points, views.xy, views.used, threshold, views.least, views.least)
    good = np.flatnonzero(planar.any(axis=1))
    if len(good) < 2:
        raise CalibrationError(
            f"shows the board well in too few images ({len(good)}); a lens needs at least 2, better 20"
        )
    views = replace(views, used=planar)[good]
    views = views[spread_out(views, size, _VIEWS_USED if views.least == MIN_CORNERS else _SMALL_VIEWS_USED)]
    candidates = (model,) if model else (MODELS if len(views) >= _MIN_VIEWS_TO_CHOOSE else MODELS[:1])
    held_out: dict[str, Float64[np.ndarray, " v"]] = {}
    if len(candidates) > 1:
        even, odd = np.arange(0, len(views), 2), np.arange(1, len(views), 2)
        for name in candidates:
            held_out[name] = _held_out_error(views[odd], _fit(views[even], size, name).lens)
        best = candidates[0]
        for name in candidates[1:]:
            gain = held_out[best] - held_out[name]
            both = np.isfinite(gain)
            if not both.any():
                continue
            gain = gain[both]
            clear = gain.mean() > _MIN_IMPROVEMENT * held_out[best][both].mean()
            if clear and gain.mean() > 3 * gain.std() / np.sqrt(len(gain)):
                best = name
    else:
        best = candidates[0]
    found = _fit(views, size, best)
    rms = {name: float(np.sqrt(np.nanmean(error))) for name, error in held_out.items()}
    return replace(found, held_out_px=rms, notes=_degeneracy(views, found.lens))


def spread_out(views: CameraViews, size: tuple[int, int], count: int) -> Int64[np.ndarray, " v"]:
    """Views chosen for coverage: each next one is the most unlike those already taken, in place, size and slant."""
    xy, used = views.xy, views.used
    if len(views) <= count:
        return np.arange(len(views))
    weight = used.sum(axis=1)[:, None]
    masked = np.where(used[..., None], xy, 0.0)
    middle = masked.sum(axis=1) / weight
    centred = np.where(used[..., None], xy - middle[:, None], 0.0)
    moments = np.einsum("vni,vnj->vij", centred, centred) / weight[..., None]
    shape = np.linalg.cholesky(moments + 1e-6 * np.eye(2))
    columns = [shape[:, 0, 0], shape[:, 1, 1], shape[:, 1, 0]]
    features = np.column_stack([2 * middle / size[0], *(4 * column / size[0] for column in columns)])
    taken = [int(weight.ravel().argmax())]
    distance = np.full(len(xy), np.inf)
    for _ in range(count - 1):
        distance = np.minimum(distance, np.linalg.norm(features - features[taken[-1]], axis=1))
        taken.append(int(distance.argmax()))
    return np.sort(np.array(taken))


def _fit(views: CameraViews, size: tuple[int, int], model: str) -> Intrinsics:
    """The lens from views of the board; where these do not determine it, with what lenses usually are."""
    first = _first_guess(views, size, model)
    views, enough = _in_front(views, first)
    views = views[np.flatnonzero(enough)]
    bundle, state, sigma = _refined(views, first, model, None)
    prior = lens_prior(model, state.lenses[0], size)
    if determines(bundle, state, prior):
        return Intrinsics(state.lenses[0], sigma, model)
    _, state, sigma = _refined(views, first, model, lens_prior(model, first, size))
    return Intrinsics(state.lenses[0], sigma, model, prior=lens_prior(model, state.lenses[0], size))


def _refined(views: CameraViews, lens: Lens, model: str, prior: LensPrior | None) -> tuple[Bundle, BundleState, float]:
    """Robust least squares from a first guess, and the noise of the corners that the lens sees, px."""
    R, t = _homography_poses(views, lens)
    full = free_parameters(model, len(views))
    first = full & (np.arange(len(full)) < 6)
    first[2:4] = False  # the principal point waits until focal length and poses are near
    sigma = 3.0
    for free, steps in ((first, 12), (full, 12), (full, 15)):
        bundle, state = one_camera(views, lens, R, t, sigma, free, prior)
        state = levenberg_marquardt(bundle, state, max_steps=steps, tolerance=1e-5).state
        lens, R, t = state.lenses[0], state.target_R, state.target_t
        errors = np.where(views.used, np.linalg.norm(bundle.residuals(state), axis=-1), np.nan)
        sigma = max(noise(errors), 0.02)
    return bundle, state, sigma


def _first_guess(views: CameraViews, size: tuple[int, int], model: str) -> Lens:
    """The focal length whose homographies come closest to views of a plane, with the principal point in the middle."""
    centre = (np.array(size) - 1) / 2
    family, coefficients = ("fisheye", 4) if model == "fisheye" else ("pinhole", int(model.removeprefix("pinhole")))
    few = views[np.unique(np.linspace(0, len(views) - 1, _VIEWS_SCANNED).astype(int))]
    best, best_score = None, np.inf
    for focal in np.geomspace(0.25, 5, 20) * max(size):
        lens = Lens(np.array([focal, focal, *centre]), np.zeros(coefficients), family)
        if (score := _pose_error(few, lens)) < best_score:
            best, best_score = lens, score
    if best is None:
        raise CalibrationError("has no focal length that fits its images of the board")
    return best


def _in_front(views: CameraViews, lens: Lens) -> tuple[CameraViews, Bool[np.ndarray, " V"]]:
    """The views with only those corners that the lens sees less than 90 degrees from its axis, and which have enough.

    Beyond that no plane has an image, and a lens that is assumed much too wide sees everything there.
    """
    finite = views.used & np.isfinite(ideal_coordinates(lens, views.xy)).all(axis=-1)
    enough = finite.sum(axis=1) >= views.least
    return replace(views, used=finite & enough[:, None]), enough


def _homography_poses(
    views: CameraViews, lens: Lens
) -> tuple[Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"]]:
    """Board poses of views `_in_front` of the lens."""
    return board_poses(views.points, ideal_coordinates(lens, views.xy), views.used)


def _pose_error(views: CameraViews, lens: Lens) -> float:
    """Of board poses from homographies, px (median view); infinite where the lens cannot see most of the boards."""
    views, enough = _in_front(views, lens)
    if not enough.any():
        return np.inf
    error, views = np.full(len(views), np.inf), views[np.flatnonzero(enough)]
    R, t = _homography_poses(views, lens)
    missed = np.linalg.norm(lens.project(transform(R[:, None], t[:, None], views.points)) - views.xy, axis=-1)
    error[enough] = np.nanmean(np.where(views.used, missed, np.nan), axis=1)
    return float(np.median(error))


def _held_out_error(views: CameraViews, lens: Lens) -> Float64[np.ndarray, " V"]:
    """Mean squared error of each view, px^2, its pose fitted and gross errors capped; NaN where the lens is too wide.

    A lens that cannot see most of the boards predicts none.
    """
    views, enough = _in_front(views, lens)
    if 2 * enough.sum() < len(views):
        return np.full(len(views), 1e6)
    error, views = np.full(len(views), np.nan), views[np.flatnonzero(enough)]
    _, _, missed = refined_poses(views, lens, *_homography_poses(views, lens), sigma=1.0)
    cap = 5 * noise(missed)
    error[enough] = np.nanmean(np.minimum(missed, cap) ** 2, axis=1)
    return error


def _degeneracy(views: CameraViews, lens: Lens) -> tuple[str, ...]:
    """What makes a lens untrustworthy, in words."""
    views, enough = _in_front(views, lens)
    views = views[np.flatnonzero(enough)]
    R, t = _homography_poses(views, lens)
    notes = []
    if (faces_camera(R, t) == views.of_back).mean() > 0.5:
        notes.append("mirrored")
    normals = R[:, :, 2]
    spread = np.linalg.svd(normals - normals.mean(axis=0), compute_uv=False)[0] / np.sqrt(len(normals))
    if spread < np.sin(np.deg2rad(4)):
        notes.append("all boards are parallel")
    return tuple(notes)
