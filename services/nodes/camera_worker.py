"""A worker that looks: frames of one or several cameras, through one detector, to the hub.

Every camera is decoded in a thread of its own; what is there is looked at together, in one batch. A camera that is
faster than the detector loses its older frames, which are counted. One that breaks off says so and goodbye, and the
others go on.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections import Counter, deque
from pathlib import Path

import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.cameras.camera import Camera
from multiview.cameras.image_size import to_calibrated_size, why_sizes_differ
from multiview.data import NS_PER_S, Frame, Keypoints2D
from multiview.detect import ExpectsPeople, PoseDetector, make_detector
from multiview.errors import ConfigError, SourceError
from multiview.sources import FrameSource, Paced, Reader, open_source
from multiview.studio.config import CameraSource, Studio, studio_rig
from multiview.timing.clock import ClockMap
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, Goodbye, encode
from multiview.wire.packing import pack_keypoints
from services.nodes.clock_probe import Prober
from services.nodes.heartbeat import wait_for_start
from services.nodes.recording_source import Filmed
from services.nodes.regions import Expectations
from services.runtime.process import Stopping, yield_to_others
from services.transport.bus import GOODBYE_S, Asker, Sender
from services.transport.requests import Ready, tell

__all__ = ["CameraWorker"]

REPORT_S = 1.0
RECENT = 100  # frames over which times are averaged


class _Eye:
    """One camera of the worker."""

    def __init__(self, studio: Studio, camera: Camera, calibration: str) -> None:
        source = studio.source_of(camera.name)
        assert isinstance(source, CameraSource)
        self.options, self.camera, self.calibration = source, camera, calibration
        self.address = source.address.replace("{camera}", camera.name)
        self.source = self.open()
        if note := why_sizes_differ(self.source.size, camera.size, camera.name):
            logging.warning("%s", note)
        self.boot_id = secrets.randbits(62)
        self.sender, self.asker = Sender(studio.hub, camera.name), Asker(studio.hub, camera.name)
        self.prober = Prober(studio.hub, camera.name, self.boot_id, time.monotonic_ns) if self.source.live else None
        self.clock = ClockMap()
        self.reader: Reader | None = None
        self.sent = self.dropped = self.refused = 0
        self.state, self.note = "running", ""

    def open(self) -> FrameSource:
        return open_source(self.address, self.camera.name, Path.cwd(), self.options.fps)

    def begin(self, start_ns: int, video: Path | None) -> None:
        """Files play from the common start; live cameras as they come. `video` is where to keep it, from then on."""
        o, played = self.options, self.source
        if not played.live and o.speed > 0:
            played = Paced(played, start_ns, o.speed, self.open if o.loop else None)
        if video is not None:
            zero_ns = self.prober.worker_ns(start_ns) if self.prober else 0
            played = Filmed(played, video, zero_ns)
        self.reader = Reader(played, "every" if o.speed == 0 and not self.source.live else "newest")

    def take(self, timeout_s: float) -> Frame | None:
        """The frame to look at next; None if none came in time, or when the camera has ended."""
        assert self.reader is not None
        try:
            return self.reader.read(timeout_s)
        except SourceError as error:
            self.state, self.note = "failed", str(error)
            logging.error("%s", error)
            return None

    @property
    def ended(self) -> bool:
        return self.state == "failed" or (self.reader is not None and self.reader.ended)

    def send(self, frame: Frame, keypoints: Keypoints2D, skeleton: str, wait: Stopping) -> None:
        """One frame's people; a hub that is not there costs the frame, unless the source can wait for it."""
        picture = (frame.image.shape[1], frame.image.shape[0])
        try:
            why_sizes_differ(picture, self.camera.size, self.camera.name)
        except ConfigError as error:
            self.refused, self.note = self.refused + 1, str(error)
            return
        message = pack_keypoints(
            to_calibrated_size(keypoints, picture, self.camera.size),
            camera=self.camera.name,
            boot_id=self.boot_id,
            frame=frame.index,
            time_ns=frame.time_ns,
            clock="worker" if self.source.live else "epoch",
            size=self.camera.size,
            calibration=self.calibration,
            skeleton=skeleton,
        )
        for sample in self.prober.take() if self.prober else []:
            self.clock.add(sample)
            self.sender.send(topics.topic_of(topics.CLOCK, self.camera.name), encode(sample))
        body = encode(message)
        while not (left := self.sender.send(topics.topic_of(topics.KEYPOINTS, self.camera.name), body)):
            if self.options.speed > 0 or wait.wait(0.002):
                break
        self.sent += left
        self.dropped += not left

    def common_ns(self, frame: Frame) -> int | None:
        """When a frame was taken, on the clock that all cameras share; None while that is not known."""
        if self.source.live and self.clock.quarantined:
            return None
        time_ns = self.clock.hub_ns(frame.time_ns) if self.source.live else frame.time_ns
        return time_ns + round(self.camera.time_offset_s * NS_PER_S)

    def report(self, start_ns: int, rate_hz: float, detect_ms: float, note: str) -> None:
        """Health and presence, about once a second."""
        skipped = self.reader.dropped if self.reader else 0
        health = CameraHealth(
            camera=self.camera.name,
            boot_id=self.boot_id,
            state=self.state,
            frames=self.sent,
            dropped=self.dropped + skipped + self.refused,
            rate_hz=rate_hz,
            expected_hz=(self.options.fps or self.source.fps) * (self.options.speed or 0.0),
            detect_ms=detect_ms,
            note=(self.note or note)[:500],
        )
        self.sender.send(topics.topic_of(topics.CAMERA, self.camera.name), encode(health))
        tell(self.asker, Ready(role=f"camera/{self.camera.name}", pid=os.getpid(), start_ns=start_ns))

    def end(self) -> None:
        if self.reader:
            self.reader.close()
        goodbye = Goodbye(camera=self.camera.name, boot_id=self.boot_id, frames=self.sent)
        self.sender.send_within(topics.topic_of(topics.KEYPOINTS, self.camera.name), encode(goodbye), GOODBYE_S)
        if self.state == "running":
            self.state = "finished"


class CameraWorker:
    """Plays its cameras to the hub; raises ConfigError or SourceError where one cannot even begin."""

    def __init__(self, studio: Studio, cameras: list[str], video: Path | None = None) -> None:
        self._video = video
        rig = studio_rig(studio)
        for name in cameras:
            if name not in rig.names:
                raise SourceError(f"the rig has no camera {name}; it has {', '.join(rig.names)}")
        first = studio.source_of(cameras[0])
        assert isinstance(first, CameraSource)
        self._detector: PoseDetector = make_detector(first.detector, first.options, Path.cwd())
        self._skeleton = load_skeleton(studio.skeleton).name
        gives = self._detector.skeleton.name
        if gives != self._skeleton:
            raise ConfigError(
                f'the detector {first.detector} gives {gives}, the studio has skeleton = "{studio.skeleton}": '
                f'write skeleton = "{gives}"'
            )
        self._eyes = [_Eye(studio, rig.cameras[rig.index(name)], rig.calibration_hash) for name in cameras]
        self._expectations = self._expect_people(studio, first, cameras[0])
        self._start_ns = 0
        self._stages: deque[dict[str, int]] = deque(maxlen=RECENT)
        self._looked: dict[str, deque[int]] = {name: deque(maxlen=RECENT) for name in cameras}

    def play(self, stopping: Stopping, alone: bool) -> None:
        """Until every camera has ended or the process is told to."""
        self._warm_up()
        roles = [f"camera/{eye.camera.name}" for eye in self._eyes]
        self._start_ns = wait_for_start(self._eyes[0].asker, roles, alone, stopping)
        for eye in self._eyes:
            eye.begin(self._start_ns, self._video)
        yield_to_others()  # pictures must be decoded in time, and fusion come first; looking takes what is left
        playing, next_report = list(self._eyes), 0.0
        while playing and not stopping:
            self._look(playing, stopping)
            for eye in [eye for eye in playing if eye.ended]:
                eye.end()
                playing.remove(eye)
            if time.monotonic() >= next_report:
                next_report = time.monotonic() + REPORT_S
                self._report()
        for eye in playing:
            eye.end()
        self._report()
        if self._expectations is not None:
            self._expectations.close()
        for eye in self._eyes:
            if eye.prober:
                eye.prober.close()
            eye.sender.close(linger_s=1.0)
            lost = eye.dropped + (eye.reader.dropped if eye.reader else 0)
            logging.info("%s: %d frames sent, %d dropped, %s", eye.camera.name, eye.sent, lost, self._words())

    def _look(self, playing: list[_Eye], stopping: Stopping) -> None:
        """One batch: the newest frame of every camera that has one."""
        wait_s = 0.1 if len(playing) == 1 else 0.1 / len(playing) / 10
        taken = [(eye, frame) for eye in playing if (frame := eye.take(wait_s)) is not None]
        if not taken:
            return
        self._tell_where(taken)
        found = self._detector.detect([frame for _, frame in taken])
        start = time.perf_counter_ns()
        for (eye, frame), keypoints in zip(taken, found, strict=True):
            eye.send(frame, keypoints, self._skeleton, stopping)
            self._looked[eye.camera.name].append(time.monotonic_ns())
        publish = time.perf_counter_ns() - start
        stages = {**self._detector.stage_ns, "publish": publish}
        self._stages.append({name: ns // len(taken) for name, ns in stages.items()})

    def _expect_people(self, studio: Studio, source: CameraSource, name: str) -> Expectations | None:
        if not source.regions:
            return None
        if not isinstance(self._detector, ExpectsPeople):
            logging.warning("regions = true, but the detector %s cannot be told where to look", source.detector)
            return None
        return Expectations(studio.hub, name)

    def _tell_where(self, taken: list[tuple[_Eye, Frame]]) -> None:
        """Pass on to the detector where fusion expects people in these frames."""
        if self._expectations is None or not isinstance(self._detector, ExpectsPeople):
            return
        self._expectations.listen()
        for eye, frame in taken:
            time_ns, size = eye.common_ns(frame), (frame.image.shape[1], frame.image.shape[0])
            boxes = None if time_ns is None else self._expectations.boxes(eye.camera, time_ns, size)
            if boxes is not None:
                self._detector.expect(frame.camera, boxes)

    def _warm_up(self) -> None:
        """The first picture through a network is slow; let it be an empty one, of a camera that does not exist."""
        width, height = self._eyes[0].source.size
        self._detector.detect([Frame(np.zeros((height, width, 3), np.uint8), 0, 0, self._eyes[0].camera.name)])

    def _report(self) -> None:
        total = self._mean_ms()
        for eye in self._eyes:
            looked = self._looked[eye.camera.name]
            rate = (len(looked) - 1) * 1e9 / (looked[-1] - looked[0]) if len(looked) > 2 else 0.0
            eye.report(self._start_ns, rate, sum(total.values()), self._words())

    def _mean_ms(self) -> dict[str, float]:
        """Milliseconds per frame of each stage, of late."""
        sums: Counter[str] = Counter()
        for stages in self._stages:
            sums.update(stages)
        return {name: ns / len(self._stages) / 1e6 for name, ns in sums.items()}

    def _words(self) -> str:
        return ", ".join(f"{name} {ms:.1f}" for name, ms in self._mean_ms().items()) + " ms" if self._stages else ""
