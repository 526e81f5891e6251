"""A worker with a 2D detector: frames of one or several cameras, their keypoints to the hub.

Each camera has its own decoding thread; the available frames are detected in one batch. A camera that is faster than
the detector drops its older frames, which are counted. Live cameras that share a worker are read in processes of their
own: one that blocks or fails is started again there, and the others continue. A worker whose only camera is blocked in
`read` no longer signals that it works: it is killed and started again by whoever watches it.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import time
from collections import Counter, deque
from pathlib import Path

import numpy as np

from multiview.cameras.camera import Camera
from multiview.cameras.image_size import scaling_note, to_calibrated_size
from multiview.common.ledger import note_missing
from multiview.common.video_writer import load_encoders
from multiview.data import FrameNumber, Keypoints2D, TimeNs, VideoFrame
from multiview.detect import ExpectsPeople, PoseDetector, make_detector
from multiview.errors import ConfigError, SourceError
from multiview.sources import FrameSource, Paced, Reader
from multiview.studio.config import CameraSource, Studio
from multiview.studio.derived import frame_rate, studio_rig, studio_skeleton
from multiview.timing.clock import ClockMap
from multiview.wire import topics
from multiview.wire.messages import CameraHealth, EndOfStream, encode
from multiview.wire.packing import pack_keypoints
from services.nodes.camera_opening import Opener, camera_opener, open_all
from services.nodes.camera_process import PATIENCE_S, CameraProcess
from services.nodes.clock_probe import ClockProber
from services.nodes.common_grid import DetectorPace, GridSelection
from services.nodes.previews import Previews, jpeg, send_preview
from services.nodes.ready_signal import wait_for_start
from services.nodes.recording_source import RecordingSource
from services.nodes.regions import RegionReceiver
from services.nodes.shared_pace import SharedPace, machine_id
from services.nodes.video_wish import VideoWish
from services.runtime.process import Stopping, lower_thread_priority
from services.transport.bus import FINAL_SEND_S, RequestClient, Sender
from services.transport.requests import Ready, notify

__all__ = ["CameraWorker"]

WISH_S = 0.2  # how often the recorder's wish for videos is looked at
REPORT_S = 1.0
NO_PICTURE_S = 2.0  # without one, which is said
IDLE_S = 3.0  # without a detection: then its worker needs no cores
RECENT = 100  # frames over which times are averaged
SWITCH_INTERVAL_S = 5e-4


class CameraStream:
    """One camera of the worker: its source, its connections and its counts."""

    def __init__(self, studio: Studio, camera: Camera, calibration: str, source: FrameSource) -> None:
        options = studio.source_of(camera.name)
        assert isinstance(options, CameraSource)
        self.options, self.camera, self.calibration, self.source = options, camera, calibration, source
        self.boot_id = secrets.randbits(62)
        self.sender, self.client = Sender(studio.hub, camera.name), RequestClient(studio.hub, camera.name)
        self.prober = (
            ClockProber(studio.hub, camera.name, self.boot_id, time.monotonic_ns) if self.source.live else None
        )
        self.clock = ClockMap()
        self.reader: Reader | None = None
        self.recording: RecordingSource | None = None
        self._films_to: Path | None = None
        self.sent = self.dropped = self.rejected = 0
        self.state, self.note = "running", ""
        try:
            note = scaling_note(source.size, camera.size, camera.name)
        except ConfigError as error:
            if not isinstance(source, CameraProcess):
                raise
            note = str(error)  # its frames are refused, those of the others are not
        if note:
            logging.warning("%s", note)

    def start(self, start_ns: int, video: Path | None, pace: DetectorPace, again: Opener) -> None:
        """Files play from the common start; live cameras as they come.

        `video` is where to keep it, from then on; `again` opens a file that is played again.
        """
        o, played = self.options, self.source
        if not played.live and o.speed > 0:
            played = Paced(played, start_ns, o.speed, again if o.loop else None, every=video is not None)
        played = self.recording = RecordingSource(played)
        if video is not None:
            self.recording.begin(video, self.prober.worker_ns(start_ns) if self.prober else 0)
        if o.speed == 0 and not self.source.live:
            self.reader = Reader(played, "every")
        else:
            self.reader = Reader(played, "newest", selection=GridSelection(pace, self.common_ns, self.source.fps))

    def film(self, folder: Path | None) -> bool:
        """Record video into a folder from now on, on the clock that all cameras share, or no more; whether that is new.

        A live camera waits until its clock is known.
        """
        if self.recording is None or folder == self._films_to or (self.source.live and not self.clock.known):
            return False
        self._films_to = folder
        if folder is None:
            self.recording.end()
            return True
        now_ns = time.monotonic_ns()
        try:
            self.recording.begin(folder, now_ns - self.clock.hub_ns(now_ns) if self.source.live else 0)
        except SourceError as error:
            self.note = str(error)
            logging.error("%s: %s", self.camera.name, error)
        return True

    def next_frame(self, timeout_s: float) -> VideoFrame | None:
        """The next frame to detect; None if none came in time, or when the camera has ended."""
        assert self.reader is not None
        try:
            return self.reader.read(timeout_s)
        except SourceError as error:
            self.state, self.note = "failed", str(error)
            logging.error("%s", error)
            return None

    @property
    def frame_hz(self) -> float:
        """At which pictures come: of a live camera as measured, which may be less than it says; 0 if unknown."""
        nominal_hz = self.options.fps or self.source.fps
        measured_hz = self.reader.rate_hz if self.source.live and self.reader is not None else 0.0
        return min(nominal_hz, measured_hz) if nominal_hz and measured_hz else nominal_hz or measured_hz

    @property
    def blocked(self) -> bool:
        """Whether a live camera's `read` has not returned for longer than it ever should."""
        patience_s = getattr(self.source, "patience_s", PATIENCE_S)
        return self.source.live and self.reader is not None and self.reader.waiting_s > patience_s

    @property
    def pace_of_time(self) -> float:
        """Seconds of the camera's time in one second."""
        return 1.0 if self.source.live else self.options.speed or 1.0

    @property
    def ended(self) -> bool:
        return self.state == "failed" or (self.reader is not None and self.reader.ended)

    def send(self, frame: VideoFrame, keypoints: Keypoints2D, skeleton: str, wait: Stopping) -> None:
        """Send one frame's people; without a hub the frame is dropped, unless the source can wait for it."""
        picture = (frame.image.shape[1], frame.image.shape[0])
        try:
            scaling_note(picture, self.camera.size, self.camera.name)
        except ConfigError as error:
            self.rejected, self.note = self.rejected + 1, str(error)
            return
        message = pack_keypoints(
            to_calibrated_size(keypoints, picture, self.camera.size),
            camera=self.camera.name,
            boot_id=self.boot_id,
            frame=frame.index,
            time_ns=frame.time_ns,
            trigger=frame.trigger,
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

    def preview(self, frame: VideoFrame, keypoints: Keypoints2D, width: int) -> None:
        """Send a small picture to whoever looks."""
        shape = (frame.image.shape[1], frame.image.shape[0])
        try:
            scaling_note(shape, self.camera.size, self.camera.name)
        except ConfigError:  # which its health says
            return
        seen = to_calibrated_size(keypoints, shape, self.camera.size)
        clock = "hub" if self.source.live else "epoch"
        picture = jpeg(frame.image, width)
        time_ns = self.common_ns(frame)
        send_preview(self.sender, self.camera.name, self.boot_id, time_ns, clock, self.camera.size, seen, picture)

    def common_ns(self, frame: VideoFrame) -> int | None:
        """When a frame was taken, on the clock that all cameras share; None while that is not known."""
        if self.source.live and not self.clock.known:
            return None
        time_ns = self.clock.hub_ns(frame.time_ns) if self.source.live else frame.time_ns
        return time_ns + self.camera.time_offset_ns

    def report(self, rate_hz: float, detect_ms: float, skip: int, too_slow: str, note: str) -> None:
        """Send health, about once a second."""
        skipped = self.reader.dropped if self.reader else 0
        health = CameraHealth(
            camera=self.camera.name,
            boot_id=self.boot_id,
            state=self.state,
            frames=self.sent,
            dropped=self.dropped + skipped + self.rejected,
            rate_hz=rate_hz,
            expected_hz=(self.options.fps or self.source.fps or self.frame_hz) * (self.options.speed or 0.0),
            detect_ms=detect_ms,
            machine=machine_id(),
            skip=skip,
            films=self.recording is not None and self.recording.films,
            note=(self.note or self._no_picture() or self._recording_error() or too_slow or note)[:500],
        )
        self.sender.send(topics.topic_of(topics.CAMERA_HEALTH, self.camera.name), encode(health))

    def signal_ready(self, start_ns: int) -> None:
        """Tell the hub that this camera's worker works."""
        notify(self.client, Ready(role=f"camera/{self.camera.name}", pid=os.getpid(), start_ns=start_ns))

    def _no_picture(self) -> str:
        """For how long a live camera has given none, and why, as far as it is known."""
        waiting_s = self.reader.waiting_s if self.reader is not None and self.source.live else 0.0
        if waiting_s < NO_PICTURE_S:
            return ""
        trouble = getattr(self.source, "trouble", "")
        if self.blocked:
            trouble = "reading from it is blocked, so the worker is started again"
        return f"no picture for {waiting_s:.0f} s{': ' if trouble else ''}{trouble}"

    def _recording_error(self) -> str:
        return self.recording.log.error if self.recording and self.recording.log else ""

    def end(self) -> None:
        if isinstance(self.source, CameraProcess):
            self.source.stop()
        if self.reader:
            self.reader.close()
        ending = EndOfStream(camera=self.camera.name, boot_id=self.boot_id, frames=self.sent)
        self.sender.send_within(topics.topic_of(topics.KEYPOINTS, self.camera.name), encode(ending), FINAL_SEND_S)
        if self.state == "running":
            self.state = "finished"


class CameraWorker:
    """Sends the keypoints of its cameras to the hub; raises ConfigError or SourceError if a camera cannot start."""

    def __init__(self, studio: Studio, cameras: list[str], video: Path | None = None) -> None:
        self._video = video
        rig = studio_rig(studio)
        for name in cameras:
            if name not in rig.names:
                raise SourceError(f"the rig has no camera {name}; it has {', '.join(rig.names)}")
        first = studio.source_of(cameras[0])
        assert isinstance(first, CameraSource)
        self._detector: PoseDetector = make_detector(first.detector, first.options, Path.cwd())
        self._skeleton = studio_skeleton(studio).name
        gives = self._detector.skeleton.name
        if gives != self._skeleton:
            raise ConfigError(
                f'the detector {first.detector} gives {gives}, the studio has skeleton = "{studio.skeleton}": '
                f'set skeleton = "{gives}"'
            )
        self._openers = {name: camera_opener(studio, name, len(rig) - 1) for name in cameras}
        sources = open_all(self._openers, studio, rig)
        self._streams = [
            CameraStream(studio, rig.cameras[rig.index(name)], rig.calibration_hash, source)
            for name, source in sources.items()
        ]
        self._regions = self._region_receiver(studio, first, cameras[0])
        self._previews = Previews(studio.hub, cameras[0])
        # Who records a whole run gives the folder at the start.
        takes = Path(studio.recorder.directory)
        self._video_wish = VideoWish(studio.hub, cameras[0], takes) if video is None else None
        self._next_wish_s = 0.0
        self._pace = DetectorPace(frame_rate(studio), max(stream.source.fps for stream in self._streams))
        self._shared_pace = SharedPace(studio.hub, cameras, machine_id())
        self._busy_s = time.process_time()
        self._start_ns = 0
        self._next_report_s = self._last_detection_s = 0.0
        self._stages: deque[dict[str, int]] = deque(maxlen=RECENT)
        self._detect_ms: deque[float] = deque(maxlen=RECENT)  # per picture, whatever stages the detector tells of
        self._detected_ns: dict[str, deque[int]] = {name: deque(maxlen=RECENT) for name in cameras}

    def play(self, stopping: Stopping, standalone: bool) -> None:
        """Run until every camera has ended or a stop is requested."""
        self._warm_up()
        if self._video is not None:
            load_encoders()
        roles = [f"camera/{stream.camera.name}" for stream in self._streams]
        self._start_ns = wait_for_start(self._streams[0].client, roles, standalone, stopping)
        for stream in self._streams:
            stream.start(self._start_ns, self._video, self._pace, self._openers[stream.camera.name])
        sys.setswitchinterval(SWITCH_INTERVAL_S)  # a detector in Python would starve the threads that read and record
        lower_thread_priority()  # decoding and fusion come first; detection takes the time that is left
        playing = list(self._streams)
        while playing and not stopping:
            self._detect_batch(playing, stopping)
            self._film(playing)
            for stream in [stream for stream in playing if stream.ended]:
                stream.end()
                playing.remove(stream)
            if time.monotonic() >= self._next_report_s:
                self._next_report_s = time.monotonic() + REPORT_S
                self._report()
        for stream in playing:
            stream.end()
        self._report()
        if self._regions is not None:
            self._regions.close()
        self._previews.close()
        if self._video_wish is not None:
            self._video_wish.close()
        self._shared_pace.close()
        for stream in self._streams:
            if stream.prober:
                stream.prober.close()
            stream.sender.close(linger_s=1.0)
            stream.client.close()
            log = stream.recording.log if stream.recording else None
            if log is not None and log.dropped:
                note_missing(f"{stream.camera.name}: {log.dropped} frames are not in its video: {log.reason}")
            dropped = stream.dropped + (stream.reader.dropped if stream.reader else 0)
            logging.info(
                "%s: %d frames sent, %d dropped, %s", stream.camera.name, stream.sent, dropped, self._timing_text()
            )
        for stream in self._streams:
            if stream.state == "failed" and stream.source.live:
                raise SourceError(stream.note)  # it may be plugged in again: to be started again

    def _film(self, playing: list[CameraStream]) -> None:
        """Record the cameras' videos while a recorder wants them."""
        if self._video_wish is None or time.monotonic() < self._next_wish_s:
            return
        self._next_wish_s = time.monotonic() + WISH_S
        folder = self._video_wish.folder()
        if folder is not None:
            load_encoders()
        changed = [stream for stream in playing if stream.film(folder)]
        if changed:
            self._next_report_s = 0.0
        elif folder is None and any(stream.recording and stream.recording.films for stream in playing):
            self._next_report_s = min(self._next_report_s, time.monotonic() + WISH_S)

    def _detect_batch(self, playing: list[CameraStream], stopping: Stopping) -> None:
        """Detect one batch: the newest frame of every camera that has one."""
        taken = self._take_frames(playing)
        if not taken:
            return
        began = time.monotonic()
        self._pass_regions(taken)
        found = self._detector.detect([frame for _, frame in taken])
        start = time.perf_counter_ns()
        self._detect_ms.append(1e3 * (time.monotonic() - began) / len(taken))
        for (stream, frame), keypoints in zip(taken, found, strict=True):
            stream.send(frame, keypoints, self._skeleton, stopping)
            self._detected_ns[stream.camera.name].append(time.monotonic_ns())
        publish = time.perf_counter_ns() - start
        for (stream, frame), keypoints in zip(taken, found, strict=True):
            if (wanted := self._previews.due(stream.camera.name)) is not None:
                stream.preview(frame, keypoints, wanted.width)
        stages = {**self._detector.stage_ns, "publish": publish}
        self._stages.append({name: ns // len(taken) for name, ns in stages.items()})
        self._keep_pace(time.monotonic() - began, taken[0][0].pace_of_time)

    def _keep_pace(self, took_s: float, pace_of_time: float) -> None:
        """Look as often as the slowest worker of this machine can, and tell the others when that changes."""
        needed = self._pace.needed
        busy_s, self._busy_s = time.process_time() - self._busy_s, time.process_time()
        workers = 1 + self._shared_pace.others / len(self._streams)
        load_s = busy_s * workers / (os.cpu_count() or 1)
        changed = self._pace.add(took_s * pace_of_time, load_s * pace_of_time)
        if self._pace.needed != needed:
            self._next_report_s = 0.0
        self._last_detection_s = time.monotonic()
        if (self._pace.share(self._shared_pace.level()) or changed) and self._pace.level:
            logging.warning("%s", self._pace.advice(len(self._streams)))

    def _take_frames(self, playing: list[CameraStream]) -> list[tuple[CameraStream, VideoFrame]]:
        """The newest frame of every camera that has one; on the grid, the cameras' frames of one instant."""
        wait_s = 0.1 if len(playing) == 1 else 0.1 / len(playing) / 10
        taken: list[tuple[CameraStream, VideoFrame]] = []
        for stream in playing:
            if (frame := stream.next_frame(wait_s)) is not None:
                taken.append((stream, frame))
                wait_s = max(wait_s, self._pace.tick_s) if self._pace.level else wait_s
        return taken

    def _region_receiver(self, studio: Studio, source: CameraSource, name: str) -> RegionReceiver | None:
        if not source.regions:
            return None
        if not isinstance(self._detector, ExpectsPeople):
            logging.warning(
                "regions = true, but the detector %s does not support regions: the option is ignored", source.detector
            )
            return None
        return RegionReceiver(studio.hub, name)

    def _pass_regions(self, taken: list[tuple[CameraStream, VideoFrame]]) -> None:
        """Pass the regions in which fusion expects people in these frames to the detector."""
        if self._regions is None or not isinstance(self._detector, ExpectsPeople):
            return
        self._regions.update()
        for stream, frame in taken:
            time_ns, size = stream.common_ns(frame), (frame.image.shape[1], frame.image.shape[0])
            boxes = None if time_ns is None else self._regions.boxes(stream.camera, time_ns, size)
            if boxes is not None:
                self._detector.expect(frame.camera, boxes)

    def _warm_up(self) -> None:
        """Run the network once on an empty image of a camera that does not exist, because its first run is slow."""
        width, height = self._streams[0].source.size
        image, name = np.zeros((height, width, 3), np.uint8), self._streams[0].camera.name
        self._detector.detect([VideoFrame(image, FrameNumber(0), TimeNs(0), name)])

    def _report(self) -> None:
        detect_ms = sum(self._detect_ms) / max(1, len(self._detect_ms))
        if time.monotonic() - self._last_detection_s > IDLE_S:
            self._pace.clear()
        self._pace.pictures_come(max(stream.frame_hz for stream in self._streams))
        too_slow = self._pace.advice(len(self._streams))
        for stream in self._streams:
            times = self._detected_ns[stream.camera.name]
            rate = (len(times) - 1) * 1e9 / (times[-1] - times[0]) if len(times) > 2 else 0.0
            stream.report(rate, detect_ms, self._pace.needed, too_slow, self._timing_text())
        if not any(stream.blocked for stream in self._streams):
            for stream in self._streams:
                stream.signal_ready(self._start_ns)

    def _mean_ms(self) -> dict[str, float]:
        """Milliseconds per frame of each stage, of late."""
        sums: Counter[str] = Counter()
        for stages in self._stages:
            sums.update(stages)
        return {name: ns / len(self._stages) / 1e6 for name, ns in sums.items()}

    def _timing_text(self) -> str:
        return ", ".join(f"{name} {ms:.1f}" for name, ms in self._mean_ms().items()) + " ms" if self._stages else ""
