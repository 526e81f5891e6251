"""One camera's lens from its own views of the board: focal length found by a scan, then robust least squares.

The model is chosen on held-out views: a richer lens must predict views that it was not fitted to, clearly better.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.board.poses import (
    FEWEST_CORNERS,
    board_poses,
    consistent_with_plane,
    faces_camera,
    ideal_coordinates,
    noise,
    one_camera,
    refined_poses,
)
from multiview.errors import CalibrationError
from multiview.geometry.bundle import Lens
from multiview.geometry.least_squares import levenberg_marquardt

__all__ = ["Intrinsics", "calibrate_lens", "free_parameters", "spread_out"]

MODELS = ("pinhole5", "fisheye", "pinhole8")  # in the order of preference
_VIEWS_USED, _VIEWS_SCANNED = 44, 14
_CLEARLY_BETTER = 0.05  # of the held-out squared error
_ENOUGH_TO_CHOOSE = 16  # views; with fewer, holding half of them out tells nothing


@dataclass(frozen=True, slots=True, eq=False)
class Intrinsics:
    """A lens, the noise of its corners (px per axis), and what was noticed on the way."""

    lens: Lens
    sigma: float
    model: str
    held_out_px: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def free_parameters(model: str, views: int) -> Bool[np.ndarray, " n"]:
    """Which of fx fy cx cy and the coefficients so many views can carry."""
    if model == "fisheye":
        return np.array([True] * 4 + [True, True, views >= 6, views >= 10])
    few = [True, True, views >= 4, views >= 4, views >= 8]
    return np.array([True, True, views >= 3, views >= 3, *few] + ([True] * 3 if model == "pinhole8" else []))


def calibrate_lens(
    points: Float64[np.ndarray, "N 3"],
    size: tuple[int, int],
    xy: Float64[np.ndarray, "V N 2"],
    seen: Bool[np.ndarray, "V N"],
    model: str | None = None,
) -> Intrinsics:
    """The lens of a camera from its views; `model` one of MODELS, None to choose. Raises CalibrationError."""
    planar = consistent_with_plane(points, xy, seen, threshold=max(3.0, 0.004 * size[0]))
    good = np.flatnonzero(planar.any(axis=1))
    if len(good) < 2:
        raise CalibrationError(
            f"shows the board well in too few pictures ({len(good)}); a lens needs 2 at least, better 20"
        )
    chosen = good[spread_out(xy[good], planar[good], size, _VIEWS_USED)]
    xy, used = xy[chosen], planar[chosen]
    candidates = (model,) if model else (MODELS if len(chosen) >= _ENOUGH_TO_CHOOSE else MODELS[:1])
    held_out: dict[str, Float64[np.ndarray, " v"]] = {}
    if len(candidates) > 1:
        half = np.arange(len(chosen)) % 2 == 0
        for name in candidates:
            fitted, _ = _fit(points, size, xy[half], used[half], name)
            held_out[name] = _held_out_error(points, fitted, xy[~half], used[~half])
        best = candidates[0]
        for name in candidates[1:]:
            gain = held_out[best] - held_out[name]
            clear = gain.mean() > _CLEARLY_BETTER * held_out[best].mean()
            if clear and gain.mean() > 3 * gain.std() / np.sqrt(len(gain)):
                best = name
    else:
        best = candidates[0]
    lens, errors = _fit(points, size, xy, used, best)
    notes = _degeneracy(points, lens, xy, used)
    rms = {name: float(np.sqrt(error.mean())) for name, error in held_out.items()}
    return Intrinsics(lens, max(noise(errors), 0.02), best, rms, notes)


def spread_out(
    xy: Float64[np.ndarray, "V N 2"], used: Bool[np.ndarray, "V N"], size: tuple[int, int], count: int
) -> Int64[np.ndarray, " v"]:
    """Views chosen for coverage: each next one is the most unlike those already taken, in place, size and slant."""
    if len(xy) <= count:
        return np.arange(len(xy))
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


def _fit(
    points: Float64[np.ndarray, "N 3"],
    size: tuple[int, int],
    xy: Float64[np.ndarray, "V N 2"],
    used: Bool[np.ndarray, "V N"],
    model: str,
) -> tuple[Lens, Float64[np.ndarray, "V N"]]:
    """The lens, and the distance of every used corner from where it should be, px."""
    lens, R, t = _first_guess(points, size, xy, used, model)
    full = free_parameters(model, len(xy))
    first = full & (np.arange(len(full)) < 6)
    first[2:4] = False  # the principal point waits until focal length and poses are near
    sigma, errors = 3.0, np.full(used.shape, np.nan)
    for free, steps in ((first, 12), (full, 12), (full, 15)):
        bundle, state = one_camera(points, lens, xy, used, R, t, sigma, free)
        state = levenberg_marquardt(bundle, state, max_steps=steps, tolerance=1e-5).state
        lens, R, t = state.lenses[0], state.target_R, state.target_t
        errors = np.where(used, np.linalg.norm(bundle.residuals(state), axis=-1), np.nan)
        sigma = max(noise(errors), 0.02)
    return lens, errors


def _first_guess(
    points: Float64[np.ndarray, "N 3"],
    size: tuple[int, int],
    xy: Float64[np.ndarray, "V N 2"],
    used: Bool[np.ndarray, "V N"],
    model: str,
) -> tuple[Lens, Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"]]:
    """The focal length whose homographies come closest to views of a plane, with the principal point in the middle."""
    centre = (np.array(size) - 1) / 2
    family, coefficients = ("fisheye", 4) if model == "fisheye" else ("pinhole", int(model.removeprefix("pinhole")))
    few = np.unique(np.linspace(0, len(xy) - 1, _VIEWS_SCANNED).astype(int))
    best, best_score = None, np.inf
    for focal in np.geomspace(0.25, 5, 20) * max(size):
        lens = Lens(np.array([focal, focal, *centre]), np.zeros(coefficients), family)
        posed = _posed(points, lens, xy[few], used[few])
        if posed is not None and posed[2] < best_score:
            best, best_score = lens, posed[2]
    posed = None if best is None else _posed(points, best, xy, used)
    if best is None or posed is None:
        raise CalibrationError("has no focal length that fits its pictures of the board")
    return best, posed[0], posed[1]


def _posed(
    points: Float64[np.ndarray, "N 3"], lens: Lens, xy: Float64[np.ndarray, "V N 2"], used: Bool[np.ndarray, "V N"]
) -> tuple[Float64[np.ndarray, "V 3 3"], Float64[np.ndarray, "V 3"], float] | None:
    """Board poses from homographies, and their error (median view, px); None where the lens cannot see the corners."""
    ideal = ideal_coordinates(lens, xy)
    finite = used & np.isfinite(ideal).all(axis=-1)
    if (finite.sum(axis=1) < FEWEST_CORNERS).any():
        return None
    R, t = board_poses(points, ideal, finite)
    in_camera = points @ np.swapaxes(R, -1, -2) + t[:, None]
    errors = np.where(used, np.linalg.norm(lens.project(in_camera) - xy, axis=-1), np.nan)
    return R, t, float(np.median(np.nanmean(errors, axis=1)))


def _held_out_error(
    points: Float64[np.ndarray, "N 3"], lens: Lens, xy: Float64[np.ndarray, "V N 2"], used: Bool[np.ndarray, "V N"]
) -> Float64[np.ndarray, " V"]:
    """Mean squared error of each view, px^2, its pose fitted and gross errors capped."""
    ideal = ideal_coordinates(lens, xy)
    finite = used & np.isfinite(ideal).all(axis=-1)
    if (finite.sum(axis=1) < FEWEST_CORNERS).any():
        return np.full(len(xy), 1e6)
    R, t = board_poses(points, ideal, finite)
    _, _, errors = refined_poses(points, lens, xy, used, R, t, sigma=1.0)
    cap = 5 * noise(errors)
    return np.nanmean(np.minimum(errors, cap) ** 2, axis=1)


def _degeneracy(
    points: Float64[np.ndarray, "N 3"], lens: Lens, xy: Float64[np.ndarray, "V N 2"], used: Bool[np.ndarray, "V N"]
) -> tuple[str, ...]:
    """What makes a lens untrustworthy, in words."""
    R, t = board_poses(points, ideal_coordinates(lens, xy), used)
    notes = []
    if (~faces_camera(R, t)).mean() > 0.5:
        notes.append("mirrored")
    normals = R[:, :, 2]
    spread = np.linalg.svd(normals - normals.mean(axis=0), compute_uv=False)[0] / np.sqrt(len(normals))
    if spread < np.sin(np.deg2rad(4)):
        notes.append("all boards are parallel")
    return tuple(notes)
