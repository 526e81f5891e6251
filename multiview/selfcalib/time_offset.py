"""Estimates the constant time offset of each camera's stamps from the people who move in front of the cameras.

A driver that stamps a frame on arrival, or an unknown exposure time, shifts a camera in time: it observes everyone
where they were a moment before. Against the other cameras this is an error along each joint's path, in proportion to
its speed, and a regression of the error on the velocity gives the offset. Each camera also gets a constant image shift
as an unknown, so that a camera that was rotated a little is not mistaken for a late one.

The noise of keypoints is correlated from frame to frame, and so are the mistakes of a detector: the uncertainty is
therefore taken from how much blocks of two seconds contradict each other (the sandwich of White 1980, by clusters:
Liang and Zeger 1986), never from the number of frames.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.camera import Rig
from multiview.cameras.observations import PackedRig, Rays, TrackObservations
from multiview.data import NS_PER_S
from multiview.selfcalib import time_offset_kernels as kernels

__all__ = ["MIN_OFFSET_S", "TimeOffset", "TimeOffsetEstimator"]

SAMPLE_HZ = 30.0
HALF_SPAN_S = 0.067  # to either side, over which velocity is taken
BLOCK_NS = 2 * NS_PER_S
MAX_BLOCKS = 60
MIN_BLOCKS = 5
MAX_SPEED_M_S = 12.0
MIN_OFFSET_S = 0.004  # a smaller offset does no harm: 6 mm at a walk
MIN_Z_SCORE = 4.0  # if it were known exactly; of few blocks Student's t asks for more
MAX_SIGMA_S = 0.1  # an offset less certain than this is unknown
MIN_HALF_SHARE = 0.5  # of the whole, that each half of the time must find by itself
OFFSET_PRIOR_SD_S, IMAGE_SHIFT_PRIOR_SD = 1.0, 0.02  # s; rad


class TimeOffset(NamedTuple):
    """What has to be added to one camera's stamps (s; negative: it is late), its standard deviation, the estimate of
    either half of the time alone, and the number of blocks that the deviation is taken from."""

    offset_s: float
    sigma_s: float
    halves_s: tuple[float, float]
    blocks: int = MAX_BLOCKS

    @property
    def confirmed(self) -> bool:
        """Large enough to matter, many times its uncertainty, and found by both halves."""
        return self.exceeds(MIN_Z_SCORE)

    def exceeds(self, z_score: float) -> bool:
        """Whether it is as far from 0 as a Gaussian with known deviation is at `z_score`, and found by both halves.

        Args:
            z_score: In standard deviations; a deviation from few blocks is itself uncertain, and asks for more.

        Returns:
            True beyond that.

        References:
            Wallace 1959, Bounds on normal approximations to Student's and the chi-square distributions.
        """
        freedom = max(self.blocks - 1, 1)
        z = z_score * (8 * freedom + 3) / (8 * freedom + 1)
        t = math.sqrt(freedom * math.expm1(z * z / freedom))
        size, sign = abs(self.offset_s), np.sign(self.offset_s)
        significant = size > max(MIN_OFFSET_S, t * self.sigma_s)
        return bool(significant and min(sign * half for half in self.halves_s) > MIN_HALF_SHARE * size)

    @property
    def known(self) -> bool:
        """Whether anyone moved in view of this camera and others."""
        return self.sigma_s < MAX_SIGMA_S

    def plus(self, applied_s: float) -> TimeOffset:
        """The whole offset, if so much of it had been applied to the stamps already."""
        first, second = self.halves_s
        halves = (first + applied_s, second + applied_s)
        return TimeOffset(self.offset_s + applied_s, self.sigma_s, halves, self.blocks)


class _Sample(NamedTuple):
    time_ns: int
    slots: Int64[np.ndarray, " P"]
    xyz: Float64[np.ndarray, "P J 3"]
    table: Int64[np.ndarray, "P C J"]
    rays: Rays


class _Block:
    """The normal equations of one block of time."""

    def __init__(self, cameras: int, number: int) -> None:
        self.number = number
        self.H, self.g = np.zeros((3 * cameras, 3 * cameras)), np.zeros(3 * cameras)


class TimeOffsetEstimator:
    """Estimates each camera's time offset from the pipeline's observations."""

    def __init__(self, rig: Rig, rate_hz: float, max_blocks: int = MAX_BLOCKS) -> None:
        self._rig, self._cameras = PackedRig.of(rig), len(rig)
        self._every = max(1, round(rate_hz / SAMPLE_HZ))
        self._half_span = max(1, round(HALF_SPAN_S * rate_hz / self._every))
        self._samples: deque[_Sample] = deque(maxlen=2 * self._half_span + 1)
        self._blocks: deque[_Block] = deque(maxlen=max_blocks)
        self._ticks = 0
        self._estimate = np.zeros(self._cameras)

    def update(self, time_ns: int, observations: TrackObservations | None) -> None:
        """Take in one tick: its time and the pipeline's observations (None before there were any)."""
        self._ticks += 1
        if self._ticks % self._every:
            return
        if self._samples and not 0 < time_ns - self._samples[-1].time_ns < NS_PER_S:
            self._samples.clear()
        if observations is None or not len(observations.slots):
            self._samples.clear()
            return
        rays, table, xyz = observations.rays, observations.table, observations.xyz.copy()
        kernels.triangulate_unpredicted(table, rays, self._rig, xyz)
        self._samples.append(_Sample(time_ns, observations.slots, xyz, _with_rejected(table, rays), rays))
        if len(self._samples) == self._samples.maxlen:
            self._accumulate(self._samples[0], self._samples[self._half_span], self._samples[-1])

    def time_offsets(self, applied_s: Float64[np.ndarray, " C"] | None = None) -> list[TimeOffset] | None:
        """Of each camera, relative to the median camera; None while there are too few blocks.

        `applied_s` was added to the stamps before: then these are the whole offsets.
        """
        blocks = list(self._blocks)
        if len(blocks) < MIN_BLOCKS:
            return None
        applied = np.zeros(self._cameras) if applied_s is None else applied_s
        offset, sigma = self._solve(blocks, applied)
        if applied_s is None:
            self._estimate = np.where(sigma < MAX_SIGMA_S, offset, 0.0)
        halves = [self._solve(half, applied)[0] for half in (blocks[: len(blocks) // 2], blocks[len(blocks) // 2 :])]
        return [
            TimeOffset(float(o), float(s), (float(first), float(second)), len(blocks))
            for o, s, first, second in zip(offset, sigma, *halves, strict=True)
        ]

    def warm_up(self) -> None:
        """Compile or load the kernels, so that no frame has to wait for them."""
        rays, table = Rays.empty(0, self._cameras, 1), np.empty((0, self._cameras, 1), dtype=np.int64)
        xyz, block = np.empty((0, 1, 3)), _Block(self._cameras, 0)
        kernels.triangulate_unpredicted(table, rays, self._rig, xyz)
        kernels.accumulate(table, rays, self._rig, xyz, xyz, self._estimate, block.H, block.g)

    def reset(self) -> None:
        """Discard everything that was learned, because stamps were corrected."""
        self._samples.clear()
        self._blocks.clear()
        self._estimate[:] = 0.0

    def _accumulate(self, before: _Sample, now: _Sample, after: _Sample) -> None:
        velocity = np.full_like(now.xyz, np.nan)
        seconds = (after.time_ns - before.time_ns) / NS_PER_S
        rows = [{int(slot): row for row, slot in enumerate(sample.slots)} for sample in (before, after)]
        for n, slot in enumerate(now.slots.tolist()):
            if slot in rows[0] and slot in rows[1]:
                velocity[n] = (after.xyz[rows[1][slot]] - before.xyz[rows[0][slot]]) / seconds
        velocity[np.linalg.norm(velocity, axis=-1) > MAX_SPEED_M_S] = np.nan
        number = now.time_ns // BLOCK_NS
        if not self._blocks or self._blocks[-1].number != number:
            self._blocks.append(_Block(self._cameras, number))
        block = self._blocks[-1]
        kernels.accumulate(now.table, now.rays, self._rig, now.xyz, velocity, self._estimate, block.H, block.g)

    def _solve(
        self, blocks: list[_Block], applied: Float64[np.ndarray, " C"]
    ) -> tuple[Float64[np.ndarray, " C"], Float64[np.ndarray, " C"]]:
        """Whole offsets (s) relative to the median camera, and their standard deviations: relative to that camera, and
        no smaller than relative to the mean of the others; large for a camera that saw nobody move."""
        prior = np.tile(
            1.0 / np.array([OFFSET_PRIOR_SD_S, IMAGE_SHIFT_PRIOR_SD, IMAGE_SHIFT_PRIOR_SD]) ** 2, self._cameras
        )
        H = np.diag(prior) + np.sum([block.H for block in blocks], axis=0)
        inverse = np.linalg.inv(H)
        solution = inverse @ np.sum([block.g for block in blocks], axis=0)
        score = np.stack([block.g - block.H @ solution for block in blocks])
        correction = len(blocks) / max(len(blocks) - 1, 1)
        sandwich = inverse @ (correction * score.T @ score) @ inverse
        offset, one = solution[::3] + applied, np.eye(self._cameras)

        def deviation(contrast: Float64[np.ndarray, "C C"]) -> Float64[np.ndarray, " C"]:
            model, clustered = (np.diag(contrast @ cov[::3, ::3] @ contrast.T) for cov in (inverse, sandwich))
            return np.asarray(np.sqrt(np.maximum(model, clustered)))

        sigma = deviation(one - (1 - one) / max(self._cameras - 1, 1))
        known = np.flatnonzero(sigma < MAX_SIGMA_S)
        if not len(known):
            return offset, sigma
        # Only differences between cameras are observable; that most cameras are right is the best assumption. The
        # median camera's own error is in the offsets of all others.
        rising = known[np.argsort(offset[known], kind="stable")]
        median = one[rising[[(len(known) - 1) // 2, len(known) // 2]]].mean(axis=0)
        return offset - median @ offset, np.maximum(sigma, deviation(one - median))


def _with_rejected(table: Int64[np.ndarray, "P C J"], rays: Rays) -> Int64[np.ndarray, "P C J"]:
    """The table with the joints that were rejected as outliers: those of a late camera often are."""
    joints = table.shape[2]
    detection = table.max(axis=2, keepdims=True, initial=-1) // joints
    own = np.where(detection >= 0, detection * joints + np.arange(joints), -1)
    measured = (own >= 0) & (rays.info.reshape(-1, 3)[own, 0] > 0) if len(rays.info) else own >= 0
    return np.where((table < 0) & measured, own, table)
