"""Cameras whose stamps are late or early by a constant, found from the people who move before them.

A driver that stamps a frame when it arrives, or an exposure nobody knows of, shifts a camera in time: it sees everyone
where they were a moment before. Against the other cameras that is an error along each joint's way, in proportion to its
speed, and a regression of the one on the other gives the shift. Beside it each camera has a constant error of its
picture, so that a camera which was turned a little is not taken for a late one.

The noise of keypoints persists from frame to frame, and so do the mistakes of a detector: uncertainty is therefore
taken from how much stretches of two seconds contradict each other (the sandwich of White 1980, by clusters: Liang and
Zeger 1986), never from the number of frames.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.observations import Rays
from multiview.data import NS_PER_S
from multiview.fusion.pipeline import Pipeline
from multiview.selfcalib import time_offset_kernels as kernels

__all__ = ["Latency", "LatencyWatch"]

LOOKS_HZ = 30.0
SPAN_S = 0.067  # to either side, over which velocity is taken
BLOCK_NS = 2 * NS_PER_S
MEMORY = 60  # stretches
FEWEST = 5  # stretches, below which nothing is said
FASTEST_M_S = 12.0
WORTH_S = 0.004  # a smaller shift does no harm: 6 mm at a walk
SURE = 4.0  # deviations
KNOWN_S = 0.1
AGREE = 0.5  # of the whole, that each half of the time must find by itself
SHIFT_SD_S, PICTURE_SD = 1.0, 0.02  # before anything is known: s, and rad of a constant error of the picture


class Latency(NamedTuple):
    """What is to be added to one camera's stamps (s; negative: it is late), how sure that is, and what either half of
    the time says alone."""

    offset_s: float
    sigma_s: float
    halves_s: tuple[float, float]

    @property
    def confirmed(self) -> bool:
        """Large enough to matter, many times its uncertainty, and found by both halves."""
        size, sign = abs(self.offset_s), np.sign(self.offset_s)
        return bool(size > max(WORTH_S, SURE * self.sigma_s) and min(sign * h for h in self.halves_s) > AGREE * size)

    @property
    def known(self) -> bool:
        """Whether anyone moved before this camera and others."""
        return self.sigma_s < KNOWN_S

    def after(self, corrected_s: float) -> Latency:
        """The whole offset, if so much of it had been corrected already."""
        first, second = self.halves_s
        return Latency(self.offset_s + corrected_s, self.sigma_s, (first + corrected_s, second + corrected_s))


class _Look(NamedTuple):
    time_ns: int
    people: Int64[np.ndarray, " P"]
    xyz: Float64[np.ndarray, "P J 3"]
    table: Int64[np.ndarray, "P C J"]
    rays: Rays


class _Block:
    """The normal equations of one stretch of time."""

    def __init__(self, cameras: int, number: int) -> None:
        self.number = number
        self.H, self.g = np.zeros((3 * cameras, 3 * cameras)), np.zeros(3 * cameras)


class LatencyWatch:
    """Looks over the pipeline's shoulder; `latencies` says what it has found."""

    def __init__(self, pipeline: Pipeline, rate_hz: float, memory: int = MEMORY) -> None:
        self._pipeline, self._cameras = pipeline, len(pipeline.rig)
        self._every = max(1, round(rate_hz / LOOKS_HZ))
        self._side = max(1, round(SPAN_S * rate_hz / self._every))
        self._looks: deque[_Look] = deque(maxlen=2 * self._side + 1)
        self._blocks: deque[_Block] = deque(maxlen=memory)
        self._ticks = 0
        self._believed = np.zeros(self._cameras)

    def look(self, time_ns: int) -> None:
        """After every step of the pipeline, with the tick's time."""
        self._ticks += 1
        if self._ticks % self._every:
            return
        if self._looks and not 0 < time_ns - self._looks[-1].time_ns < NS_PER_S:
            self._looks.clear()
        sighted = self._pipeline.sighted
        if sighted is None or not len(sighted.slots):
            self._looks.clear()
            return
        xyz = self._pipeline.tracker.people.state.pos[sighted.slots].copy()
        kernels.raw_points(sighted.table, sighted.rays, self._pipeline.packed, xyz)
        table = _with_strays(sighted.table, sighted.rays)
        self._looks.append(_Look(time_ns, sighted.slots, xyz, table, sighted.rays))
        if len(self._looks) == self._looks.maxlen:
            self._add(self._looks[0], self._looks[self._side], self._looks[-1])

    def latencies(self) -> list[Latency] | None:
        """Of each camera, against the camera in the middle; None while there is too little to say."""
        blocks = list(self._blocks)
        if len(blocks) < FEWEST:
            return None
        offset, sigma = self._solve(blocks)
        self._believed = np.where(sigma < KNOWN_S, offset, 0.0)
        halves = [self._solve(half)[0] for half in (blocks[: len(blocks) // 2], blocks[len(blocks) // 2 :])]
        return [
            Latency(float(o), float(s), (float(first), float(second)))
            for o, s, first, second in zip(offset, sigma, *halves, strict=True)
        ]

    def warm_up(self) -> None:
        """Compile or load the kernels, so that no frame has to wait for them."""
        twin = Pipeline(self._pipeline.rig, self._pipeline.skeleton, self._pipeline.options)
        watch = LatencyWatch(twin, LOOKS_HZ)
        for views in twin.rehearsal(2 * watch._side + 1):
            twin.step(views)
            watch.look(views.time_ns)

    def restart(self) -> None:
        """Something was changed: what was learned is void."""
        self._looks.clear()
        self._blocks.clear()
        self._believed[:] = 0.0

    def _add(self, before: _Look, now: _Look, after: _Look) -> None:
        velocity = np.full_like(now.xyz, np.nan)
        seconds = (after.time_ns - before.time_ns) / NS_PER_S
        where = [{int(person): row for row, person in enumerate(look.people)} for look in (before, after)]
        for n, person in enumerate(now.people.tolist()):
            if person in where[0] and person in where[1]:
                velocity[n] = (after.xyz[where[1][person]] - before.xyz[where[0][person]]) / seconds
        velocity[np.linalg.norm(velocity, axis=-1) > FASTEST_M_S] = np.nan
        number = now.time_ns // BLOCK_NS
        if not self._blocks or self._blocks[-1].number != number:
            self._blocks.append(_Block(self._cameras, number))
        block = self._blocks[-1]
        rig = self._pipeline.packed
        kernels.accumulate(now.table, now.rays, rig, now.xyz, velocity, self._believed, block.H, block.g)

    def _solve(self, blocks: list[_Block]) -> tuple[Float64[np.ndarray, " C"], Float64[np.ndarray, " C"]]:
        """Shifts against the median camera, and standard deviations against the mean of the others (s), which are large
        for a camera that saw nobody move."""
        prior = np.tile(1.0 / np.array([SHIFT_SD_S, PICTURE_SD, PICTURE_SD]) ** 2, self._cameras)
        H = np.diag(prior) + np.sum([block.H for block in blocks], axis=0)
        inverse = np.linalg.inv(H)
        solution = inverse @ np.sum([block.g for block in blocks], axis=0)
        rest = np.stack([block.g - block.H @ solution for block in blocks])
        many = len(blocks) / max(len(blocks) - 1, 1)
        spread = inverse @ (many * rest.T @ rest) @ inverse
        shift = solution[::3]
        among = np.eye(self._cameras) - (1 - np.eye(self._cameras)) / max(self._cameras - 1, 1)
        model, found = (np.diag(among @ m[::3, ::3] @ among.T) for m in (inverse, spread))
        sigma = np.sqrt(np.maximum(model, found))
        known = sigma < KNOWN_S
        # Only differences between cameras can be seen; that most are right is the best guess at which are.
        return shift - (np.median(shift[known]) if known.any() else 0.0), sigma


def _with_strays(table: Int64[np.ndarray, "P C J"], rays: Rays) -> Int64[np.ndarray, "P C J"]:
    """The table with the joints that were refused as too far off: those of a late camera often are."""
    joints = table.shape[2]
    detection = table.max(axis=2, keepdims=True, initial=-1) // joints
    own = np.where(detection >= 0, detection * joints + np.arange(joints), -1)
    there = (own >= 0) & (rays.info.reshape(-1, 3)[own, 0] > 0) if len(rays.info) else own >= 0
    return np.where((table < 0) & there, own, table)
