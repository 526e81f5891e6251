"""Notices a camera that was knocked: what it sees moves, as a whole, away from where the others place everyone.

A turn of the camera shifts its whole picture, noise does not. The median offset between what a camera sees and the
reprojection of the fused poses is a sample, ten times a second; a camera whose samples of the last second and a half
have moved by more than a fifth of a degree from what they were at first, and by far more than any other camera's,
and stay so for most of a second, was knocked.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from jaxtyping import Float64

from multiview.camera import Rig
from multiview.data import Keypoints2D, Tracks, Views

__all__ = ["KnockDetector"]

LOOKS_HZ = 10.0
FIRST = 20  # samples that say how a camera was at first
RECENT = 15
LASTING = 8  # looks
TURN_RAD = math.radians(0.2)
FAR_MORE = 1.6  # times the move of the camera that moved second most
SAME_SHAPE = 2.5  # joints of one person are off alike, within so many times that; another person's are not


class _Offsets:
    """One camera's samples, px."""

    def __init__(self) -> None:
        self.first: list[Float64[np.ndarray, " 2"]] = []
        self.recent: deque[Float64[np.ndarray, " 2"]] = deque(maxlen=RECENT)

    def add(self, sample: Float64[np.ndarray, " 2"]) -> None:
        if len(self.first) < FIRST:
            self.first.append(sample)
        else:
            self.recent.append(sample)

    def moved_px(self) -> float:
        """How far the recent samples' median is from the first ones'; 0 while there are too few."""
        if len(self.recent) < RECENT:
            return 0.0
        return float(np.linalg.norm(np.median(self.recent, axis=0) - np.median(self.first, axis=0)))


class KnockDetector:
    """Looks at every tick given to it; `knocked` are the cameras to be left out, with how far they moved (px)."""

    def __init__(self, rig: Rig, rate_hz: float) -> None:
        self.knocked: dict[int, float] = {}
        self._rig = rig
        self._every = max(1, round(rate_hz / LOOKS_HZ))
        self._offsets = [_Offsets() for _ in rig.cameras]
        self._suspected: list[int] = []
        self._ticks = 0

    def look(self, views: Views, tracks: Tracks) -> None:
        """Compare what the cameras see with where the people are; at least three other cameras make a judgement."""
        self._ticks += 1
        if self._ticks % self._every or not tracks.tracks:
            return
        for index, keypoints in enumerate(views.keypoints):
            if keypoints is not None and keypoints.people and index not in self.knocked:
                self._sample(index, keypoints, tracks)
        moved = [0.0 if index in self.knocked else o.moved_px() for index, o in enumerate(self._offsets)]
        worst, *others = sorted(range(len(moved)), key=lambda index: -moved[index])
        camera = self._rig.cameras[worst]
        judges = sum(index not in self.knocked for index in others)
        limit = TURN_RAD * float(camera.K[0, 0])
        suspect = judges >= 3 and moved[worst] > limit and moved[worst] > FAR_MORE * moved[others[0]]
        self._suspected = [*self._suspected, worst][-LASTING:] if suspect else []
        if self._suspected == [worst] * LASTING:
            self.knocked[worst] = moved[worst]
            for o in self._offsets:  # the others were dragged along a little: they are judged anew
                o.recent.clear()

    def forgive(self, index: int) -> None:
        """Someone has seen to this camera: it is judged anew."""
        self.knocked.pop(index, None)
        self._offsets[index] = _Offsets()

    def _sample(self, index: int, keypoints: Keypoints2D, tracks: Tracks) -> None:
        """The median over people of each one's offset; only of detections that have the shape of the person."""
        camera, samples = self._rig.cameras[index], []
        spread = TURN_RAD * float(camera.K[0, 0]) * SAME_SHAPE
        for track in tracks.tracks:
            measured = (track.pose.score > 0) & ~track.pose.filled
            off = keypoints.xy - np.where(measured[:, None], camera.project(track.pose.xyz), np.nan)
            for row in off[np.isfinite(off[..., 0]).sum(axis=1) >= 6]:
                row = row[np.isfinite(row[:, 0])]
                middle = np.median(row, axis=0)
                if np.median(np.linalg.norm(row - middle, axis=1)) < spread:
                    samples.append(middle)
        if samples:
            self._offsets[index].add(np.asarray(np.median(samples, axis=0)))
