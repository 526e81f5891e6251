"""Fixed-lag smoothing: frames that follow correct the estimates of earlier ones.

`Smoothed` runs a pipeline and returns its output in blocks, each joint smoothed with at least `lag` later frames. With
a lag of two seconds the result is that of smoothing the whole take, in memory that does not depend on its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from multiview.data import NS_PER_S, Pose3D, Track, Tracks, Views
from multiview.fusion.estimation import rts_kernels
from multiview.fusion.pipeline import Pipeline, TrackEstimate
from multiview.fusion.planted_feet import StandingFeet
from multiview.fusion.tracker import Identity

__all__ = ["WHOLE_TAKE_S", "Smoothed"]

WHOLE_TAKE_S = 2.0  # a lag after which nothing changes any more


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """One step's output, its tracks (also those not yet published), and the state of each joint's filter."""

    tracks: Tracks
    estimates: list[TrackEstimate]
    packed: Float64[np.ndarray, "P J S"]
    measured: Float64[np.ndarray, "P F 9"]
    bones: Float64[np.ndarray, "2 P E"]
    autocorrelation: float


class Smoothed:
    """A pipeline whose output comes later and better: each joint is smoothed with frames that follow.

    Args:
        pipeline: Is stepped along.
        lag: Frames that follow, at least, before a tick is given out.
        block: Ticks that are given out together.

    References:
        Rauch, Tung and Striebel 1965, Maximum likelihood estimates of linear dynamic systems.
    """

    def __init__(self, pipeline: Pipeline, lag: int, block: int = 1) -> None:
        self.pipeline, self.lag, self.block = pipeline, lag, block
        self.frames: list[_Frame] = []
        self._feet = pipeline.feet
        self._standing = dict[Identity, StandingFeet]()

    def step(self, views: Views) -> list[Tracks]:
        """Take in one tick.

        Args:
            views: At the tick.

        Returns:
            The ticks that are ready, oldest first.
        """
        tracks = self.pipeline.step(views)
        estimates = self.pipeline.estimates
        slots = np.array([one.slot for one in estimates], dtype=np.int64)
        packed = np.empty((len(slots), len(self.pipeline.skeleton.joints), rts_kernels.SIZE))
        rts_kernels.pack(slots, self.pipeline.tracker.people.state, packed)
        measured = np.empty((len(slots), 0, 9))
        if self._feet is not None:
            state, joints = self.pipeline.tracker.people.state, self._feet.joints
            parts = (state.measurement, state.measurement_cov)
            measured = np.concatenate([part[slots[:, None], joints] for part in parts], axis=-1)
        state = self.pipeline.tracker.people.state
        bones = np.stack([state.length[slots], state.length_variance[slots]])
        self.frames.append(_Frame(tracks, estimates, packed, measured, bones, self.pipeline.autocorrelation))
        if len(self.frames) < self.lag + self.block:
            return []
        return self._emit(self.block)

    def finish(self) -> list[Tracks]:
        """End the recording.

        Returns:
            The ticks that are left, oldest first.
        """
        return self._emit(len(self.frames))

    def _emit(self, count: int) -> list[Tracks]:
        found: list[list[Track]] = [[] for _ in range(count)]
        chains = self._chains()
        self._standing = {who: feet for who, feet in self._standing.items() if who in chains}
        for who, rows in chains.items():
            if who.number == 0 or rows[0][0] >= count:
                continue
            packed = np.stack([self.frames[k].packed[n] for k, n in rows])
            times = np.array([self.frames[k].tracks.time_ns for k, _ in rows])
            dt = np.diff(times, prepend=times[0]) / NS_PER_S / self.pipeline.unit_s
            xyz, cov = np.empty((*packed.shape[:2], 3)), np.empty((*packed.shape[:2], 3, 3))
            rts_kernels.smooth(packed, dt, xyz, cov)
            k, n = rows[-1]  # by then the bones are known best
            length, variance = self.frames[k].bones[:, n, None]
            self.pipeline.fingers.constrain(np.zeros(len(rows), np.int64), length, variance, xyz, cov)
            contact = self._stand(who, rows, packed, xyz, cov, count)
            self.pipeline.to_metres(xyz, cov)
            for i, (k, n) in enumerate(rows):
                if k >= count:
                    break
                one = self.frames[k].estimates[n]
                # A track that is confirmed later was there before.
                if one.published or who.confirmed_ns > self.frames[k].tracks.time_ns:
                    pose = one.pose
                    found[k].append(
                        Track(who.number, Pose3D(xyz[i], cov[i], pose.score, pose.views, pose.filled, contact[i]))
                    )
        done, self.frames = self.frames[:count], self.frames[count:]
        return [
            Tracks(f.tracks.tick, f.tracks.time_ns, tuple(sorted(tracks, key=lambda t: t.person)), f.tracks.utc_ns)
            for f, tracks in zip(done, found, strict=True)
        ]

    def _stand(
        self,
        who: Identity,
        rows: list[tuple[int, int]],
        packed: np.ndarray,
        xyz: np.ndarray,
        cov: np.ndarray,
        count: int,
    ) -> Any:
        """The person's feet are put where they stand; the contacts of each row."""
        if self._feet is None:
            return [None] * len(rows)
        if who not in self._standing:
            self._standing[who] = StandingFeet(self._feet.joints)
        frames = [self.frames[k] for k, _ in rows]
        return self._standing[who].smooth(
            packed,
            np.stack([frame.measured[n] for frame, (_, n) in zip(frames, rows, strict=True)]),
            np.array([frame.tracks.time_ns for frame in frames]),
            np.array([frame.autocorrelation for frame in frames]),
            self._feet.up,
            sum(k < count for k, _ in rows),
            xyz,
            cov,
        )

    def _chains(self) -> dict[Identity, list[tuple[int, int]]]:
        """For each person in each slot the (frame, row) where they are, in order; who returned begins anew."""
        chains: dict[Identity, list[tuple[int, int]]] = {}
        for k, frame in enumerate(self.frames):
            for n, one in enumerate(frame.estimates):
                chains.setdefault(one.who, []).append((k, n))
        return chains
