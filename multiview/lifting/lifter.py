"""One camera's stream of 2D poses in, people in the room out: `Pipeline` for a studio with a single camera.

In every frame detections are matched to the people of the last one, each person's window is lifted, the height that the
floor tells is remembered, and the person is placed by it. Who is new, held, recognised or gone is for the tracker of
fusion to say. A recording is gone through once like that, and then lifted again, each instant with the frames after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import UNPLACED, Rig
from multiview.cameras.observations import PackedRig, TrackObservations
from multiview.data import NS_PER_S, Keypoints2D, Pose3D, TimeNs, Track, Tracks, Views
from multiview.errors import ConfigError
from multiview.fusion.pipeline import PipelineOptions, TrackEstimate
from multiview.fusion.state.body_model import Body
from multiview.fusion.tracker import Tracker
from multiview.lifting.network import NETWORKS, Shape, load_network
from multiview.lifting.placement import ADULT, HeightEstimate, height_by_floor, known_height, place
from multiview.lifting.sightings import LONGEST_GAP_S, Sightings
from multiview.lifting.skeleton_joints import SkeletonJoints
from multiview.lifting.windows import BEFORE, STEP_S, Windows, view_windows
from multiview.timing.interpolate import match_people

__all__ = ["Lifter", "lift_views"]

_LEAST_JOINTS = 3  # of a person who is lifted; somebody new shows as many as a track takes
_PART = 512  # instants that are lifted together
_WINDOW_S = BEFORE * STEP_S
_CAMERA_UP = np.array(
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]
)  # where only the camera is known, it is level
_UNSEEN_SCORE = 0.1  # of joints without a keypoint, as fusion's
_TWO_VIEWS = 2  # what a person counts for who was lifted, with the tracker of several cameras


class _Seen(NamedTuple):
    """A detection: rays of all K joints of the skeleton, world, z up, and those that there are."""

    rays: Float64[np.ndarray, "K 3"]
    known: Bool[np.ndarray, " K"]
    score: Float64[np.ndarray, " K"]


class Lifter:
    """Lifts the people of one camera, tick by tick; `estimates` has the last tick's tracks, also those unpublished.

    Args:
        rig: With one camera. Where its world has no upright, the camera is taken to be level.
        skeleton: Of the keypoints: people's.
        options: Of the tracks and the volume; nothing else of them concerns one camera.
        height_m: Of everyone, m; 0 where it is not known: then the floor tells it, or they are adults.
        floor: Whether people stand on z = 0, where the rig's world is upright.
        network: One of `NETWORKS`, or a file with weights.

    Raises:
        ConfigError: The rig has more cameras, or no place for its own; or the skeleton is an animal's.
    """

    def __init__(
        self,
        rig: Rig,
        skeleton: Skeleton,
        options: PipelineOptions = PipelineOptions(),  # noqa: B008  (frozen)
        height_m: float = 0.0,
        floor: bool = True,
        network: str = NETWORKS[0],
    ) -> None:
        if len(rig) != 1 or rig.world == UNPLACED:
            raise ConfigError("lifting takes a rig with one camera that is calibrated")
        self.rig, self.skeleton, self.options = rig, skeleton, options
        self.height = known_height(height_m) if height_m else ADULT
        upright = rig.world != "camera"
        self.floor = floor and upright
        self.body = Body.of(skeleton)
        self._bones = np.flatnonzero((self.body.ends >= 0).all(axis=1) & (self.body.length > 0))
        self.unit_m = self.unit_s = 1.0
        self._joints = SkeletonJoints.of_skeleton(skeleton)
        self._up = np.eye(3) if upright else _CAMERA_UP @ rig.cameras[0].R
        self._centre = self._up @ rig.cameras[0].centre
        self._network = load_network(network)
        self.stage_ns: dict[str, int] = {}  # there are none
        self.packed = PackedRig.of(rig)
        self.last_observations: TrackObservations | None = None  # of several cameras only
        self.reset()

    def reset(self) -> None:
        """Forget everyone."""
        self.tracker = Tracker(self.body, self.options.track, self.options.volume)
        self.estimates: list[TrackEstimate] = []
        self.seen: dict[int, _Seen] = {}  # the last tick's detections, by the slots of their people
        self._last_keypoints: dict[int, Keypoints2D] = {}
        self._sightings: dict[int, Sightings] = {}
        self.heights: dict[int, HeightEstimate] = {}  # by the number of an identity

    def warm_up(self) -> None:
        """Nothing is compiled here."""

    def step(self, views: Views) -> Tracks:
        """Lift one tick.

        Args:
            views: What the camera saw; ticks must come in order of time.

        Returns:
            Everyone who is published, by ascending number.
        """
        self.tracker.delete_expired(views.time_ns)
        keypoints = self._usable(views.keypoints[0] or Keypoints2D.nobody(len(self.skeleton.joints)))
        assigned = self._assign(keypoints)
        rows = {slot: self._look(keypoints, row) for slot, row in assigned.items()}
        free = sorted(set(range(keypoints.people)) - set(assigned.values()))
        newborn = self._begin(keypoints, free)
        self.seen = rows | {slot: self._look(keypoints, row) for slot, row in newborn.items()}
        poses = {slot: self._lift(slot, seen, views.time_ns) for slot, seen in self.seen.items()}
        self.estimates = self._track(poses, newborn, views.time_ns)
        for slot, row in {**assigned, **newborn}.items():
            self._last_keypoints[slot] = _one(keypoints, row)
        published = [Track(one.who.number, one.pose) for one in self.estimates if one.published]
        published.sort(key=lambda track: track.person)
        return Tracks(views.tick, views.time_ns, tuple(published), views.utc_ns)

    def _usable(self, keypoints: Keypoints2D) -> Keypoints2D:
        """Those people of whom enough is seen to be lifted."""
        known = (keypoints.score > 0) & np.isfinite(keypoints.xy).all(axis=-1)
        enough = np.array([self._joints.lifted(one, False).sum() >= _LEAST_JOINTS for one in known], dtype=np.bool_)
        return Keypoints2D(keypoints.xy[enough], np.where(known, keypoints.score, 0.0)[enough])

    def _assign(self, keypoints: Keypoints2D) -> dict[int, int]:
        """The row of each person of the last ticks who is seen, by slot."""
        slots = self.tracker.active()
        if not slots or not keypoints.people:
            return {}
        before = [self._last_keypoints[slot] for slot in slots]
        last = Keypoints2D(np.concatenate([k.xy for k in before]), np.concatenate([k.score for k in before]))
        rows, found = match_people(last, keypoints)
        return {slots[int(n)]: int(row) for n, row in zip(rows, found, strict=True)}

    def _look(self, keypoints: Keypoints2D, row: int) -> _Seen:
        rays = self.rig.cameras[0].rays(keypoints.xy[row]) @ self._up.T
        known = (keypoints.score[row] > 0) & np.isfinite(rays).all(axis=-1)
        return _Seen(np.where(known[:, None], rays, 0.0), known, np.where(known, keypoints.score[row], 0.0))

    def _begin(self, keypoints: Keypoints2D, free: list[int]) -> dict[int, int]:
        """Slots of those who may be new, with their rows."""
        enough = [
            row
            for row in free
            if (self._joints.lifted(keypoints.score[row], 0.0) > 0).sum() >= self.options.track.min_joints
        ]
        slots = self.tracker.reserve(len(enough))
        for slot in slots:
            self.tracker.people.begin(slot, np.ones(len(self.skeleton.joints)))
            self._sightings[slot] = Sightings()
        return dict(zip(slots, enough, strict=True))

    def _lift(self, slot: int, seen: _Seen, time_ns: TimeNs) -> Pose3D:
        """One person at this tick, by this and earlier frames."""
        sightings, time_s = self._sightings[slot], time_ns / NS_PER_S
        passed = time_s - sightings.time_s[-1] if len(sightings) else STEP_S
        sightings.drop_before(time_s - _WINDOW_S - LONGEST_GAP_S)
        self._add(sightings, time_s, seen)
        who = self.tracker.identities.get(slot)
        number = who.number if who is not None else 0
        lifted = self._lifted(sightings, np.array([time_s]))
        height = self._measured(lifted, np.array([passed]), self.heights.get(number, self.height))
        if number:
            self.heights[number] = height
        return self._placed(lifted, [seen], height)[0]

    def _add(self, sightings: Sightings, time_s: float, seen: _Seen) -> None:
        sightings.add(time_s, self._joints.lifted(seen.rays, 0.0), self._joints.lifted(seen.known, False))

    def _lifted(self, sightings: Sightings, at_s: Float64[np.ndarray, " N"]) -> tuple[Windows, Shape]:
        windows = view_windows(*sightings.about(at_s))
        return windows, self._network(windows.inputs)

    def _measured(
        self, lifted: tuple[Windows, Shape], seconds: Float64[np.ndarray, " N"], height: HeightEstimate
    ) -> HeightEstimate:
        """The height after some instants of a person."""
        return height_by_floor(*lifted, float(self._centre[2]), seconds, height) if self.floor else height

    def _whole(self, number: int, story: _Story) -> list[Pose3D]:
        """A person at every tick that shows them, by all of these; in parts, so that memory stays small."""
        at_s = np.array(story.sightings.time_s)
        seconds = np.diff(at_s, prepend=at_s[0] - STEP_S)
        parts = [slice(n, n + _PART) for n in range(0, len(at_s), _PART)]
        lifted = [self._lifted(story.sightings, at_s[part]) for part in parts]
        height = self.height
        for part, one in zip(parts, lifted, strict=True):
            height = self._measured(one, seconds[part], height)
        self.heights[number] = height
        poses = (self._placed(one, story.seen[part], height) for part, one in zip(parts, lifted, strict=True))
        return [pose for part in poses for pose in part]

    def _placed(self, lifted: tuple[Windows, Shape], seen: list[_Seen], height: HeightEstimate) -> list[Pose3D]:
        """The poses at N instants, in the rig's world."""
        placed = place(*lifted, self._centre, height, self.floor)
        rays, known = np.stack([one.rays for one in seen]), np.stack([one.known for one in seen])
        xyz, cov = self._joints.spread(placed.xyz, placed.cov, rays, known, self._centre)
        xyz, cov = xyz @ self._up, self._up.T @ cov @ self._up
        poses = []
        for n, one in enumerate(seen):
            unknown = np.isnan(xyz[n]).any(axis=-1)
            score = np.where(unknown, 0.0, np.where(one.known, one.score, _UNSEEN_SCORE))
            poses.append(Pose3D(xyz[n], cov[n], score, one.known.astype(np.int64), ~one.known & ~unknown))
        return poses

    def _track(self, poses: dict[int, Pose3D], newborn: dict[int, int], time_ns: TimeNs) -> list[TrackEstimate]:
        """Who is new, goes on, or is not seen any more: the tracks that were seen."""
        published = {
            slot: self.tracker.update(slot, time_ns, 0, 1) for slot in self.tracker.active() if slot not in poses
        }
        for slot, pose in poses.items():
            self._remember(slot, pose, time_ns, slot in newborn)
            if slot in newborn:
                published[slot] = self.tracker.initiate(slot, time_ns, _TWO_VIEWS)
            else:
                published[slot] = self.tracker.update(slot, time_ns, _TWO_VIEWS, 1)
        # A track may have ended since: it went on in another slot.
        there = [(slot, self.tracker.identities[slot]) for slot in poses if slot in self.tracker.identities]
        return [TrackEstimate(slot, who, poses[slot], published[slot]) for slot, who in there]

    def _remember(self, slot: int, pose: Pose3D, time_ns: TimeNs, new: bool) -> None:
        """Place, speed and bones of a person as the tracker has them."""
        state = self.tracker.people.state
        here = np.where(np.isnan(pose.xyz), np.nanmean(pose.xyz, axis=0), pose.xyz)
        if not new and (who := self.tracker.identities.get(slot)) is not None and time_ns > who.observed_ns:
            state.vel[slot] = (here - state.pos[slot]) * NS_PER_S / (time_ns - who.observed_ns)
        state.pos[slot] = here
        state.has_estimate[slot] = np.isfinite(pose.xyz[:, 0])
        ends = here[self.body.ends[self._bones]]
        state.length[slot, self._bones] = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1)


def _one(keypoints: Keypoints2D, row: int) -> Keypoints2D:
    return Keypoints2D(keypoints.xy[row : row + 1], keypoints.score[row : row + 1])


@dataclass(slots=True)
class _Story:
    """All that is seen of one person: `ticks` are places in the list of the recording's ticks."""

    sightings: Sightings = field(default_factory=Sightings)
    seen: list[_Seen] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)


def lift_views(lifter: Lifter, views: Iterable[Views]) -> Iterator[Tracks]:
    """A recording, each instant lifted with the frames before and after it, each person as tall as all of them say.

    Args:
        lifter: Says who is who; a new one.
        views: In order of time.

    Yields:
        Everyone who is published, at each.
    """
    causal: list[Tracks] = []
    stories: dict[int, _Story] = {}
    for tick in views:
        tracks = lifter.step(tick)
        for one in lifter.estimates:
            if one.published:
                story = stories.setdefault(one.who.number, _Story())
                lifter._add(story.sightings, tick.time, lifter.seen[one.slot])
                story.seen.append(lifter.seen[one.slot])
                story.ticks.append(len(causal))
        causal.append(tracks)
    people: list[dict[int, Pose3D]] = [{} for _ in causal]
    for number, story in stories.items():
        for n, pose in zip(story.ticks, lifter._whole(number, story), strict=True):
            people[n][number] = pose
    for tracks, poses in zip(causal, people, strict=True):
        ordered = tuple(Track(number, poses[number]) for number in sorted(poses))
        yield Tracks(tracks.tick, tracks.time_ns, ordered, tracks.utc_ns)
