"""Notices a camera that was knocked: from one second to the next it would have to be turned to agree with the others.

Every second each camera is asked by how much it alone would have to turn (turns.py). No rig is perfect, so the answer
is never nothing, and it wanders as people walk about; only a change is a knock. A camera was knocked when for two
seconds, one after the other, it has been off from its own usual turn, alike in both, by far more than it ever was,
and when its turn explains what the other cameras are off, too. That takes three others.

It is left out if it turned by more than the cameras of this calibration are off anyway; where they are all off by as
much, going without a camera costs more than it helps, and the calibration itself is what is to be mended. Or what it
sees is turned back by what was found, and no camera is missing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Rig
from multiview.cameras.observations import PackedRig, Rays, pack
from multiview.cameras.rotate import turned_back
from multiview.data import Tracks, Views
from multiview.selfcalib.rotation_equations import Turns, turns

__all__ = ["KnockDetector"]

LOOKS_HZ = 5.0
LOOKS = 5  # make a judgement
JOINTS = 40  # seen by a camera in that time, for it to be judged
FIRST = 4  # judgements that say how a camera usually is
MEMORY = 120  # judgements that are remembered, spread over the whole session
TURN_RAD = math.radians(0.2)  # smaller turns do little harm
FAR_MORE = 2.0  # times as far as it has wandered
MOSTLY = 0.9  # of the time
REST = 0.5  # of the turn, at most, is left for another camera
ALIKE = 0.5  # of the turn, at most, may two seconds differ by
NARROW_RAD = math.radians(1.0)  # people who fill less of the picture tell nothing of a turn about the line of sight
JUDGES = 3
WORTH = 2.0  # times what cameras are off anyway: a smaller turn costs less than going without the camera
POOR_RAD = math.radians(0.3)  # off by so much, half of the cameras: five pixels at a focal length of 1000


class KnockDetector:
    """Looks at every tick given to it.

    `knocked` are the cameras to be left out, with how far they turned (rad), `turned` those that are used on: they
    turned by no more than the calibration is off anyway, or are turned back, by `turns` (rotation vectors, rad).
    `off_rad` is how far the calibration is off, the median over the cameras (0 while unknown).
    """

    def __init__(self, rig: Rig, rate_hz: float, turn_back: bool = False) -> None:
        """With `turn_back` what a knocked camera sees is turned back, and none is left out."""
        self.knocked: dict[int, float] = {}
        self.turned: dict[int, float] = {}
        self.turns: dict[int, Float64[np.ndarray, " 3"]] = {}
        self._turn_back = turn_back
        self.off_rad = 0.0
        self._rig, self._cameras = PackedRig.of(rig), rig.cameras
        self._every = max(1, round(rate_hz / LOOKS_HZ))
        self._ticks = self._looks = 0
        self._sums: Turns | None = None
        self._alive = np.zeros(len(rig), dtype=np.int64)
        # What is usual depends on which cameras there are: each such set has its own past.
        self._past: dict[bytes, list[Turns]] = {}
        self._suspicion: tuple[int, Float64[np.ndarray, " 3"], Turns] | None = None

    @property
    def poor(self) -> bool:
        """Whether the cameras contradict each other, knocked or not: the calibration is poor, or another rig's."""
        return self.off_rad > POOR_RAD

    def heeded(self, views: Views) -> Views:
        """The views without cameras that were knocked, or with what they see turned back."""
        if not self.knocked and not self.turns:
            return views
        kept = [None if c in self.knocked else seen for c, seen in enumerate(views.keypoints)]
        for c, turn in self.turns.items():
            seen = kept[c]
            kept[c] = None if seen is None else turned_back(seen, self._cameras[c], turn)
        return replace(views, keypoints=tuple(kept))

    def warm_up(self) -> None:
        """Compile or load the kernels."""
        nothing = Views(0, 0, (None,) * len(self._rig.R))
        rays = pack(nothing, self._rig, 1, np.ones((1, 2)), np.array([0.0, 1.0]))
        turns(np.empty((0, 1, 3)), np.empty((0, 1), dtype=bool), rays, self._rig)

    def look(self, rays: Rays, tracks: Tracks) -> None:
        """Take in one tick: all that the cameras saw, and where people are."""
        self._ticks += 1
        if self._ticks % self._every or not tracks.tracks or not len(rays.info):
            return  # for some ticks people go on without anyone seeing them
        xyz = np.stack([track.pose.xyz for track in tracks.tracks])
        known = np.stack([(track.pose.score > 0) & ~track.pose.filled for track in tracks.tracks])
        seen = turns(xyz, known, rays, self._rig)
        self._sums = seen if self._sums is None else self._sums.plus(seen)
        self._alive += rays.alive
        self._looks += 1
        if self._looks == LOOKS:
            self._judge(self._sums, (2 * self._alive > LOOKS).tobytes())
            self._sums, self._looks = None, 0
            self._alive[:] = 0

    def forgive(self, index: int) -> None:
        """Someone has seen to this camera: it is used again, and judged by how it was before."""
        self.knocked.pop(index, None)
        self.turned.pop(index, None)
        self.turns.pop(index, None)

    def _judge(self, now: Turns, alive: bytes) -> None:
        past = self._past.setdefault(alive, [])
        suspect = self._suspect(now, past)
        before, self._suspicion = self._suspicion, None
        if suspect is None:
            past.extend([*([before[2]] if before else []), now])
            if len(past) > MEMORY:
                del past[1::2]
            return
        index, off = suspect
        moved = _shift(off, now, index)
        if before and before[0] == index and _shift(off - before[1], now, index) < ALIKE * moved:
            if self._turn_back:
                self.turns[index] = self.turns.get(index, np.zeros(3)) + (off + before[1]) / 2
                self.turned[index] = float(np.linalg.norm(self.turns[index]))
            elif moved > WORTH * self.off_rad:
                self.knocked[index] = moved
            else:
                self.turned[index] = moved
                self._past.clear()  # from now on this is how it usually is
            return
        if before:
            past.append(before[2])
        self._suspicion = (index, off, now)

    def _suspect(self, now: Turns, past: list[Turns]) -> tuple[int, Float64[np.ndarray, " 3"]] | None:
        """The one camera whose turn explains what has changed, and the turn."""
        known = np.array([judgement.joints >= JOINTS for judgement in [*past, now]])
        able = np.flatnonzero((known[:-1].sum(axis=0) >= FIRST) & known[-1]).tolist()
        if len(able) < 2:
            return None
        total = reduce(Turns.plus, past)
        usual = _own_turns(total)
        self.off_rad = float(np.median([_shift(usual[c], total, c) for c in able]))
        if len(able) <= JUDGES:
            return None
        off = _own_turns(now) - usual
        explained = [off[c] @ _own(now)[c] @ off[c] for c in able]
        worst = able[int(np.argmax(explained))]
        moved = _shift(off[worst], now, worst)
        wandered = [_shift(_own_turns(b)[worst] - usual[worst], b, worst) for b in past if b.joints[worst] >= JOINTS]
        if moved < max(TURN_RAD, FAR_MORE * float(np.quantile(wandered, MOSTLY, method="higher"))):
            return None
        for c in set(able) - {worst}:
            dragged = np.linalg.solve(_own(now)[c], now.H[c, worst] @ off[worst])
            if _shift(off[c] - dragged, now, c) > REST * moved:
                return None
        return worst, off[worst]


def _own(sums: Turns) -> Float64[np.ndarray, "C 3 3"]:
    """Each camera's own block, held where little is seen of a turn."""
    cameras = np.arange(len(sums.g))
    hold = np.maximum(sums.weight, 1.0) * NARROW_RAD**2
    return sums.H[cameras, cameras] + hold[:, None, None] * np.eye(3)


def _own_turns(sums: Turns) -> Float64[np.ndarray, "C 3"]:
    """How much each camera alone would turn."""
    return np.linalg.solve(_own(sums), sums.g[..., None])[..., 0]


def _shift(turn: Float64[np.ndarray, " 3"], sums: Turns, camera: int) -> float:
    """How far a turn shifts what a camera saw, rad (root mean square)."""
    return math.sqrt(turn @ sums.alone[camera] @ turn / sums.weight[camera])
