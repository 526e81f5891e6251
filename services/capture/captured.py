"""Cameras that are captured: each read by a thread of its own, and recorded together from one instant on."""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from multiview.common.blocked_threads import join
from multiview.common.counted import counted
from multiview.common.video_writer import load_encoders
from multiview.data import VideoFrame
from multiview.errors import ConfigError, MultiviewError, SourceError
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take, begin_take, free_name
from multiview.sources import FrameSource
from multiview.studio.config import CameraSource, Studio, SyntheticSource
from multiview.studio.derived import camera_names
from multiview.studio.studio_file import studio_text, without_secrets
from multiview.wire.messages import CameraHealth, Stamp, encode
from multiview.wire.topics import CAMERA_HEALTH, topic_of
from services.capture.cameras import open_camera
from services.capture.image_quality import ImageQuality, measure_quality
from services.capture.simulated_camera import simulated_cameras
from services.nodes.video_log import VideoLog
from services.supervise.watcher import rate_of

__all__ = ["SILENT_S", "CapturedCamera", "advice_for", "new_capture", "open_cameras", "record_counts", "start_together"]

START_S, LONGEST_START_S = 10.0, 60.0  # until every camera gives an image; the longer where it says what it waits for
SILENT_S = 2.0
END_S, UNBLOCKED_S = 5.0, 1.0  # for a camera to give its last frame, and to end what it waits for once it is closed
SLOW = 0.9  # of the nominal frame rate, below which a camera is called slow


class CapturedCamera:
    """One camera, read by its own thread."""

    def __init__(self, camera: FrameSource) -> None:
        self.name, self.camera = camera.name, camera
        self.log: VideoLog | None = None
        self.error = ""
        self.frames = self._lost_before = 0
        self.arrivals: deque[int] = deque(maxlen=400)
        self._newest: VideoFrame | None = None
        self._sharpness: deque[float] = deque(maxlen=8)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"read {self.name}", daemon=True)
        self._thread.start()

    def begin(self, folder: Path, zero_ns: int, lossless: bool = False) -> None:
        """Record every frame exposed from `zero_ns` on."""
        self._zero_ns, self._lost_before = zero_ns, self._lost()
        self.log = VideoLog(folder, self.name, self.camera.size, self.camera.fps, zero_ns, lossless)

    def quality(self) -> ImageQuality | None:
        """Of the newest frame, but for its sharpness: the best of late, for whoever moves is blurred."""
        if self._newest is None:
            return None
        quality = measure_quality(self._newest)
        self._sharpness.append(quality.sharpness)
        return quality._replace(sharpness=max(self._sharpness))

    @property
    def trouble(self) -> str:
        """What the camera says of why no image comes, empty if it says nothing."""
        return str(getattr(self.camera, "trouble", ""))

    @property
    def reconnects(self) -> int:
        """How often the camera broke off and was opened again."""
        return int(getattr(self.camera, "reconnects", 0))

    @property
    def lost(self) -> int:
        """Frames that the camera took since the recording began and that never came, by its own count."""
        return self._lost() - self._lost_before

    @property
    def dropped(self) -> int:
        """Frames that are not in the video."""
        return self.lost + (self.log.dropped if self.log else 0)

    def losses(self) -> list[str]:
        """What is not in its video, and why; nothing where nothing was recorded."""
        if self.log is None:
            return []
        losses = [f"{counted(self.lost, 'frame')} lost on the way from the camera (multiview doctor STUDIO says more)"]
        losses = losses if self.lost else []
        if self.log.dropped:
            losses.append(f"{counted(self.log.dropped, 'frame')} not in its video: {self.log.reason}")
        return losses

    def _lost(self) -> int:
        return int(getattr(self.camera, "dropped", 0))

    @property
    def silent_s(self) -> float:
        """For how long no image has come, s."""
        return (time.monotonic_ns() - self.arrivals[-1]) / 1e9 if self.arrivals else 0.0

    @property
    def newest(self) -> VideoFrame | None:
        """The last frame that came."""
        return self._newest

    def close(self) -> None:
        self._closed.set()
        self._thread.join(END_S)
        self.camera.close()
        join(self._thread, UNBLOCKED_S)
        if self.log is not None:
            self.log.close()

    def _run(self) -> None:
        try:
            while not self._closed.is_set() and (frame := self.camera.read()) is not None:
                self.frames += 1
                self._newest = frame
                self.arrivals.append(time.monotonic_ns())
                if self.log is not None and frame.time_ns >= self._zero_ns:
                    self.log.add(frame)
        except MultiviewError as error:
            self.error = str(error)


def open_cameras(
    studio: Studio, board: Path | None = None, searched: Callable[[int], bool] | None = None
) -> list[CapturedCamera]:
    """Open every camera of the studio file; ConfigError if it has none, or a source that is no camera.

    Simulated cameras film the print of `board`, and go on when the frames of a time are `searched`.
    """
    names = camera_names(studio)
    if isinstance(studio.source, SyntheticSource) and not studio.cameras:
        return [CapturedCamera(one) for one in simulated_cameras(studio.source, board, time.monotonic_ns(), searched)]
    if not names:
        raise ConfigError('the studio has no cameras: add [cameras.cam01.source] with type = "camera", address = "0"')
    opened: list[CapturedCamera] = []
    began_ns = time.monotonic_ns()
    try:
        for name in names:
            source = studio.source_of(name)
            if not isinstance(source, CameraSource):
                raise ConfigError(f'{name}: capture needs a source with type = "camera"')
            opened.append(CapturedCamera(open_camera(source, name, began_ns)))
    except MultiviewError:
        for camera in opened:
            camera.close()
        raise
    return opened


def new_capture(studio: Studio, name: str, notes: str) -> Take:
    directory = Path(studio.recorder.directory)
    rig = Path(studio.rig).read_text(encoding="utf-8") if studio.rig and Path(studio.rig).is_file() else ""
    now = datetime.now().astimezone()
    name = name or free_name(directory, studio.name, now)
    return begin_take(directory, name, now, rig, studio_text(without_secrets(studio)), notes)


def start_together(cameras: list[CapturedCamera], take: Take, lossless: bool = False) -> None:
    """Start all recordings at one instant, once every camera has delivered an image.

    Raises:
        SourceError: One has not, in 10 s, or in a minute where it says what it waits for.
    """
    load_encoders()
    began = time.monotonic()
    while waiting := [camera for camera in cameras if camera.frames == 0]:
        for camera in waiting:
            if camera.error:
                raise SourceError(f"{camera.name}: {camera.error}")
        known = [f"{camera.name}: {camera.trouble}" for camera in waiting if camera.trouble]
        if (waited_s := time.monotonic() - began) > (LONGEST_START_S if known else START_S):
            names, reasons = ", ".join(camera.name for camera in waiting), "; ".join(known)
            raise SourceError(
                f"no image after {waited_s:.0f} s from {names}: {reasons or 'check that they are on and connected'} "
                "(multiview doctor STUDIO says more)"
            )
        time.sleep(0.02)
    zero_ns = time.monotonic_ns() + 200_000_000
    for camera in cameras:
        camera.begin(take.videos, zero_ns, lossless)


def advice_for(camera: CapturedCamera, quality: ImageQuality | None) -> list[str]:
    """What to do about a camera; empty where all is well."""
    advice = quality.advice() if quality else ["no image yet"]
    if camera.camera.fps and rate_of(camera.arrivals) < SLOW * camera.camera.fps:
        advice.insert(0, "slow: use fewer pixels, another USB port or more light")
    if camera.silent_s > SILENT_S:
        advice = [f"no image for {camera.silent_s:.0f} s{': ' if camera.trouble else ''}{camera.trouble}"]
    if camera.log and camera.log.error:
        advice.insert(0, camera.log.error)
    return [camera.error] if camera.error else advice


def record_counts(cameras: list[CapturedCamera], take: Take) -> None:
    """Summary of the take: the frames of each camera. OSError, and no summary, if there is no room for it."""
    path = take.next_recording()
    try:
        _write_counts(cameras, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _write_counts(cameras: list[CapturedCamera], path: Path) -> None:
    writer = RecordingWriter(path)
    for number, camera in enumerate(cameras):
        log = camera.log
        health = CameraHealth(
            camera=camera.name,
            boot_id=secrets.randbits(62),
            state="finished",
            frames=log.frames if log else 0,
            dropped=camera.dropped,
            rate_hz=rate_of(camera.arrivals),
            expected_hz=camera.camera.fps,
        )
        topic = topic_of(CAMERA_HEALTH, camera.name)
        writer.write(Record(topic, Stamp(number, 0, time.monotonic_ns()), encode(health)))
    writer.close()
