"""Time offsets of cameras by exhaustive search: the epipolar residual of every pair of cameras against a lag.

Needs no first guess and no 3D, so it finds cameras that were started a second apart, also when none is in step and when
there are only two. It finds them to within a frame or so; `time_offset.py` refines them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.camera import Rig
from multiview.data import Keypoints2D, Views
from multiview.selfcalib import time_offset_scan_kernels as kernels

__all__ = ["TimeOffsetScan", "scan_time_offsets"]

MAX_TICKS = 240  # at which cameras are compared
MAX_GAP_M = 0.30  # rays that pass further apart belong to different joints, however much further
MIN_TICKS = 10  # that two cameras must share
MAX_ROUNDS = 20


@dataclass(frozen=True, slots=True, eq=False)
class TimeOffsetScan:
    """`residual[a, b, reach + k]` m: the distance between the rays of cameras a and b if b is taken k ticks later; NaN
    where they share too little. `half_residual[h]`: the same from every other tenth of the time alone.
    """

    step_s: float
    residual: Float64[np.ndarray, "C C K"]
    half_residual: Float64[np.ndarray, "2 C C K"]

    @property
    def reach(self) -> int:
        return self.residual.shape[-1] // 2

    def lags_s(self) -> Float64[np.ndarray, " K"]:
        """The lags tried, s."""
        return np.arange(-self.reach, self.reach + 1) * self.step_s

    def offsets(self) -> Int64[np.ndarray, " C"]:
        """What to add to each camera's stamps, in ticks, so that the sum of all residuals is smallest.

        A greedy start (the pair of most contrast first, each next camera where it fits those before it), then
        coordinate descent until none changes. The median camera stays at 0.
        """
        cameras = len(self.residual)
        known = np.nan_to_num(self.residual, nan=MAX_GAP_M)
        contrast = np.median(known, axis=-1) - known.min(axis=-1)
        a, b = np.unravel_index(int(contrast.argmax()), contrast.shape)
        assigned = {int(a): 0}
        while len(assigned) < cameras:
            rest = [c for c in range(cameras) if c not in assigned]
            if int(b) in rest:
                chosen = int(b)
            else:
                chosen = max(rest, key=lambda c: float(sum(contrast[c, other] for other in assigned)))
            assigned[chosen] = self._best(chosen, assigned)
        for _ in range(MAX_ROUNDS):
            before = dict(assigned)
            for c in range(cameras):
                assigned[c] = self._best(c, {other: at for other, at in assigned.items() if other != c})
            if assigned == before:
                break
        offsets = np.array([assigned[c] for c in range(cameras)])
        return offsets - int(np.sort(offsets)[(cameras - 1) // 2])

    def curve(self, camera: int, offsets: Int64[np.ndarray, " C"], half: int | None = None) -> np.ndarray:
        """Mean residual (m) of one camera to the others against what is added to its stamps (`lags_s`), with `offsets`
        added to those of the others; NaN where a lag was not tried with all of them."""
        residual = self.residual if half is None else self.half_residual[half]
        others = [c for c in range(len(residual)) if c != camera and np.isfinite(residual[camera, c]).any()]
        curves = [self._shifted(residual[other, camera], int(offsets[other])) for other in others]
        return np.asarray(np.mean(curves, axis=0)) if curves else np.full(residual.shape[-1], np.nan)

    def _shifted(self, row: Float64[np.ndarray, " K"], other: int) -> Float64[np.ndarray, " K"]:
        """As a function of what is added to the second camera's stamps, the first one's having `other` added."""
        # In step: stamp_b + add_b = stamp_a + other, so b is taken at a's tick + other - add_b.
        place = other - np.arange(-self.reach, self.reach + 1) + self.reach
        inside = (place >= 0) & (place < len(row))
        return np.where(inside, row[np.clip(place, 0, len(row) - 1)], np.nan)

    def _best(self, camera: int, assigned: dict[int, int]) -> int:
        """The offset of one camera that fits the others best: the smallest sum; a lag not tried has the largest gap."""
        total = np.zeros(2 * self.reach + 1)
        for other, at in assigned.items():
            row = self.residual[other, camera]
            if np.isfinite(row).any():
                total += np.where(np.isnan(shifted := self._shifted(row, at)), MAX_GAP_M, shifted)
        if not total.any():
            return 0
        best = np.flatnonzero(total <= total.min() + 1e-12)
        return int(best[np.abs(best - self.reach).argmin()]) - self.reach


class _CameraRays:
    """One camera's rays, tick by tick."""

    def __init__(self, rig: Rig, camera: int, detected: list[Keypoints2D | None], joints: int) -> None:
        people = [0 if keypoints is None else keypoints.people for keypoints in detected]
        self.first = np.concatenate([[0], np.cumsum(people)])
        xy = [keypoints.xy for keypoints in detected if keypoints is not None and keypoints.people]
        self.centre = rig.cameras[camera].centre
        self.ray = rig.cameras[camera].rays(np.concatenate(xy)) if xy else np.empty((0, joints, 3))


def scan_time_offsets(rig: Rig, views: list[Views], step_s: float, max_offset_s: float) -> TimeOffsetScan:
    """Residuals of all pairs over lags up to `max_offset_s` either way; `views` are `step_s` apart."""
    cameras, reach = len(rig), max(1, round(max_offset_s / step_s))
    joints = max((k.xy.shape[1] for view in views for k in view.keypoints if k is not None), default=1)
    rays = [_CameraRays(rig, c, [view.keypoints[c] for view in views], joints) for c in range(cameras)]
    ticks = np.unique(np.linspace(0, len(views) - 1, MAX_TICKS).astype(np.int64))
    half_residual = np.full((2, cameras, cameras, 2 * reach + 1), np.nan)
    residual = np.full((cameras, cameras, 2 * reach + 1), np.nan)
    half = (np.arange(len(ticks)) * 10 // max(len(ticks), 1)) % 2
    for a, b in combinations(range(cameras), 2):
        for one, other in ((a, b), (b, a)):
            gaps = np.empty((len(ticks), 2 * reach + 1))
            p, q = rays[one], rays[other]
            kernels.pair_residuals(p.centre, p.ray, p.first, q.centre, q.ray, q.first, ticks, reach, MAX_GAP_M, gaps)
            residual[one, other] = _mean(gaps)
            for h in (0, 1):
                half_residual[h, one, other] = _mean(gaps[half == h])
    return TimeOffsetScan(step_s, residual, half_residual)


def _mean(gaps: Float64[np.ndarray, "N K"]) -> Float64[np.ndarray, " K"]:
    """Over the ticks at which there was something to compare; NaN where these are too few."""
    count = np.isfinite(gaps).sum(axis=0)
    total = np.where(np.isfinite(gaps), gaps, 0.0).sum(axis=0)
    return np.asarray(np.where(count >= min(MIN_TICKS, len(gaps)), total / np.maximum(count, 1), np.nan))
