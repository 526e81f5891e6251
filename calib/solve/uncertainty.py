"""Uncertainty of a calibration from its covariance: relative poses and clocks of cameras, 3D error in the volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from calib.board.poses import ideal_coordinates
from calib.solve.solve import Calibration
from multiview.geometry.bundle import BundleState
from multiview.geometry.rigid import alignment, cross_matrix

__all__ = [
    "VolumeError", "clock_deviation", "relative_pose_covariance", "seconds_together", "triangulated", "volume_error",
]  # fmt: skip

_DRAWS = 32
_SAME_FRAME = 0.55  # of a frame: half, and rounding


def relative_pose_covariance(
    calibration: Calibration, a: int, b: int
) -> tuple[tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]], Float64[np.ndarray, "6 6"]]:
    """`a_from_b` (R, t) of two cameras of the calibration, and the covariance of its rotation (applied from the left,
    rad) and shift (m), whichever camera the world was tied to."""
    state, layout = calibration.state, calibration.bundle.layout()
    R = state.R[a] @ state.R[b].T
    moved = R @ state.t[b]
    J = np.zeros((6, len(calibration.covariance) + 1))  # the last column takes what is fixed, at place -1
    places_a, places_b = layout[a][-7:-1], layout[b][-7:-1]
    J[:3, places_a[:3]] += np.eye(3)
    J[:3, places_b[:3]] -= R
    J[3:, places_a[3:]] += np.eye(3)
    J[3:, places_b[3:]] -= R
    J[3:, places_a[:3]] += cross_matrix(moved)  # t = t_a - R t_b, and a rotation w of a moves R t_b by w x R t_b
    J[3:, places_b[:3]] -= cross_matrix(moved) @ R
    J = J[:, :-1]
    return (R, state.t[a] - moved), J @ calibration.covariance @ J.T


def clock_deviation(calibration: Calibration) -> Float64[np.ndarray, " C"]:
    """How well each camera's clock is known beside those of half of the other cameras, whichever is the first.

    Args:
        calibration: A solved rig.

    Returns:
        (C,) standard deviations, s; 0 where no time offsets were estimated.
    """
    place = np.array([places[-1] for places in calibration.bundle.layout()])
    covariance = np.zeros((len(calibration.covariance) + 1,) * 2)  # the last row takes what is fixed, at place -1
    covariance[:-1, :-1] = calibration.covariance
    own = covariance[np.ix_(place, place)]
    variance = np.diag(own)
    between = np.sqrt(np.maximum(variance[:, None] + variance - 2 * own, 0.0))
    if len(place) < 2:
        return np.zeros(len(place))
    others = np.sort(between + np.diag(np.full(len(place), np.inf)), axis=1)[:, :-1]
    return np.asarray(others[:, (len(place) - 2) // 2])


def seconds_together(calibration: Calibration) -> Float64[np.ndarray, " C"]:
    """For how long each camera saw the board move while another one did.

    Args:
        calibration: A solved rig.

    Returns:
        (C,) s; infinite where no time offsets were estimated, and the times do not matter.
    """
    bundle, cameras = calibration.bundle, range(len(calibration.cameras))
    if bundle.knots is None or bundle.time is None or not bundle.free_offset.any():
        return np.full(len(cameras), np.inf)
    time = bundle.time + calibration.state.offset[bundle.camera]
    shown = (bundle.weight > 0).any(axis=1)
    seen = [np.sort(time[shown & (bundle.camera == c)]) for c in cameras]
    step = [float(np.median(np.diff(own))) if len(own) > 1 else 0.0 for own in seen]
    found = np.zeros(len(cameras))
    for c in cameras:
        together = np.zeros(len(seen[c]), dtype=bool)
        for other in set(cameras) - {c}:
            together |= _distance_to_nearest(seen[c], seen[other]) <= _SAME_FRAME * max(step[c], step[other])
        found[c] = together.sum() * step[c]
    return found


def _distance_to_nearest(
    time: Float64[np.ndarray, " n"], others: Float64[np.ndarray, " m"]
) -> Float64[np.ndarray, " n"]:
    """Of each time to the nearest of others, which rise; infinite where there are none."""
    padded = np.concatenate([[-np.inf], others, [np.inf]])
    after = np.searchsorted(padded, time)
    return np.minimum(padded[after] - time, time - padded[after - 1])


@dataclass(frozen=True, slots=True, eq=False)
class VolumeError:
    """Expected 3D error (mm, RMS) at points of the capture volume (m, world of the first camera), from the covariance
    of the calibration alone, after a rigid alignment: what no choice of world can hide."""

    points: Float64[np.ndarray, "P 3"]
    error_mm: Float64[np.ndarray, " P"]

    @property
    def median_mm(self) -> float:
        return float(np.median(self.error_mm)) if self.error_mm.size else float("nan")

    @property
    def worst_mm(self) -> float:
        return float(self.error_mm.max()) if self.error_mm.size else float("nan")


def volume_error(calibration: Calibration, sizes: tuple[tuple[int, int], ...]) -> VolumeError:
    """Draw rigs from the covariance and see where they put the points of the volume that the board moved through."""
    bundle, state = calibration.bundle, calibration.state
    used = np.unique(bundle.knot[(bundle.weight > 0).any(axis=1)])
    low, high = np.percentile(state.target_t[used], [2, 98], axis=0)
    axes = [np.linspace(a, b, 6) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    pixels = [lens.project(points @ R.T + t) for lens, R, t in zip(state.lenses, state.R, state.t, strict=True)]
    depth = [points @ R[2] + t[2] for R, t in zip(state.R, state.t, strict=True)]
    bounds = [np.array(sizes[c]) for c in calibration.cameras]
    seen = np.stack(
        [((xy >= 0) & (xy < b)).all(axis=1) & (z > 0) for xy, b, z in zip(pixels, bounds, depth, strict=True)]
    )
    kept = seen.sum(axis=0) >= 2
    if kept.sum() < 8:
        return VolumeError(np.empty((0, 3)), np.empty(0))
    points, seen, pixels = points[kept], seen[:, kept], [xy[kept] for xy in pixels]
    values, vectors = np.linalg.eigh(calibration.covariance)
    spread = vectors * np.sqrt(np.clip(values, 0, None))
    still, rng = np.zeros((len(state.target_R), 6)), np.random.default_rng(0)
    square = np.zeros(len(points))
    for _ in range(_DRAWS):
        drawn = bundle.moved(state, spread @ rng.normal(size=len(values)), still)
        found = triangulated(drawn, pixels, seen)
        R, t = alignment(found, points)
        square += ((found @ R.T + t - points) ** 2).sum(axis=1) / _DRAWS
    return VolumeError(points, 1000 * np.sqrt(square))


def triangulated(
    state: BundleState, pixels: list[Float64[np.ndarray, "P 2"]], seen: Bool[np.ndarray, "C P"]
) -> Float64[np.ndarray, "P 3"]:
    """Points nearest to their rays, in metres and in least squares."""
    A, b = np.zeros((seen.shape[1], 3, 3)), np.zeros((seen.shape[1], 3))
    for c, (lens, xy) in enumerate(zip(state.lenses, pixels, strict=True)):
        ideal = np.nan_to_num(ideal_coordinates(lens, np.where(seen[c][:, None], xy, 0.0)[None])[0])
        rays = np.column_stack([ideal, np.ones(len(xy))]) @ state.R[c]
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        across = (np.eye(3) - rays[:, :, None] * rays[:, None]) * seen[c][:, None, None]
        A += across
        b += across @ (-state.R[c].T @ state.t[c])
    return np.linalg.solve(A, b[..., None])[..., 0]
