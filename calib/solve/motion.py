"""How far two cameras' clocks differ, from the motion of the board that both saw.

In each camera's axes the board is a rigid body that moves. At the right difference of the clocks one rotation and one
translation carry its points from one camera's axes to the other's, all along the recording. The misfit of the best
rotation and translation is a function of sums over products of both motions, which are correlations: all differences
of a recording are tried at once by Fourier transforms.

Letters in shapes: V views, T steps of the grid, L differences in steps, q points of the board.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex128, Float64, Int64

from calib.solve.extrinsics import Pose, ViewPoses
from multiview.geometry.bundle import Lens
from multiview.geometry.rigid import alignment, compose, invert, rotation_from_vector, vector_from_rotation

__all__ = ["OffsetError", "Track", "motion_offset", "offset_error"]

_FINEST_S = 1 / 30  # step of the correlation
_LONGEST_GAP_S = 0.35  # between two views, within which the board is taken to have moved on the straight way
_INDEPENDENT_S = 0.3  # a hand does something new so often
_NOISE_M = 0.02  # of a single camera's board
_MIN_SHARED_S = 0.5
_BY_CHANCE = 1.5  # logarithm of how much of the motion a rotation and a translation explain at any difference
_CANDIDATES = 8
_SAMPLES, _PICKS = 160, 16
_CAP_RAD, _FLOOR_RAD = 0.045, 0.001  # of the misfit of a board


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One camera's views that show the board, in the order of time: their rows, numbers, stamps (s) and poses."""

    row: Int64[np.ndarray, " V"]
    frame: Int64[np.ndarray, " V"]
    time: Float64[np.ndarray, " V"]
    R: Float64[np.ndarray, "V 3 3"]
    t: Float64[np.ndarray, "V 3"]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def step_s(self) -> float:
        """The usual time between two views: the mean of those near the median, so that rounded stamps average out."""
        if len(self) < 2:
            return 1.0
        gap = np.diff(self.time)
        usual = float(np.median(gap))
        count = np.maximum(np.round(gap / usual), 1)
        near = count <= 4
        return float(gap[near].sum() / count[near].sum())

    @property
    def longest_gap_s(self) -> float:
        return max(_LONGEST_GAP_S, 1.5 * self.step_s)

    def overlaps(self, other: Track) -> bool:
        """Whether the stamps of both share some time, or nearly."""
        return bool(self.time[0] <= other.time[-1] + 1.0 and other.time[0] <= self.time[-1] + 1.0)

    def at(
        self, time: Float64[np.ndarray, " T"]
    ) -> tuple[Float64[np.ndarray, "T 3 3"], Float64[np.ndarray, "T 3"], Bool[np.ndarray, " T"]]:
        """The board at these times, between two views on the straight way, and where it is known."""
        after = np.clip(np.searchsorted(self.time, time), 1, len(self) - 1)
        before = after - 1
        gap = self.time[after] - self.time[before]
        share = (time - self.time[before]) / np.maximum(gap, 1e-12)
        known = (share > -1e-6) & (share < 1 + 1e-6)
        known &= (gap < self.longest_gap_s) | (np.abs(share) < 1e-6) | (np.abs(share - 1) < 1e-6)
        share = np.clip(share, 0, 1)[:, None]
        turn = vector_from_rotation(self.R[after] @ np.swapaxes(self.R[before], -1, -2))
        t = self.t[before] + share * (self.t[after] - self.t[before])
        return rotation_from_vector(share * turn) @ self.R[before], t, known


@dataclass(frozen=True, slots=True)
class OffsetError:
    """How well a difference of two clocks explains what both saw.

    Attributes:
        error_rad: Median distance between the second camera's corners and where the first one's boards put them, in
            focal lengths.
        views: How many views tell.
        evidence: Logarithm of how much better that is than chance, for all of them; 0 where too few tell.
    """

    error_rad: float
    views: int
    evidence: float


def offset_error(
    views: ViewPoses, a: Track, b: Track, offset: float, lens_b: Lens, points: Float64[np.ndarray, "N 3"]
) -> OffsetError:
    """Predict the boards of camera b from those of camera a, with the relative pose that does so best.

    Args:
        views: Of all cameras.
        a: One camera's.
        b: The other's.
        offset: s, added to the stamps of b.
        lens_b: Of camera b.
        points: On the board, m.

    Returns:
        The misfit.
    """
    R, t, known = a.at(b.time + offset)
    own = np.flatnonzero(known)
    shared = len(own)
    if shared < 2:
        return OffsetError(np.inf, shared, 0.0)
    own = own[np.unique(np.linspace(0, shared - 1, _SAMPLES).astype(int))]
    in_a, in_b = (R[own], t[own]), (b.R[own], b.t[own])
    picks = np.unique(np.linspace(0, len(own) - 1, _PICKS).astype(int))
    single = compose((in_b[0][picks], in_b[1][picks]), invert((in_a[0][picks], in_a[1][picks])))
    proposed = [*zip(*single, strict=True), _pose_of_all(in_a, in_b, points)]
    used, xy = views.used[b.row[own]], views.xy[b.row[own]]
    best = np.full(len(own), np.inf)
    for b_from_a in proposed:
        R_seen, t_seen = compose(b_from_a, in_a)
        x = points @ np.swapaxes(R_seen, -1, -2) + t_seen[:, None]
        errors = np.linalg.norm(lens_b.project(x) - xy, axis=-1) / lens_b.focal[0]
        errors = np.where(x[..., 2] > 0, np.minimum(errors, _CAP_RAD), _CAP_RAD)
        cost = (errors * used).sum(axis=1) / used.sum(axis=1)
        if cost.mean() < best.mean():
            best = cost
    error = float(np.median(best))
    independent = min(shared, shared * b.step_s / _INDEPENDENT_S) - 1
    return OffsetError(error, shared, max(independent, 1e-3) * float(np.log(_CAP_RAD / (error + _FLOOR_RAD))))


def _pose_of_all(a: Pose, b: Pose, points: Float64[np.ndarray, "N 3"]) -> Pose:
    """`b_from_a` from all boards together, as one view of a small board tells it badly; the worst third is dropped."""
    x_a, x_b = (points @ np.swapaxes(R, -1, -2) + t[:, None] for R, t in (a, b))
    R, t = alignment(x_a.reshape(-1, 3), x_b.reshape(-1, 3))
    missed = np.linalg.norm(x_a @ R.T + t - x_b, axis=-1).mean(axis=1)
    near = missed <= np.quantile(missed, 2 / 3)
    return alignment(x_a[near].reshape(-1, 3), x_b[near].reshape(-1, 3))


def motion_offset(a: Track, b: Track, points: Float64[np.ndarray, "N 3"]) -> list[float]:
    """Differences of the clocks that the motions suggest, best first.

    Args:
        a: One camera's boards.
        b: Another's.
        points: On the board, m.

    Returns:
        s, to be added to the stamps of b; none where nothing stands out.
    """
    step = max(min(a.step_s, b.step_s), _FINEST_S)
    reach = np.abs(points).max(axis=0)
    corners = np.array([[-1, -1, 0], [1, -1, 0], [-1, 1, 0], [1, 1, 0]]) * reach
    grid_a, grid_b = _Sampled.of(a, step, corners), _Sampled.of(b, step, corners)
    shared, misfit, spread = _misfits(grid_a, grid_b)
    enough = shared * step >= _MIN_SHARED_S
    explained = np.log((spread + _NOISE_M**2) / (misfit + _NOISE_M**2)) - _BY_CHANCE
    evidence = np.where(enough, (shared * step / _INDEPENDENT_S - 1) * explained, 0.0)
    lag = np.arange(len(shared)) - (len(grid_b.known) - 1)
    found = []
    for _ in range(_CANDIDATES):
        best = int(evidence.argmax())
        if evidence[best] <= 0:
            break
        found.append(float(a.time[0] - b.time[0] + step * (lag[best] + _vertex(misfit, best))))
        evidence[max(best - 8, 0) : best + 9] = 0.0
    return found


def _vertex(misfit: Float64[np.ndarray, " L"], best: int) -> float:
    """Where between three neighbours a parabola is lowest, in steps from the middle one."""
    if not 0 < best < len(misfit) - 1:
        return 0.0
    left, middle, right = misfit[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if np.isfinite(bend) and bend > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """A board's points in a camera's axes at even steps, centred; 0 where it is not known."""

    x: Float64[np.ndarray, "T q 3"]
    known: Bool[np.ndarray, " T"]

    @staticmethod
    def of(track: Track, step: float, corners: Float64[np.ndarray, "q 3"]) -> _Sampled:
        time = track.time[0] + step * np.arange(int((track.time[-1] - track.time[0]) / step) + 1)
        R, t, known = track.at(time)
        x = corners @ np.swapaxes(R, -1, -2) + t[:, None]
        x = x - np.median(x[known], axis=(0, 1)) if known.any() else x
        return _Sampled(np.where(known[:, None, None], x, 0.0), known)


def _misfits(
    a: _Sampled, b: _Sampled
) -> tuple[Float64[np.ndarray, " L"], Float64[np.ndarray, " L"], Float64[np.ndarray, " L"]]:
    """For every lag (a's step minus b's): shared steps, m^2 that the best rigid motion leaves, m^2 without any motion.

    The best rotation is Kabsch's, from the singular values of the points' covariance.
    """
    length = len(a.known) + len(b.known) - 1
    size = 1 << (length - 1).bit_length()

    def transformed(values: Float64[np.ndarray, "T ..."]) -> Complex128[np.ndarray, "F ..."]:
        return np.fft.rfft(values, size, axis=0)

    def lags(product: Complex128[np.ndarray, "F ..."]) -> Float64[np.ndarray, "L ..."]:
        full = np.fft.irfft(product, size, axis=0)
        first = len(b.known) - 1  # negative lags are at the end
        return np.concatenate([full[size - first :], full[: len(a.known)]])

    mask_a, mask_b = transformed(a.known.astype(float)), np.conj(transformed(b.known.astype(float)))
    shared = np.maximum(np.round(lags(mask_a * mask_b)), 0.0)
    points = a.x.shape[1]
    count = np.maximum(shared, 1) * points
    Fa, Fb = transformed(a.x), np.conj(transformed(b.x))
    sum_a = lags(Fa.sum(axis=1) * mask_b[:, None])
    sum_b = lags(mask_a[:, None] * Fb.sum(axis=1))
    square_a = lags(transformed((a.x**2).sum(axis=(1, 2))) * mask_b)
    square_b = lags(mask_a * np.conj(transformed((b.x**2).sum(axis=(1, 2)))))
    product = lags(np.einsum("fqi,fqj->fij", Fa, Fb))
    covariance = product - sum_a[:, :, None] * sum_b[:, None] / count[:, None, None]
    spread = square_a - (sum_a**2).sum(axis=1) / count + square_b - (sum_b**2).sum(axis=1) / count
    values = np.linalg.svd(covariance, compute_uv=False)
    values[:, 2] *= np.sign(np.linalg.det(covariance))
    misfit = np.maximum(spread - 2 * values.sum(axis=1), 0.0)
    return shared, misfit / count, np.maximum(spread, 0.0) / count
