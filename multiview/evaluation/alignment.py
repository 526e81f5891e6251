"""Time offset and rigid transform between two recordings of one person, in worlds and on clocks of their own.

Distances between joints do not depend on the world. How they change over time is correlated for every offset, and
the best few offsets are judged by how well the joints then lie on each other after the best rotation and translation
(Kabsch 1976), each refined below the sampling interval. Whoever walks straight ahead repeats themselves, stride by
stride: of offsets at which joints lie on each other as well, the one with the longest time together is taken, and the
others are told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from jaxtyping import Float64
from scipy.optimize import minimize_scalar
from scipy.signal import correlate, find_peaks

from multiview.errors import SourceError
from multiview.geometry.rigid import alignment

__all__ = ["Alignment", "align", "resampled"]

_GRID_HZ = 50.0
_LONGEST_GAP_S = 0.1  # that is interpolated
_OVERLAP_S = 1.0  # at least
_CANDIDATES, _APART_S = 24, 0.1
_WORSE = 3.0  # times the best distance on the grid, whose step alone may do that; what is farther off is not refined
_AS_WELL = 1.15  # times the best distance: a second of correlated noise tells no better
_SAMPLES = 2000  # instants at most that a fit looks at
_LEAST_MOTION_M = 0.01  # deviation of the distances
_EXACT_S = 1e-5
_LEAST_POINTS = 30  # of a fit
_TRIMMED = 3.0  # times the median distance, beyond which a joint does not count


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where and when a recording lies in another one.

    Attributes:
        offset_s: Added to the other recording's times gives this one's.
        R: (3, 3) and
        t: (3,) m: from this one's world to the other's.
        rms_m: Root mean square distance of joints, far ones left out.
        together: Number of joints at all instants that both know.
        others_s: Offsets with less time together at which joints lie on each other as well, ascending.
    """

    offset_s: float
    R: Float64[np.ndarray, "3 3"]
    t: Float64[np.ndarray, " 3"]
    rms_m: float
    together: int = 0
    others_s: tuple[float, ...] = ()


def align(
    truth_s: Float64[np.ndarray, " T"],
    truth: Float64[np.ndarray, "T K 3"],
    time_s: Float64[np.ndarray, " F"],
    xyz: Float64[np.ndarray, "F K 3"],
    max_offset_s: float = np.inf,
    offset_s: float | None = None,
) -> Alignment:
    """Find the time offset and the rigid transform that lay one recording on another.

    Args:
        truth_s: (T,) s, ascending.
        truth: (T, K, 3) m, NaN where unknown.
        time_s: (F,) s, ascending, of the recording that stays.
        xyz: (F, K, 3) m, the same joints.
        max_offset_s: The offset lies within this.
        offset_s: Known offset; None: found.

    Returns:
        The alignment.

    Raises:
        SourceError: They overlap too little, or too little moves to tell the offset.

    References:
        Kabsch 1976, Acta Crystallographica A32, 922-923.
    """
    step = max(1, len(time_s) // _SAMPLES)

    def at(offset: float) -> Alignment:
        own = resampled(truth_s, truth, time_s[::step] + offset)
        return _placed(own, xyz[::step], offset)

    if offset_s is not None:
        return at(offset_s)
    grid_s = 1.0 / _GRID_HZ
    candidates = [at(offset) for offset in _candidates(truth_s, truth, time_s, xyz, max_offset_s)]

    def refined(found: Alignment) -> Alignment:
        limits = (found.offset_s - grid_s, found.offset_s + grid_s)
        lowest = minimize_scalar(
            lambda offset: at(offset).rms_m, bounds=limits, method="bounded", options={"xatol": _EXACT_S}
        )
        return min(found, at(float(lowest.x)), key=lambda one: one.rms_m)

    nearest = min(found.rms_m for found in candidates)
    fine = [refined(found) for found in candidates if found.rms_m <= _WORSE * nearest]
    nearest = min(found.rms_m for found in fine)
    fitting = [found for found in fine if found.rms_m <= _AS_WELL * nearest]
    best = max(fitting, key=lambda found: found.together)
    others = sorted(found.offset_s for found in fitting if abs(found.offset_s - best.offset_s) > 2 * grid_s)
    return replace(best, others_s=tuple(others))


def resampled(
    time_s: Float64[np.ndarray, " T"], xyz: Float64[np.ndarray, "T K 3"], wanted_s: Float64[np.ndarray, " F"]
) -> Float64[np.ndarray, "F K 3"]:
    """Joints at other times, by linear interpolation; NaN outside, and within gaps that are too long.

    Args:
        time_s: (T,) s, ascending.
        xyz: (T, K, 3) m, NaN where unknown.
        wanted_s: (F,) s.

    Returns:
        (F, K, 3) m.
    """
    result = np.full((len(wanted_s), *xyz.shape[1:]), np.nan)
    for k in range(xyz.shape[1]):
        known = np.isfinite(xyz[:, k]).all(axis=-1)
        if known.sum() < 2:
            continue
        own_s, own = time_s[known], xyz[known, k]
        after = np.clip(np.searchsorted(own_s, wanted_s), 1, len(own_s) - 1)
        gap = own_s[after] - own_s[after - 1]
        share = (wanted_s - own_s[after - 1]) / gap
        fits = (share >= 0) & (share <= 1) & (gap <= _LONGEST_GAP_S)
        between = own[after - 1] + share[:, None] * (own[after] - own[after - 1])
        result[fits, k] = between[fits]
    return result


def _candidates(
    truth_s: Float64[np.ndarray, " T"],
    truth: Float64[np.ndarray, "T K 3"],
    time_s: Float64[np.ndarray, " F"],
    xyz: Float64[np.ndarray, "F K 3"],
    max_offset_s: float,
) -> list[float]:
    """Offsets at which the distances between joints change alike, the best few."""
    a, b = _distances(truth_s, truth), _distances(time_s, xyz)
    if min(np.nanstd(a, axis=0).max(), np.nanstd(b, axis=0).max()) < _LEAST_MOTION_M:
        raise SourceError("too little moves to find the offset between the clocks: give --offset")
    seen_a, seen_b = np.isfinite(a).astype(np.float64), np.isfinite(b).astype(np.float64)
    a, b = (np.where(np.isfinite(values), values - np.nanmean(values, axis=0), 0.0) for values in (a, b))

    def summed(left: Float64[np.ndarray, "n d"], right: Float64[np.ndarray, "m d"]) -> Float64[np.ndarray, " l"]:
        return np.asarray(sum(correlate(left[:, d], right[:, d], method="fft") for d in range(left.shape[1])))

    energy = np.maximum(summed(a**2, seen_b), 0) * np.maximum(summed(seen_a, b**2), 0)
    overlap = np.round(summed(seen_a, seen_b)) / a.shape[1]
    lags = np.arange(-(len(b) - 1), len(a)) / _GRID_HZ + truth_s[0] - time_s[0]
    usable = (overlap >= _OVERLAP_S * _GRID_HZ) & (np.abs(lags) <= max_offset_s) & (energy > 1e-12)
    if not usable.any():
        raise SourceError(f"the recordings overlap by less than {_OVERLAP_S:g} s, or lie farther apart than allowed")
    score = np.where(usable, summed(a, b) / np.sqrt(np.where(usable, energy, 1.0)), -1.0)
    peaks, _ = find_peaks(np.concatenate([[-2.0], score, [-2.0]]), distance=max(1, round(_APART_S * _GRID_HZ)))
    best = sorted(peaks - 1, key=lambda i: -score[i])[:_CANDIDATES]
    return [float(lags[i]) for i in best if usable[i]]


def _distances(time_s: Float64[np.ndarray, " T"], xyz: Float64[np.ndarray, "T K 3"]) -> Float64[np.ndarray, "n d"]:
    """Between all pairs of joints, on the common grid."""
    wanted = np.arange(time_s[0], time_s[-1], 1.0 / _GRID_HZ)
    own = resampled(time_s, xyz, wanted)
    pairs = list(combinations(range(own.shape[1]), 2))
    return np.stack([np.linalg.norm(own[:, i] - own[:, j], axis=-1) for i, j in pairs], axis=1)


def _placed(truth: Float64[np.ndarray, "F K 3"], xyz: Float64[np.ndarray, "F K 3"], offset_s: float) -> Alignment:
    """The rigid transform, twice: the second time without joints that are far off."""
    known = np.isfinite(truth).all(axis=-1) & np.isfinite(xyz).all(axis=-1)
    if known.sum() < _LEAST_POINTS:
        return Alignment(offset_s, np.eye(3), np.zeros(3), np.inf)
    a, b = truth[known], xyz[known]
    kept = np.ones(len(a), bool)
    for _ in range(2):
        R, t = alignment(a[kept], b[kept])
        distance = np.linalg.norm(a @ R.T + t - b, axis=-1)
        kept = distance <= _TRIMMED * np.median(distance) + 1e-9
    return Alignment(offset_s, R, t, float(np.sqrt(np.mean(distance[kept] ** 2))), int(known.sum()))
