"""The hub's stream in, poses out: run by the fusion process and by a replay alike.

A function of the stream alone: the order of its messages and the hub's times of arrival decide everything, so that a
recording gives the same poses as live, bit for bit.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from multiview.body.recognition import IdentityLabels, Recogniser
from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Rig
from multiview.cameras.reprojection import residuals_px
from multiview.data import TimeNs, Tracks, Views
from multiview.errors import MessageError
from multiview.fusion.pipeline import Pipeline
from multiview.selfcalib.extrinsic_drift import ExtrinsicDriftDetector
from multiview.studio.agreement import Agreement
from multiview.studio.config import Studio
from multiview.studio.derived import frame_rate, pipeline_options, studio_rig, studio_skeleton
from multiview.studio.time_offset_monitor import TimeOffsetMonitor
from multiview.studio.view_survey import ViewSurvey
from multiview.timing.clock import ClockMap
from multiview.timing.sync_buffer import SyncBuffer, SyncOptions
from multiview.timing.trigger_count import TriggerCounts
from multiview.wire import topics
from multiview.wire.messages import (
    ClockSample,
    EndOfStream,
    FusionRequest,
    Heartbeat,
    IdentityLabel,
    KeypointsMessage,
    PosesMessage,
    Stamp,
    decode,
)
from multiview.wire.packing import pack_tracks, unpack_keypoints

if TYPE_CHECKING:
    from multiview.lifting.lifter import Lifter

__all__ = ["FusedTick", "StreamFusion"]

MAX_RUNS = 1000  # ended runs of one camera's worker that are kept
MAX_REASONS = 1000  # counted separately
MAX_TIME_NS = 2**62  # 146 years; twice as much would not fit in a message
FUTURE_NS = 2_000_000  # a frame stamped this long after it arrived was stamped by a clock that has jumped


class FusedTick(NamedTuple):
    """One tick."""

    views: Views
    tracks: Tracks
    message: PosesMessage


class _WorkerSession:
    """One camera's worker: its current run, the ended ones, and its clock."""

    def __init__(self, boot_id: int) -> None:
        self.boot_id = boot_id
        self.ended_runs: dict[int, None] = {}  # the oldest first
        self.clock = ClockMap()

    def start_run(self, boot_id: int) -> None:
        self.ended_runs[self.boot_id] = None
        if len(self.ended_runs) > MAX_RUNS:
            del self.ended_runs[next(iter(self.ended_runs))]
        self.boot_id, self.clock = boot_id, ClockMap()


class StreamFusion:
    """Decodes, checks, synchronises and fuses."""

    def __init__(self, studio: Studio, rig: Rig | None = None, boot_id: int = 0) -> None:
        self.rig = rig or studio_rig(studio)
        self.skeleton: Skeleton = studio_skeleton(studio)
        self.lifts = len(self.rig) == 1  # one camera triangulates nothing: its people are lifted
        self.pipeline = self._lifter(studio) if self.lifts else self._pipeline(studio)
        self.sync = SyncBuffer(
            len(self.rig), frame_rate(studio), sync_options(studio), [c.time_offset_s for c in self.rig.cameras]
        )
        self.boot_id = boot_id
        known = studio.actors
        self._recogniser = Recogniser(known, self.skeleton, self.sync.rate_hz) if known else None
        self._labels = IdentityLabels()
        self.rejected: Counter[str] = Counter()
        self.received = 0  # messages of cameras, whether used or not
        self.clock_unknown = 0  # frames that came before their camera's clock was known
        self.dropped = 0  # gaps in the stream, set by the subscriber's owner
        self.left_out: frozenset[str] = frozenset()  # cameras that a user does without
        self.ended: set[str] = set()  # cameras whose stream has ended
        self.step_ns = 0  # time that the last tick took to compute
        exclude, compensate = studio.fusion.exclude_displaced_cameras, studio.fusion.compensate_rotation
        self.extrinsic_drift: ExtrinsicDriftDetector | None = None
        if (exclude or compensate) and not self.lifts:
            self.extrinsic_drift = ExtrinsicDriftDetector(self.rig, self.sync.rate_hz, compensate=not exclude)
        correct = studio.fusion.correct_time_offsets
        self.time_offsets: TimeOffsetMonitor | None = None
        if (correct or studio.fusion.estimate_time_offsets) and not self.lifts:
            self.time_offsets = TimeOffsetMonitor(self.rig, self.sync, correct)
        self._check_calibration = studio.fusion.check_calibration
        self._calibration = self.rig.calibration_hash
        self._index = {name: index for index, name in enumerate(self.rig.names)}
        self.clock = ""  # "epoch" or "hub", once known
        self._by_trigger = studio.sync.by_trigger
        self._trigger_counts = TriggerCounts(self.sync.rate_hz)
        self._utc_less_hub_ns = 0
        self._sessions: dict[str, _WorkerSession] = {}
        self.survey = self.new_survey()
        self._restarts = 0

    def _pipeline(self, studio: Studio) -> Pipeline | Lifter:
        return Pipeline(self.rig, self.skeleton, pipeline_options(studio), studio.fusion.contacts)

    def _lifter(self, studio: Studio) -> Pipeline | Lifter:
        from multiview.lifting.lifter import Lifter  # loaded on use: fusion of several cameras starts without

        return Lifter(self.rig, self.skeleton, pipeline_options(studio), studio.fusion.person_height_m)

    def new_survey(self) -> ViewSurvey:
        """Begin to count anew what is fused from now on."""
        self.survey = ViewSurvey([camera.size for camera in self.rig.cameras])
        self.agreement = Agreement(len(self.rig))
        return self.survey

    def warm_up(self) -> None:
        """Compile or load every kernel."""
        if self.extrinsic_drift is not None:
            self.extrinsic_drift.warm_up()
        if self.time_offsets is not None:
            self.time_offsets.warm_up()
        self.pipeline.warm_up()  # last: where two processes compile, the other one has done it by now

    @property
    def finished(self) -> bool:
        """Whether the stream of every camera has ended."""
        return len(self.ended) == len(self._index)

    def feed(self, topic: str, stamp: Stamp, body: bytes) -> Iterator[FusedTick]:
        """The ticks that this message completes. An invalid message is counted in `rejected`, never raised.

        To be iterated to its end: a tick is emitted before the next is computed, and before cameras are checked.
        """
        kind = topic.partition("/")[0]
        if kind not in topics.FUSION_READS:
            return
        self.received += kind != topics.HEARTBEAT
        views: list[Views] = []
        try:
            message = decode(body)
            if isinstance(message, KeypointsMessage):
                views = self._keypoints(topic, stamp, message)
            elif isinstance(message, EndOfStream):
                views = self._end_of_stream(topic, stamp, message)
            elif isinstance(message, ClockSample):
                self._check_sender(topic, message.camera, message.boot_id).clock.add(message)
            elif isinstance(message, IdentityLabel):
                self._labels.set_name(message.person, message.name)
            elif isinstance(message, FusionRequest):
                self._follow(message)
            elif isinstance(message, Heartbeat) and topic == topics.HEARTBEAT:
                self._utc_less_hub_ns = message.utc_ns - message.hub_ns
                views = self.sync.advance(stamp.arrival_ns)
            else:
                raise MessageError(f"a message of another kind than the topic {topic} is for")
        except MessageError as error:
            self._reject(str(error))
            views = self.sync.advance(stamp.arrival_ns)
        if self.sync.restarts != self._restarts:
            self._restarts = self.sync.restarts
            self._begin_identities()
        for view in views:
            fused = self._fuse(view, stamp)
            yield fused
            self._update_selfcalibration(fused)
            self.survey.add(fused.views)
            self.survey.add_people(fused.tracks)
            self._survey_agreement(fused)

    def _survey_agreement(self, fused: FusedTick) -> None:
        """Note whether the cameras agree, at every second tick."""
        if fused.views.tick % 2 == 0 and self.pipeline.last_observations is not None:
            self.agreement.add(self.pipeline.packed, self.pipeline.last_observations)

    def _follow(self, request: FusionRequest) -> None:
        if request.left_out is not None:
            unknown = [name for name in request.left_out if name not in self._index]
            if unknown:
                raise MessageError(f"the rig has no camera {unknown[0]} that could be left out")
            self.left_out = frozenset(request.left_out)
        if request.new_identities:
            self._begin_identities()

    def _begin_identities(self) -> None:
        """Whoever comes is somebody new, with a number that nobody has had."""
        number = self.pipeline.tracker.next_number
        self.pipeline.reset()
        self.pipeline.tracker.next_number = number
        self._labels = IdentityLabels()

    def _without_left_out(self, views: Views) -> Views:
        if not self.left_out:
            return views
        seen = (
            None if name in self.left_out else keypoints
            for name, keypoints in zip(self._index, views.keypoints, strict=True)
        )
        return replace(views, keypoints=tuple(seen))

    def _keypoints(self, topic: str, stamp: Stamp, message: KeypointsMessage) -> list[Views]:
        session = self._check_sender(topic, message.camera, message.boot_id)
        if message.skeleton != self.skeleton.name or message.joints != len(self.skeleton.joints):
            raise MessageError(
                f"{message.camera} sends skeleton {message.skeleton} ({message.joints} joints), the studio's is "
                f"{self.skeleton.name} ({len(self.skeleton.joints)} joints)"
            )
        if self._check_calibration and message.calibration not in ("", self._calibration):
            raise MessageError(
                f"{message.camera} works with another calibration ({message.calibration}) than the rig "
                f"({self._calibration}): give it the same rig file"
            )
        self.ended.discard(message.camera)
        time_ns = self._time_ns(message, session, stamp)
        if time_ns is None:
            self.clock_unknown += 1
            return self.sync.advance(stamp.arrival_ns)
        return self.sync.add(self._index[message.camera], time_ns, unpack_keypoints(message), stamp.arrival_ns)

    def _time_ns(self, message: KeypointsMessage, session: _WorkerSession, stamp: Stamp) -> TimeNs | None:
        """The frame's time on the common clock: the sources' own epoch, the hub's, or the count of a trigger.

        None while the clock of a worker that has just begun is not known yet.
        """
        triggered = self._by_trigger and message.trigger >= 0
        domain = "epoch" if triggered or message.clock == "epoch" else "hub"
        self.clock = self.clock or domain
        if domain != self.clock:
            raise MessageError(f"{message.camera} stamps on another clock ({domain}) than the first camera did")
        if domain == "epoch":
            time_ns = self._pulse_ns(message, session) if triggered else message.time_ns
            if abs(time_ns) > MAX_TIME_NS:
                what = f"the trigger's count {message.trigger}" if triggered else f"the stamp {message.time_ns} ns"
                raise MessageError(f"{message.camera}: {what} is more than a century from zero")
            return TimeNs(time_ns)
        if not session.clock.known:
            if not session.clock.jumps:
                return None
            raise MessageError(f"{message.camera}: its clock has jumped and is not known again yet")
        time_ns = session.clock.hub_ns(message.time_ns)
        if time_ns > stamp.arrival_ns + session.clock.uncertainty_ns + FUTURE_NS:
            session.clock.restart()
            raise MessageError(f"{message.camera}: a frame from the future; its clock has jumped")
        return TimeNs(time_ns)

    def _pulse_ns(self, message: KeypointsMessage, session: _WorkerSession) -> TimeNs:
        """The time of the pulse that exposed a frame, by the count that all cameras share."""
        if abs(message.trigger) > MAX_TIME_NS:  # more pulses than nanoseconds in a century
            return TimeNs(message.trigger)
        known = session.clock.known and message.clock == "worker"
        taken_ns = session.clock.hub_ns(message.time_ns) if known else None
        return self.sync.tick_time_ns(
            self._trigger_counts.common(message.camera, message.boot_id, message.trigger, taken_ns)
        )

    def _end_of_stream(self, topic: str, stamp: Stamp, message: EndOfStream) -> list[Views]:
        self._check_sender(topic, message.camera, message.boot_id)
        self.ended.add(message.camera)
        return self.sync.end_of_stream(self._index[message.camera], stamp.arrival_ns)

    def _check_sender(self, topic: str, camera: str, boot_id: int) -> _WorkerSession:
        """The session of the sender; MessageError for a worker that was replaced by a newer one."""
        if topic.partition("/")[2] != camera:
            raise MessageError(f"a message of {camera} came under the topic {topic}")
        if camera not in self._index:
            raise MessageError(f"the rig has no camera {camera}")
        session = self._sessions.get(camera) or self._sessions.setdefault(camera, _WorkerSession(boot_id))
        if boot_id in session.ended_runs:
            raise MessageError(f"{camera}: a worker that was replaced still sends")
        if boot_id != session.boot_id:
            session.start_run(boot_id)
            if self.extrinsic_drift is not None:
                self.extrinsic_drift.reinstate_camera(self._index[camera])
        return session

    def clocks(self) -> dict[str, ClockMap]:
        """What is known of each camera's clock."""
        return {camera: session.clock for camera, session in self._sessions.items()}

    def residuals_px(self) -> dict[str, float]:
        """Each camera's median distance between its keypoints and the last tick's people."""
        observations, people = (
            self.pipeline.last_observations,
            {one.slot: one.pose.xyz for one in self.pipeline.estimates},
        )
        if observations is None:
            return {}
        rows = [n for n, slot in enumerate(observations.slots.tolist()) if slot in people]
        if not rows:
            return {}
        xyz = np.stack([people[int(observations.slots[n])] for n in rows])
        return residuals_px(self.rig, self.pipeline.packed, observations.rays, observations.table[rows], xyz)

    def _reject(self, reason: str) -> None:
        if reason not in self.rejected and len(self.rejected) >= MAX_REASONS:
            reason = "other reasons"
        if reason not in self.rejected:
            logging.warning("rejected: %s (further ones are only counted)", reason)
        self.rejected[reason] += 1

    def _update_selfcalibration(self, fused: FusedTick) -> None:
        """Check the cameras against a tick whose poses have been sent."""
        if self.extrinsic_drift is not None:
            self._update_extrinsic_drift(self.extrinsic_drift, fused.tracks)
        if self.time_offsets is not None:
            self.time_offsets.update(fused.views.time_ns, self.pipeline.last_observations)

    def _update_extrinsic_drift(self, detector: ExtrinsicDriftDetector, tracks: Tracks) -> None:
        assert self.pipeline.last_observations is not None
        before = self.calibration_faults()
        detector.update(self.pipeline.last_observations.rays, tracks)
        for name, lines in self.calibration_faults().items():
            if name not in before:
                logging.warning("%s: %s", name, lines)

    def calibration_faults(self) -> dict[str, str]:
        """What is wrong with the calibration, by camera, and of "calibration" as a whole."""
        if self.extrinsic_drift is None:
            return {}
        drift, lines, names = self.extrinsic_drift, dict[str, str](), self.rig.names
        if drift.calibration_suspect:
            degrees = math.degrees(drift.rotation_error_rad)
            lines["calibration"] = f"suspect: half of the cameras are off by {degrees:.1f} degrees or more: recalibrate"
        for index, angle in drift.rotated.items():
            use = "compensated; recalibrate" if index in drift.rotations else "still used, the others are no better"
            lines[names[index]] = f"displaced, rotated by {math.degrees(angle):.1f} degrees: {use}"
        for index, angle in drift.displaced.items():
            lines[names[index]] = f"displaced, rotated by {math.degrees(angle):.1f} degrees: excluded; recalibrate"
        return lines

    def _fuse(self, views: Views, stamp: Stamp) -> FusedTick:
        began = time.perf_counter_ns()
        views = self._without_left_out(views)
        if self.extrinsic_drift is not None:
            views = self.extrinsic_drift.apply_corrections(views)
        if self.clock == "hub":
            views = replace(views, utc_ns=views.time_ns + self._utc_less_hub_ns)
        tracks = self.pipeline.step(views)
        if self._recogniser is not None:
            tracks = self._recogniser.with_names(tracks)
        tracks = self._labels.with_names(tracks)
        self.step_ns = time.perf_counter_ns() - began
        seen = [keypoints is not None for keypoints in views.keypoints]
        message = pack_tracks(
            tracks,
            len(self.skeleton.joints),
            clock=self.clock,
            clock_sigma_ns=max((clock.uncertainty_ns for clock in self.clocks().values()), default=-1),
            arrival_ns=stamp.arrival_ns,
            latency_ns=stamp.arrival_ns - views.time_ns - (self.sync.delay_ns if self.clock == "epoch" else 0),
            boot_id=self.boot_id,
            skeleton=self.skeleton.name,
            cameras=[name for name, there in zip(self._index, seen, strict=True) if there],
            missing=[name for name, there in zip(self._index, seen, strict=True) if not there],
            dropped=self.dropped,
            late=sum(counts.late for counts in self.sync.counts()),
            rejected=self.rejected.total(),
        )
        return FusedTick(views, tracks, message)


def sync_options(studio: Studio) -> SyncOptions:
    """`[sync]`; sources that play as fast as they can are waited for."""
    unpaced = any(source.speed == 0 for source in studio.sources)
    return msgspec.structs.replace(studio.sync, lossless=studio.sync.lossless or unpaced)
