"""Two cameras related by the people whom both saw: which stretches are the same person, from where, and when.

A pair of stretches and a shift in time is a hypothesis: five-point gives the geometry, and its support over all
stretches of both cameras decides. The best ones climb: pose and shift are fitted to all that they match, again and
again, until the support stops growing.

References:
    Nister 2004 (five points); Barath et al. 2020 (MAGSAC++).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Float64, Int64

from calib.people import sample_kernels as kernels
from calib.people.epipolar_fit import EpipolarFit, PairState, essential, fit_pair
from calib.people.samples import GATE, CameraSamples

__all__ = ["PairPose", "assigned", "relate", "supported"]

_CANDIDATES, _CLIMBERS, _BRUTE = 20, 4, 120
_PROBED = (1, 2, 4, 7)  # steps of shift, before and after
_TRIALS = 150  # of five-point; a right pair of stretches has hardly an outlier
_SPREAD_STEPS = 3  # between the shifts that are tried when motion does not tell
_SURE = 0.25  # of the support that is possible: brute force is not needed
_CORRESPONDENCES, _MATCHED = 350, 2500
_MIN_SHARED_S, _MIN_CORRESPONDENCES = 0.5, 40
_ROUNDS = 8
_FEW = 2  # stretches in either camera: the search over all shifts is quick, and a single person's gait alike again soon
_SCALE = 1000.0  # five-point's threshold is made for pixels
_MAX_EVALUATED = 60_000  # joints in one evaluation of the support, about


@dataclass(frozen=True, slots=True, eq=False)
class PairPose:
    """How camera b stands to camera a.

    Attributes:
        a: Number of a camera.
        b: Number of another.
        state: Pose and time shift.
        support: Sum over the matched joints, see `sample_kernels.support`.
        possible: What it would be if everything that overlaps matched.
        matches: (stretch of a, stretch of b) that are the same person.
        exchanged: Whether the sides of b's people are exchanged.
        parallax: rad, of the usual match.
        sigma: rad, deviation of the pose's turn and direction.
        rival: Support of the best other shift or pose, as a share of the support.
    """

    a: int
    b: int
    state: PairState
    support: float
    possible: float
    matches: tuple[tuple[int, int], ...] = field(default_factory=tuple)
    exchanged: bool = False
    parallax: float = 0.0
    sigma: float = float("inf")
    rival: float = 0.0


def supported(
    E: Float64[np.ndarray, "3 3"],
    lag: int,
    a: CameraSamples,
    b: CameraSamples,
    mirrored: Int64[np.ndarray, " J"],
    stride: int = 1,
) -> tuple[Float64[np.ndarray, "n m"], Int64[np.ndarray, "n m"]]:
    """Support of every stretch of a by every one of b, `lag` steps later, and the number of joints compared."""
    total, count = np.empty((len(a), len(b))), np.empty((len(a), len(b)), dtype=np.int64)
    kernels.support(
        np.ascontiguousarray(E), lag, stride, mirrored, a.xy, a.gate, a.first, a.row, b.xy, b.gate, b.first, b.row,
        total, count,
    )  # fmt: skip
    return total * stride, count * stride


def assigned(
    total: Float64[np.ndarray, "n m"], lag: int, a: CameraSamples, b: CameraSamples
) -> tuple[float, tuple[tuple[int, int], ...]]:
    """The support of the best matches, where nobody has two partners at a time."""
    chosen: list[tuple[int, int]] = []
    support = 0.0
    rows, columns = np.nonzero(total > 0)
    for place in np.argsort(-total[rows, columns]):
        i, k = int(rows[place]), int(columns[place])
        begin, end = max(a.first[i], b.first[k] - lag), min(a.last(i), b.last(k) - lag)
        clash = any(
            (p == i or q == k) and max(a.first[p], b.first[q] - lag, begin) < min(a.last(p), b.last(q) - lag, end)
            for p, q in chosen
        )
        if not clash:
            chosen.append((i, k))
            support += float(total[i, k])
    return support, tuple(chosen)


class _Pair:
    """The search for one pair of cameras."""

    def __init__(
        self, a: CameraSamples, b: CameraSamples, mirrored: Int64[np.ndarray, " J"], rng: np.random.Generator
    ) -> None:
        self.a, self.b, self.mirrored, self.rng = a, b, mirrored, rng
        shared = min(len(a.xy) * max(len(b), 1), len(b.xy) * max(len(a), 1)) * a.xy.shape[1]
        self.stride = max(1, round(shared / _MAX_EVALUATED))

    def judged(self, state: PairState) -> tuple[float, tuple[tuple[int, int], ...]]:
        lag = round(state.shift / self.a.step)
        total, _ = supported(essential(state), lag, self.a, self.b, self.mirrored, self.stride)
        return assigned(total, lag, self.a, self.b)

    def possible(self, lag: int) -> float:
        _, count = supported(np.eye(3), lag, self.a, self.b, self.mirrored, self.stride)
        return assigned(0.5 * count.astype(np.float64), lag, self.a, self.b)[0]

    def correspondences(self, i: int, k: int, shift: float) -> tuple[np.ndarray, ...]:
        """Normalised coordinates in a and b, b's slope, and the deviation of their distance."""
        a, b = self.a, self.b
        lag = round(shift / a.step)
        begin, end = max(a.first[i], b.first[k] - lag), min(a.last(i), b.last(k) - lag) + 1
        g = np.arange(begin, max(begin, end))
        ra, rb = a.row[i] + g - a.first[i], b.row[k] + g + lag - b.first[k]
        sigma = np.sqrt((a.gate[ra] ** 2 + b.gate[rb] ** 2) / 2) / GATE
        slope = b.slope[rb][:, self.mirrored]
        second = b.xy[rb][:, self.mirrored] + slope * (shift - lag * a.step)
        known = np.isfinite(a.xy[ra][..., 0]) & np.isfinite(second[..., 0])
        return a.xy[ra][known], second[known], slope[known], np.broadcast_to(sigma[:, None], known.shape)[known]

    def proposals(self, i: int, k: int, shift: float) -> list[PairState]:
        """Poses by five-point from one pair of stretches."""
        first, second, _, sigma = self.correspondences(i, k, shift)
        if len(first) < _MIN_CORRESPONDENCES:
            return []
        if len(first) > _CORRESPONDENCES:
            chosen = self.rng.choice(len(first), _CORRESPONDENCES, replace=False)
            first, second, sigma = first[chosen], second[chosen], sigma[chosen]
        threshold = _SCALE * GATE * float(np.median(sigma))
        K = np.diag([_SCALE, _SCALE, 1.0])
        try:
            stack, _ = cv2.findEssentialMat(
                _SCALE * first, _SCALE * second, K, cv2.USAC_MAGSAC, 0.99, threshold, _TRIALS
            )
        except cv2.error:
            return []
        if stack is None or stack.shape[1:] != (3,):
            return []
        found = (_pose_of(E, first, second) for E in stack.reshape(-1, 3, 3) if np.isfinite(E).all())
        return [PairState(R, t, shift) for R, t in found]

    def climbed(self, state: PairState) -> tuple[float, PairState, tuple[tuple[int, int], ...], np.ndarray]:
        """Pose and shift fitted to all that they match, until that is no more than before."""
        best, matches = self.judged(state)
        covariance = np.full((6, 6), np.inf)
        for _ in range(_ROUNDS):
            steps = [self.a.step * sign * n for n in _PROBED for sign in (-1, 1)]
            probed = [PairState(state.R, state.t, state.shift + step) for step in steps]
            tried = max(((self.judged(other)[0], n) for n, other in enumerate(probed)), default=(0.0, 0))
            if tried[0] > best:
                state = probed[tried[1]]
                best, matches = self.judged(state)
            gathered = [self.correspondences(i, k, state.shift) for i, k in matches]
            if not gathered:
                break
            first, second, slope, sigma = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
            if len(first) < _MIN_CORRESPONDENCES:
                break
            fit = EpipolarFit(first, second, slope, state.shift, sigma * GATE)
            kept = np.abs(fit.residuals(state)) < 2
            if kept.sum() < _MIN_CORRESPONDENCES:
                break
            chosen = np.flatnonzero(kept)
            if len(chosen) > _MATCHED:
                chosen = self.rng.choice(chosen, _MATCHED, replace=False)
            fit = EpipolarFit(first[chosen], second[chosen], slope[chosen], state.shift, sigma[chosen] * GATE)
            fitted, uncertain = fit_pair(fit, state)
            reach = 4 * self.a.step  # what the slope can foretell
            fitted = PairState(
                fitted.R, fitted.t, state.shift + float(np.clip(fitted.shift - state.shift, -reach, reach))
            )
            support, now = self.judged(fitted)
            if support <= best * (1 + 1e-4):
                if support > 0.999 * best and np.isinf(covariance).all():
                    state, covariance = fitted, uncertain
                break
            best, state, matches, covariance = support, fitted, now, uncertain
        return best, state, matches, covariance

    def before_both(self, state: PairState, matches: tuple[tuple[int, int], ...]) -> PairState:
        """The same essential matrix, with most matched points before both cameras."""
        gathered = [self.correspondences(i, k, state.shift)[:2] for i, k in matches]
        first, second = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
        R, t = _pose_of(essential(state), first, second)
        return PairState(R, t, state.shift)

    def parallax(self, state: PairState, matches: tuple[tuple[int, int], ...]) -> float:
        """The usual angle between matched rays."""
        angles = [np.empty(0)]
        for i, k in matches:
            first, second, _, _ = self.correspondences(i, k, state.shift)
            ray = np.column_stack([first, np.ones(len(first))]) @ state.R.T
            other = np.column_stack([second, np.ones(len(second))])
            cosine = (ray * other).sum(axis=1) / np.linalg.norm(ray, axis=1) / np.linalg.norm(other, axis=1)
            angles.append(np.arccos(np.clip(cosine, -1, 1)))
        joined = np.concatenate(angles)
        return float(np.median(joined)) if len(joined) else 0.0


def relate(
    numbers: tuple[int, int],
    a: CameraSamples,
    b: CameraSamples,
    mirrored: Int64[np.ndarray, " J"],
    max_shift: float,
    rng: np.random.Generator,
) -> PairPose | None:
    """The pose of camera b to camera a and the shift of its stamps, from all people whom both saw.

    Args:
        numbers: Of the cameras.
        a: Samples of the one.
        b: Of the other.
        mirrored: Of the skeleton.
        max_shift: s, the largest shift.
        rng: Chooses correspondences.

    Returns:
        The best hypothesis; None where no two stretches of them match.
    """
    if not len(a) or not len(b):
        return None
    straight = np.arange(len(mirrored))
    best = None
    for sides in (straight, mirrored):
        found = _searched(numbers, _Pair(a, b, sides, rng), max_shift, sides is mirrored)
        if found is not None and (best is None or found.support > best.support):
            best = found
        if best is not None and best.support > _SURE * best.possible:
            break
    return best


def _searched(numbers: tuple[int, int], pair: _Pair, max_shift: float, exchanged: bool) -> PairPose | None:
    step = pair.a.step
    reach = max(1, round(max_shift / step))
    climbed = _climbed(pair, _by_motion(pair, reach), max_shift)
    best = max((entry[0] for entry in climbed), default=0.0)
    if best < _SURE * pair.possible(0) or max(len(pair.a), len(pair.b)) <= _FEW:
        climbed += _climbed(pair, _everywhere(pair, reach), max_shift)
    if not climbed:
        return None
    support, state, matches, covariance = max(climbed, key=lambda entry: entry[0])
    others = [s for s, other, _, _ in climbed if not _alike(other, state)]
    possible = pair.possible(round(state.shift / step))
    values = np.linalg.eigvalsh(covariance[:5, :5]) if np.isfinite(covariance).all() else np.array([np.inf])
    return PairPose(
        *numbers, pair.before_both(state, matches), support, possible, matches, exchanged,
        pair.parallax(state, matches), float(np.sqrt(values[-1])) / GATE, max(others, default=0.0) / support,
    )  # fmt: skip


_Climbed = tuple[float, PairState, tuple[tuple[int, int], ...], np.ndarray]


def _climbed(pair: _Pair, candidates: list[tuple[int, int, int]], max_shift: float) -> list[_Climbed]:
    """The best hypotheses that differ, climbed."""
    step = pair.a.step
    tried = [(pair.judged(s)[0], s) for i, k, lag in candidates for s in pair.proposals(i, k, lag * step)]
    tried.sort(key=lambda entry: -entry[0])
    climbers: list[PairState] = []
    for _, state in tried:
        if len(climbers) < _CLIMBERS and not any(_alike(state, other) for other in climbers):
            climbers.append(state)
    climbed = [pair.climbed(state) for state in climbers]
    return [entry for entry in climbed if entry[0] > 0 and abs(entry[1].shift) <= max_shift + 2 * step]


def _alike(a: PairState, b: PairState) -> bool:
    turn = np.arccos(np.clip((np.trace(a.R @ b.R.T) - 1) / 2, -1, 1))
    return bool(turn < 0.1 and abs(a.shift - b.shift) < 0.15)


def _by_motion(pair: _Pair, reach: int) -> list[tuple[int, int, int]]:
    """(stretch, stretch, lag) at which vertical speeds agree, or contradict, best: seen from opposite, tilted cameras
    the sign turns."""
    a, b = pair.a, pair.b
    lags = np.arange(-reach, reach + 1)
    fewest = round(_MIN_SHARED_S / a.step)
    found: list[tuple[float, int, int, int]] = []
    result, shared = np.empty(len(lags)), np.empty(len(lags), dtype=np.int64)
    speed_a, speed_b = a.slope[..., 1] / a.size[:, None], b.slope[..., 1] / b.size[:, None]
    speed_b = np.ascontiguousarray(speed_b[:, pair.mirrored])
    for i in range(len(a)):
        for k in range(len(b)):
            kernels.correlation(
                speed_a[a.row[i] : a.row[i + 1]], int(a.first[i]), speed_b[b.row[k] : b.row[k + 1]], int(b.first[k]),
                lags, result, shared,
            )  # fmt: skip
            score = np.abs(result) * np.sqrt(shared) * (shared >= fewest)
            padded = np.pad(score, 1, constant_values=-1.0)
            peaks = np.flatnonzero((score > 0) & (score >= padded[:-2]) & (score >= padded[2:]))
            for peak in peaks[np.argsort(-score[peaks])][:5]:
                found.append((float(score[peak]), i, k, int(lags[peak])))
    found.sort(reverse=True)
    return [entry[1:] for entry in found[:_CANDIDATES]]


def _everywhere(pair: _Pair, reach: int) -> list[tuple[int, int, int]]:
    """The longest overlaps at evenly spread lags."""
    a, b = pair.a, pair.b
    overlap = np.array(
        [[min(a.last(i), b.last(k)) - max(a.first[i], b.first[k]) for k in range(len(b))] for i in range(len(a))]
    )
    lags = range(-reach, reach + 1, _SPREAD_STEPS)
    longest = np.argsort(-overlap, axis=None)[: max(1, _BRUTE // len(lags))]
    pairs = [divmod(int(place), len(b)) for place in longest if overlap.flat[place] > 0]
    return [(i, k, lag) for lag in lags for i, k in pairs]


def _pose_of(
    E: Float64[np.ndarray, "3 3"], first: Float64[np.ndarray, "N 2"], second: Float64[np.ndarray, "N 2"]
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    """Of the four poses of an essential matrix the one that has most points before both cameras."""
    one, two, t = cv2.decomposeEssentialMat(E)
    t = t[:, 0] / np.linalg.norm(t)
    a, b = np.column_stack([first, np.ones(len(first))]), np.column_stack([second, np.ones(len(second))])
    best = (-1, one, t)
    for R in (one, two):
        ray = a @ R.T
        for direction in (t, -t):
            # z_b b = z_a R a + t in least squares, for the two depths of every match.
            aa, bb, ab = (ray**2).sum(axis=1), (b**2).sum(axis=1), (ray * b).sum(axis=1)
            ta, tb = ray @ direction, b @ direction
            det = aa * bb - ab**2
            z_a, z_b = (-ta * bb + tb * ab) / det, (tb * aa - ta * ab) / det
            count = int(((z_a > 0) & (z_b > 0) & (det > 0)).sum())
            if count > best[0]:
                best = (count, R, direction)
    return best[1], best[2]
