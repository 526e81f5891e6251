"""Fusion: from what all cameras see at one instant to everyone in the room. The one composition of its stages.

    undistort -> assign -> graph -> repair -> triangulate -> fit -> track

The pipeline is causal and its only memory is who is there: the same views give the same tracks, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.assign import claim_kernels, repair_kernels
from multiview.associate import epipolar_graph
from multiview.camera import Rig
from multiview.data import NS_PER_S, Keypoints2D, Pose3D, Track, Tracks, Views
from multiview.fit import birth_kernels, noise_kernels, output_kernels, person_kernels, point_kernels
from multiview.fit.body import Body
from multiview.fit.noise import SCORES, SIZES, PixelNoise
from multiview.geometry.lane_kernels import padded
from multiview.rays import PackedRig, Rays, pack
from multiview.skeleton import Skeleton
from multiview.track import Identity, Tracker
from multiview.track import Options as TrackOptions
from multiview.volume import Volume

__all__ = ["STAGES", "Options", "Pipeline", "Present", "Sighted"]

STAGES = ("undistort", "assign", "graph", "repair", "triangulate", "fit", "track")
LONGEST_STEP_S = 0.5  # after a longer pause everyone is where they were, with this much uncertainty


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fusion's settings; the defaults serve every rig."""

    sigma_px: float = 5.0
    """px. Noise of a 2D joint before the pipeline has learned it from the rig."""
    gate: float = 4.5
    """Standard deviations beyond which a 2D joint is an outlier."""
    agility: float = 1.0
    """m^2/s^3. Power of the random acceleration of the torso; limbs have more."""
    independent: bool = False
    """Treat every frame on its own: no memory, people numbered inside the frame."""
    associate: epipolar_graph.Options = epipolar_graph.Options()
    """How detections of nobody known are grouped."""
    track: TrackOptions = TrackOptions()
    """When a person is believed in."""
    volume: Volume = Volume()
    """Where people may appear, and how many."""


class Present(NamedTuple):
    """Someone whom the last step placed; not yet `published` while too little speaks for them."""

    slot: int
    who: Identity
    pose: Pose3D
    published: bool


class Sighted(NamedTuple):
    """Which rays the last step's people rest on: table[n, c, j] is the row of `rays` for slots[n], -1 for none."""

    rays: Rays
    slots: Int64[np.ndarray, " P"]
    table: Int64[np.ndarray, "P C J"]


class Pipeline:
    """Fuses the views of one rig; `stage_ns` holds the times of the last step's stages, `present` its people,
    `sighted` the rays that they rest on.
    """

    def __init__(self, rig: Rig, skeleton: Skeleton, options: Options = Options()) -> None:  # noqa: B008  (frozen)
        self.rig, self.skeleton, self.options = rig, skeleton, options
        self.packed = PackedRig.of(rig)
        self.body = Body.of(skeleton)
        self.associate = epipolar_graph.EpipolarGraph(self.body, options.associate)
        self.noise = PixelNoise(options.sigma_px, self.body.noise)
        self.agility = options.agility * _liveliness(self.body)
        self.stage_ns = dict.fromkeys(STAGES, 0)
        self.steps = 0
        self.reset()

    def reset(self) -> None:
        """Forget everyone; what was learned of the rig's noise stays."""
        track = self.options.track
        if self.options.independent:
            track = msgspec.structs.replace(track, two_view_frames=1)
        self.tracker = Tracker(self.body, track, self.options.volume)
        self.last_ns: int | None = None
        self.present: list[Present] = []
        self.sighted: Sighted | None = None
        self.last = np.full((0, len(self.rig), len(self.skeleton.joints), 2), np.nan)

    def step(self, views: Views) -> Tracks:
        """Everyone at the views' tick. Ticks must come in order of time."""
        if self.options.independent:
            self.reset()
        marks = [time.perf_counter_ns()]

        def mark() -> None:
            marks.append(time.perf_counter_ns())

        rays = pack(views, self.packed, len(self.skeleton.joints), self.noise.variance, SCORES)
        mark()
        slots, dt = self._active(views.time_ns)
        expected, near, chi2, claims = self._assign(rays, slots, dt)
        mark()
        groups = self._graph(rays, claims)
        mark()
        newborn = self.tracker.reserve(len(groups))
        for slot in newborn.tolist():
            self.tracker.people.begin(slot, self.agility)
        slots = np.concatenate([slots, newborn])
        claims = np.concatenate([claims, groups])
        table = self._repair(rays, claims, expected, near, chi2)
        self._size(rays, slots[: len(slots) - len(newborn)], table, views)
        mark()
        xyz, H, used = self._triangulate(rays, slots, table)
        mark()
        keep = self._place(rays, slots, len(slots) - len(newborn), xyz, H, used, table)
        if not keep.all():
            slots, table, xyz, H, used = slots[keep], table[keep], xyz[keep], H[keep], used[keep]
        self._fit(rays, slots, dt, table, xyz, H, used)
        mark()
        self._track(rays, slots, views.time_ns, table, expected)
        published = [Track(one.who.number, one.pose) for one in self.present if one.published]
        published.sort(key=lambda track: track.person)
        tracks = Tracks(views.tick, views.time_ns, tuple(published), views.utc_ns)
        mark()
        self.sighted = Sighted(rays, slots, table)
        self.stage_ns = {stage: b - a for stage, (a, b) in zip(STAGES, pairwise(marks), strict=True)}
        return tracks

    def warm_up(self) -> None:
        """Compile or load every kernel, so that the first frame is not the slow one."""
        twin = Pipeline(self.rig, self.skeleton, self.options)
        for views in self.rehearsal(3):
            twin.step(views)

    def rehearsal(self, ticks: int) -> Iterator[Views]:
        """Someone who stands before the cameras: what kernels are tried on before there is anyone."""
        joints = len(self.skeleton.joints)
        standing = np.where(np.isnan(self.body.standing), 1.0, self.body.standing)
        centre, ahead = self.packed.centre.mean(axis=0), self.packed.R[:, 2].mean(axis=0)
        people = standing + centre + 3.0 * ahead
        seen = tuple(Keypoints2D(c.project(people)[None], np.full((1, joints), 0.9)) for c in self.rig.cameras)
        for tick in range(ticks):
            yield Views(tick, tick * 40_000_000, seen)

    def _active(self, time_ns: int) -> tuple[Int64[np.ndarray, " P"], Float64[np.ndarray, " P"]]:
        """Slots of those who may be seen, and the seconds since the last step."""
        self.tracker.forget(time_ns)
        slots = self.tracker.active()
        passed = 0.0 if self.last_ns is None else (time_ns - self.last_ns) / NS_PER_S
        self.last_ns = time_ns
        return slots, np.full(len(slots), min(passed, LONGEST_STEP_S))

    def _assign(
        self, rays: Rays, slots: np.ndarray, dt: np.ndarray
    ) -> tuple[
        Float64[np.ndarray, "P C 5 W"], Bool[np.ndarray, "P D"], Float64[np.ndarray, "P D W"], Int64[np.ndarray, "P C"]
    ]:
        people, (detections, joints), cameras = len(slots), rays.score.shape, len(self.packed.R)
        wide = padded(joints)
        expected, near = np.empty((people, cameras, 5, wide)), np.empty((people, detections), np.bool_)
        chi2, claims = np.empty((people, detections, wide)), np.empty((people, cameras), np.int64)
        if people:
            state, gate = self.tracker.people.state, self.options.gate**2
            claim_kernels.claim_people(
                slots, dt, state, self.packed, rays, self.body.core, gate, expected, near, chi2, claims
            )
        return expected, near, chi2, claims

    def _graph(self, rays: Rays, claims: np.ndarray) -> Int64[np.ndarray, "G C"]:
        free = np.ones(len(rays.camera), dtype=bool)
        free[claims[claims >= 0]] = False
        return self.associate(rays, self.packed, np.flatnonzero(free))

    def _repair(
        self, rays: Rays, claims: np.ndarray, expected: np.ndarray, near: np.ndarray, chi2: np.ndarray
    ) -> Int64[np.ndarray, "P C J"]:
        table = np.empty((*claims.shape, len(self.skeleton.joints)), dtype=np.int64)
        gate = self.options.gate**2
        repair_kernels.repair(claims, self.body.pairs, expected, near, chi2, rays, gate, table)
        return table

    def _size(self, rays: Rays, slots: np.ndarray, table: np.ndarray, views: Views) -> None:
        """Large people are found less exactly, in pixels; a detector that knows its noise knows that."""
        if len(slots) and all(seen is None or seen.cov is None for seen in views.keypoints):
            state, noise = self.tracker.people.state, self.noise
            noise_kernels.scale_by_size(slots, table, state, self.body.torso, rays, self.packed, SIZES, noise.size)

    def _triangulate(
        self, rays: Rays, slots: np.ndarray, table: np.ndarray
    ) -> tuple[Float64[np.ndarray, "P J 3"], Float64[np.ndarray, "P J 6"], Int64[np.ndarray, "P J"]]:
        people, joints = len(slots), len(self.skeleton.joints)
        xyz, H, used = (
            np.empty((people, joints, 3)),
            np.empty((people, joints, 6)),
            np.empty((people, joints), np.int64),
        )
        if people:
            state, gate = self.tracker.people.state, self.options.gate**2
            point_kernels.triangulate_people(slots, table, rays, self.packed, gate, state, xyz, H, used)
        return xyz, H, used

    def _place(
        self,
        rays: Rays,
        slots: np.ndarray,
        tracked: int,
        xyz: np.ndarray,
        H: np.ndarray,
        used: np.ndarray,
        table: np.ndarray,
    ) -> Bool[np.ndarray, " P"]:
        """Stand newborns up; those with too few joints are refused."""
        keep = np.ones(len(slots), dtype=bool)
        for n in range(tracked, len(slots)):
            gate = self.options.gate**2
            size = birth_kernels.choose_rays(table[n], rays, self.packed, self.body, gate, xyz[n], H[n], used[n])
            measured = used[n] >= 2
            if measured[self.body.core].sum() < self.options.track.person_joints:
                keep[n] = False
                continue
            self.tracker.people.place(int(slots[n]), xyz[n], measured, size)
        return keep

    def _fit(
        self,
        rays: Rays,
        slots: np.ndarray,
        dt: np.ndarray,
        table: np.ndarray,
        xyz: np.ndarray,
        H: np.ndarray,
        used: np.ndarray,
    ) -> None:
        if not len(slots):
            return
        state, dt = self.tracker.people.state, np.concatenate([dt, np.zeros(len(slots) - len(dt))])
        gate, persistence = self.options.gate**2, self.noise.persistence
        person_kernels.fit_people(
            slots, dt, table, rays, self.packed, self.body, self.agility, gate, persistence, state, xyz, H, used
        )
        if not self.options.independent:
            sums, sizes, products = np.zeros((*self.noise.variance.shape, 2)), np.zeros((len(SIZES), 2)), np.zeros(2)
            last = self._last_residuals()
            noise_kernels.residuals(
                slots,
                table,
                rays,
                self.packed,
                SCORES,
                state,
                self.body.torso,
                used,
                last,
                sums,
                sizes,
                SIZES,
                products,
            )
            self.noise.learn(sums, sizes, products)

    def _last_residuals(self) -> Float64[np.ndarray, "M C J 2"]:
        if len(self.last) < self.tracker.people.slots:
            more = (self.tracker.people.slots - len(self.last), *self.last.shape[1:])
            self.last = np.concatenate([self.last, np.full(more, np.nan)])
        return self.last

    def _track(self, rays: Rays, slots: np.ndarray, time_ns: int, table: np.ndarray, expected: np.ndarray) -> None:
        """Decide who is there and who is published, and put that into `present`."""
        people, _, joints = table.shape
        support, should = np.zeros(people, np.int64), np.zeros(people, np.int64)
        xyz, cov = np.empty((people, joints, 3)), np.empty((people, joints, 3, 3))
        score, views = np.empty((people, joints)), np.empty((people, joints), np.int64)
        filled = np.empty((people, joints), np.bool_)
        if people:
            state = self.tracker.people.state
            output_kernels.supporting_views(table, expected, self.body, self.packed, rays, support, should)
            output_kernels.output(slots, table, rays, state, xyz, cov, score, views, filled)
        self.present = []
        for n, (slot, seeing, due) in enumerate(zip(slots.tolist(), support.tolist(), should.tolist(), strict=True)):
            if n < len(expected):
                publish = self.tracker.seen(slot, time_ns, seeing, due)
            else:
                publish = seeing >= 2 and self.tracker.born(slot, time_ns, seeing)
            if slot in self.tracker.identities:
                pose = Pose3D(xyz[n], cov[n], score[n], views[n], filled[n])
                self.present.append(Present(slot, self.tracker.identities[slot], pose, publish))


def _liveliness(body: Body) -> Float64[np.ndarray, " J"]:
    """How much more random acceleration a joint has the further out on a limb it is."""
    depth = np.zeros(len(body.parent))
    for j in body.order:
        if body.parent[j] >= 0:
            depth[j] = depth[body.parent[j]] + (body.length[j] > 0.2)
    return 2.0 ** np.clip(depth - 1, 0, 2)
