"""Fusion: from what all cameras see at one instant to everyone in the room. The one composition of its stages.

    undistort -> assign -> graph -> repair -> triangulate -> fit -> track

The pipeline is causal and its only memory is who is there: the same views give the same tracks, bit for bit.

Its gates and priors are those of people. Animals and objects are fused in a unit of length in which they are as large
as an adult: pictures do not change when cameras and what they see shrink together. The unit of time shrinks with the
root of it, as animals of all sizes move alike at equal Froude numbers (Alexander and Jayes 1983, A dynamic similarity
hypothesis for the gaits of quadrupedal mammals).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

import msgspec
import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.capture_volume import Volume
from multiview.cameras.observations import PackedRig, TrackObservations, stack_detections
from multiview.common.ranges import above
from multiview.data import NS_PER_S, Keypoints2D, Pose3D, TimeNs, Track, Tracks, Views
from multiview.fusion import stage_kernels as kernels
from multiview.fusion.association import make_associator
from multiview.fusion.finger_limits import FingerLimits
from multiview.fusion.hand_sides import HandSides
from multiview.fusion.planted_feet import PlantedFeet
from multiview.fusion.state.body_model import ADULT_M, Body
from multiview.fusion.state.measurement_noise import PixelNoise
from multiview.fusion.tracker import Identity, Tracker, TrackerOptions
from multiview.fusion.workspace import FusionArrays, Workspace
from multiview.geometry.struct_kernels import as_struct

__all__ = ["STAGES", "Pipeline", "PipelineOptions", "TrackEstimate"]

STAGES = ("undistort", "assign", "graph", "repair", "triangulate", "fit", "track")
EXAMINED_EVERY = 3  # ticks
YOUNG_FRAMES = 30  # in which a track may turn out to have begun wrong
MAX_DETECTIONS = 128  # people in one camera's picture; more are false, or none of them can be told from the others
LONGEST_STEP_S = 0.5  # after a longer pause everyone is where they were, with this much uncertainty


class PipelineOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fusion's settings; the defaults serve every rig."""

    sigma_px: Annotated[float, above(0, 1000, "px")] = 5.0
    """px. Noise of a 2D joint before the pipeline has learned it from the rig."""
    gate: Annotated[float, above(0, 1000, "standard deviations")] = 4.5
    """Standard deviations beyond which a 2D joint is an outlier."""
    acceleration_psd: Annotated[float, above(0, 1e6, "m^2/s^3")] = 1.0
    """m^2/s^3. Power spectral density of the torso's random acceleration (process noise); limbs have more."""
    independent: bool = False
    """Treat every frame on its own: no memory, people numbered inside the frame."""
    associator: str = "epipolar_graph"
    """How detections of unknown people are grouped: a file of fusion/association, or "./my.py"."""
    associator_options: dict[str, Any] = {}
    """The associator's own options."""
    track: TrackerOptions = TrackerOptions()
    """When a track is initiated, published, held and ended."""
    volume: Volume = Volume()
    """Where new people may appear, and how many."""


class TrackEstimate(msgspec.Struct, frozen=True, eq=False):
    """A track's estimate at the last tick, published or not.

    Attributes:
        slot: Its row in the arrays of the state.
        who: Its identity.
        pose: Its joints.
        published: False while too few views have measured it.
    """

    slot: int
    who: Identity
    pose: Pose3D
    published: bool


class Pipeline:
    """Fuses the views of one rig, tick by tick; `estimates` has the last tick's tracks, also those not yet published.

    Args:
        rig: The cameras, in the order of every `Views.keypoints`.
        skeleton: Of the keypoints.
        options: Settings; the defaults serve every rig.
        contacts: Find feet that stand on the floor, and keep them still while they do.

    Raises:
        ConfigError: The associator, or an option of it, is unknown.
        ValueError: A camera has a tilted sensor, which fusion does not know.
    """

    def __init__(
        self,
        rig: Rig,
        skeleton: Skeleton,
        options: PipelineOptions = PipelineOptions(),  # noqa: B008  (frozen)
        contacts: bool = False,
    ) -> None:
        self.rig, self.skeleton, self.options = rig, skeleton, options
        self.unit_m = 1.0 if skeleton.size_m is None else skeleton.size_m / ADULT_M
        self.unit_s = self.unit_m**0.5
        self.packed = PackedRig.of(rig)
        self._own_rig = self.packed if self.unit_m == 1.0 else PackedRig.of(_in_units(rig, self.unit_m))
        self.body = Body.of(skeleton)
        self._hand_sides = HandSides.of(skeleton)
        self.fingers = FingerLimits(skeleton)
        find = contacts and not options.independent
        self.feet = PlantedFeet(skeleton, rig.world != "camera") if find else None
        self.associate = make_associator(options.associator, options.associator_options, self.body)
        self.noise = PixelNoise(options.sigma_px, self.body.noise)
        self.acceleration_psd = options.acceleration_psd * _liveliness(self.body)
        self.gate = options.gate**2
        self._min_joints = options.track.min_joints
        if skeleton.size_m is not None:  # animals and objects may have few joints: at least half of them
            self._min_joints = min(self._min_joints, max(2, (len(skeleton.joints) + 1) // 2))
        self.workspace = Workspace.empty(8, 8 * len(rig), len(rig), self.body)
        self._arrays: tuple[FusionArrays, Any] | None = None
        self._nobody = np.empty((0, len(rig)), np.int64)
        self.marks = [0] * (len(STAGES) + 1)
        self._crowded: set[str] = set()  # cameras with too many people, which has been said
        self.reset()

    def reset(self) -> None:
        """Forget everyone; what was learned of the rig's noise stays."""
        track = self.options.track
        if self.options.independent:
            track = msgspec.structs.replace(track, confirmation_frames=1)
        track = msgspec.structs.replace(track, max_walk_m_s=track.max_walk_m_s / self.unit_s)
        self.tracker = Tracker(self.body, track, _volume_in_units(self.options.volume, self.unit_m))
        self.last_ns: int | None = None
        if self.feet is not None:
            self.feet.reset()
        self.estimates: list[TrackEstimate] = []
        self._ticks = 0
        self.n_tracks = -1  # of the last step; -1 before it
        self._observations: TrackObservations | None = None
        self.last_residuals = np.full((0, len(self.rig), len(self.skeleton.joints), 2), np.nan)

    @property
    def arrays(self) -> Any:
        """`FusionArrays` as kernels take them, made anew whenever the workspace or the tracks grew."""
        work, people = self.workspace, self.tracker.people.state
        if self._arrays is None or self._arrays[0].workspace is not work or self._arrays[0].people is not people:
            arrays = FusionArrays.of(work, people, self._own_rig, self.body, self.noise.tables)
            self._arrays = arrays, as_struct(arrays)
        return self._arrays[1]

    def __getstate__(self) -> dict[str, Any]:
        """A copy has arrays, and so a struct, of its own."""
        return {**self.__dict__, "_arrays": None}

    @property
    def autocorrelation(self) -> float:
        """Of a joint's error from frame to frame, as learned."""
        return float(self.noise.tables.error_autocorrelation[0])

    @property
    def stage_ns(self) -> dict[str, int]:
        """Times of the last step's stages."""
        return {stage: b - a for stage, (a, b) in zip(STAGES, pairwise(self.marks), strict=True)}

    @property
    def last_observations(self) -> TrackObservations | None:
        """The rays of the last step and the tracks that they were assigned to; None before there was one."""
        if self._observations is None and self.n_tracks >= 0:
            work, people = self.workspace, self.n_tracks
            rays = work.rays.of_detections(int(work.rays.first[-1]))
            slots = work.slots[:people].copy()
            xyz = self.tracker.people.state.pos[slots] * self.unit_m
            self._observations = TrackObservations(rays, slots, work.table[:people].copy(), xyz)
        return self._observations

    def _bounded(self, views: Views) -> Views:
        """The views, with the best `MAX_DETECTIONS` people where a camera claims more: work grows with the square."""
        if all(seen is None or seen.people <= MAX_DETECTIONS for seen in views.keypoints):
            return views
        for camera, seen in zip(self.rig.names, views.keypoints, strict=True):
            if seen is not None and seen.people > MAX_DETECTIONS and camera not in self._crowded:
                self._crowded.add(camera)
                logging.warning(
                    "%s: %d people in one picture; only the best %d are used", camera, seen.people, MAX_DETECTIONS
                )
        return replace(
            views, keypoints=tuple(None if seen is None else seen.best(MAX_DETECTIONS) for seen in views.keypoints)
        )

    def step(self, views: Views) -> Tracks:
        """Fuse one tick.

        Args:
            views: What every camera saw; ticks must come in order of time.

        Returns:
            Everyone who is published, by ascending number.
        """
        if self.options.independent:
            self.reset()
        views = self._bounded(views)
        clock = time.perf_counter_ns
        start = clock()
        sized = self._undistort(views)
        undistorted = clock()
        slots, dt = self._active(views.time_ns)
        tracked, free = len(slots), self._assign(slots, dt)
        assigned = clock()
        groups = self._graph(free, views.time_ns)
        grouped = clock()
        slots = self._begin(slots, groups)
        kernels.repair(self.arrays, len(slots), tracked, self.gate, sized)
        repaired = clock()
        kernels.triangulate(self.arrays, len(slots), self.gate)
        triangulated = clock()
        if len(slots) > tracked:
            slots = self._place(slots, tracked)
        self._fit(len(slots), tracked, dt)
        self._reexamine(slots, tracked)
        fitted = clock()
        tracks = self._track(slots, tracked, dt, views)
        self.n_tracks, self._observations = len(slots), None
        self.marks = [start, undistorted, assigned, grouped, repaired, triangulated, fitted, clock()]
        return tracks

    def warm_up(self) -> None:
        """Compile or load every kernel, so that the first frame is not the slow one."""
        twin = Pipeline(self.rig, self.skeleton, self.options, self.feet is not None)
        for views in self.warm_up_views(3):
            twin.step(views)

    def compile_last_stages(self) -> None:
        """Compile fit, output and initiation, in a second process beside one that warms up."""
        twin = Pipeline(self.rig, self.skeleton, self.options, self.feet is not None)
        twin._fit(0, 0, 0.0)
        twin._track([], 0, 0.0, Views(0, TimeNs(0), (None,) * len(self.rig)))
        kernels.select_hypotheses(twin.arrays, 0, twin.gate)
        kernels.reexamine(twin.arrays, 0, True, twin.gate)

    def warm_up_views(self, ticks: int) -> Iterator[Views]:
        """Views of one standing person, on which kernels are compiled before there is anyone.

        Args:
            ticks: How many.

        Yields:
            One view after the other, 40 ms apart.
        """
        joints = len(self.skeleton.joints)
        standing = np.where(np.isnan(self.body.rest_pose), 1.0, self.body.rest_pose)
        centre, ahead = self.packed.centre.mean(axis=0), self.packed.R[:, 2].mean(axis=0)
        people = centre + self.unit_m * (standing + 3.0 * ahead)
        seen = tuple(Keypoints2D(c.project(people)[None], np.full((1, joints), 0.9)) for c in self.rig.cameras)
        for tick in range(ticks):
            yield Views(tick, TimeNs(tick * 40_000_000), seen)

    def to_metres(self, xyz: Float64[np.ndarray, "... 3"], cov: Float64[np.ndarray, "... 3 3"]) -> None:
        """Positions and covariances in the unit of the pipeline become m and m^2, in place.

        Args:
            xyz: (..., 3) in the unit.
            cov: (..., 3, 3) in its square.
        """
        if self.unit_m != 1.0:
            xyz *= self.unit_m
            cov *= self.unit_m**2

    def _undistort(self, views: Views) -> bool:
        """Rays of all views; whether their noise is still to be told by people's size: a detector that knows, knows."""
        detections = stack_detections(views, len(self.skeleton.joints))
        if self._hand_sides is not None:
            self._hand_sides.put_right(detections)
        self._make_room(0, len(detections.xy))
        kernels.undistort(self.arrays, *detections)
        return not len(detections.cov)

    def _active(self, time_ns: int) -> tuple[list[int], float]:
        """Slots of those who may be seen, and the time since the last step, in the pipeline's unit."""
        self.tracker.delete_expired(time_ns)
        passed = 0.0 if self.last_ns is None else (time_ns - self.last_ns) / NS_PER_S
        self.last_ns = time_ns
        return self.tracker.active(), min(passed, LONGEST_STEP_S) / self.unit_s

    def _assign(self, slots: list[int], dt: float) -> Int64[np.ndarray, " F"]:
        """Everyone predicted, and their claims; the detections that are left."""
        tracked = len(slots)
        self._make_room(tracked, 0)
        self.workspace.slots[:tracked] = slots
        free = kernels.assign(self.arrays, tracked, dt, self.gate)
        return self.workspace.free[:free]

    def _make_room(self, people: int, detections: int) -> None:
        self.workspace = self.workspace.with_room(people, detections, self.body)

    def _graph(self, free: Int64[np.ndarray, " F"], time_ns: int) -> Int64[np.ndarray, "G C"]:
        if len(free) < 2 or not self.tracker.has_room(time_ns):
            return self._nobody
        return self.associate(self.workspace.rays, self._own_rig, free)

    def _begin(self, slots: list[int], groups: Int64[np.ndarray, "G C"]) -> list[int]:
        """Everyone's slots, with new ones for those who may be born."""
        if not len(groups):
            return slots
        newborn = self.tracker.reserve(len(groups))
        for slot in newborn:
            self.tracker.people.begin(slot, self.acceleration_psd)
        everyone, tracked = slots + newborn, len(slots)
        self._make_room(len(everyone), 0)
        self.workspace.slots[tracked : len(everyone)] = newborn
        self.workspace.association.assignment[tracked : len(everyone)] = groups
        return everyone

    def _place(self, slots: list[int], tracked: int) -> list[int]:
        """Stand newborns up; those with too few joints are refused. Who is left."""
        work, left = self.workspace, slots[:tracked]
        for n in range(tracked, len(slots)):
            size = kernels.select_hypotheses(self.arrays, n, self.gate)
            measured = work.used[n] >= 2
            if measured[self.body.matching_joints].sum() < self._min_joints:
                continue
            self._stand(n, slots[n], measured, size)
            for rows in (work.slots, work.table, work.xyz, work.H, work.used):
                rows[len(left)] = rows[n]
            left.append(slots[n])
        return left

    def _stand(self, n: int, slot: int, measured: Bool[np.ndarray, " J"], size: float) -> None:
        """Initialise the track in a slot with the points that are measured, and what is known of the others."""
        people = self.tracker.people
        people.initialise(slot, self.workspace.xyz[n], measured, size)
        kernels.place_limbs(self.arrays, n, size)
        people.predict_unmeasured(slot, measured)

    def _fit(self, people: int, tracked: int, dt: float) -> None:
        more = self.tracker.people.slots - len(self.last_residuals)
        if more:
            rows = np.full((more, *self.last_residuals.shape[1:]), np.nan)
            self.last_residuals = np.concatenate([self.last_residuals, rows])
        psd, last, learning = self.acceleration_psd, self.last_residuals, not self.options.independent
        kernels.fit(self.arrays, psd, last, people, tracked, dt, self.gate, learning)

    def _reexamine(self, slots: list[int], tracked: int) -> None:
        """One track every few ticks, in turn: was it initiated with left and right swapped in a view?"""
        self._ticks += 1
        if not tracked or self.options.independent or self._ticks % EXAMINED_EVERY:
            return
        n, work = self._ticks // EXAMINED_EVERY % tracked, self.workspace
        young = self.tracker.identities[slots[n]].hits < YOUNG_FRAMES
        size = kernels.reexamine(self.arrays, n, young, self.gate)
        measured = work.used[n] >= 2
        if size > 0.0 and measured[self.body.matching_joints].sum() >= self._min_joints:
            self.tracker.people.begin(slots[n], self.acceleration_psd)
            self._stand(n, slots[n], measured, size)
            self.tracker.people.trust(slots[n], measured, work.H[n])

    def _track(self, slots: list[int], tracked: int, dt: float, views: Views) -> Tracks:
        """Decide which tracks there are and which are published; fills `estimates`."""
        people, joints, time_ns = len(slots), len(self.skeleton.joints), views.time_ns
        xyz, cov = np.empty((people, joints, 3)), np.empty((people, joints, 3, 3))
        score, seen = np.empty((people, joints)), np.empty((people, joints), np.int64)
        filled = np.empty((people, joints), np.bool_)
        tracker, work = self.tracker, self.workspace
        kernels.write_output(self.arrays, people, tracked, xyz, cov, score, seen, filled)
        state = tracker.people.state
        self.fingers.constrain(work.slots[:people], state.length, state.length_variance, xyz, cov)
        contact: Any = [None] * people
        if self.feet is not None and people:
            contact = self.feet.stand(slots, tracker.identities, self.autocorrelation, dt, state, xyz, cov)
        self.to_metres(xyz, cov)
        support, due = work.support[:people].tolist(), work.due[:people].tolist()
        estimates: list[TrackEstimate] = []
        for n, slot in enumerate(slots):
            if n < tracked:
                refuted = support[n] == 0 and int((work.association.assignment[n] >= 0).sum()) >= 2
                publish = tracker.update(slot, time_ns, support[n], due[n], refuted)
            else:
                publish = support[n] >= 2 and tracker.initiate(slot, time_ns, support[n])
            if who := tracker.identities.get(slot):
                pose = Pose3D(xyz[n], cov[n], score[n], seen[n], filled[n], contact[n])
                estimates.append(TrackEstimate(slot, who, pose, publish))
        # A track may have ended since: it went on in another slot.
        self.estimates = [one for one in estimates if one.slot in tracker.identities]
        published = sorted((Track(one.who.number, one.pose) for one in self.estimates if one.published), key=_person)
        return Tracks(views.tick, time_ns, tuple(published), views.utc_ns)


def _person(track: Track) -> int:
    return track.person


def _in_units(rig: Rig, unit_m: float) -> Rig:
    """The rig in another unit of length."""
    return replace(rig, cameras=tuple(replace(camera, t=camera.t / unit_m) for camera in rig.cameras))


def _volume_in_units(volume: Volume, unit_m: float) -> Volume:
    low, high = ((x / unit_m, y / unit_m, z / unit_m) for x, y, z in (volume.min, volume.max))
    return Volume(low, high, volume.max_people)


def _liveliness(body: Body) -> Float64[np.ndarray, " J"]:
    """How much more random acceleration a joint has the further out on a limb it is."""
    depth = np.zeros(len(body.parent))
    for j in body.order:
        if body.parent[j] >= 0:
            depth[j] = depth[body.parent[j]] + (body.length[j] > 0.2)
    return 2.0 ** np.clip(depth - 1, 0, 2)
