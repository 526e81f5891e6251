"""Records video of every camera, begun together, each frame with its true time; a table shows how the cameras are.

The take has `videos/CAMERA.mp4` and `CAMERA.timestamps.csv` beside it, all on one time line: what `calibrate detect`
and `process` read without renaming anything.
"""

from __future__ import annotations

import argparse
import secrets
import threading
import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.live import Live
from rich.table import Table

from multiview.config import CameraSource, Studio, load_studio, studio_text
from multiview.data import Frame
from multiview.errors import ConfigError, MultiviewError, SourceError
from multiview.messages import CameraHealth, Stamp, encode
from multiview.recording import Record, RecordingWriter
from multiview.sources import FrameSource
from multiview.take import Take, begin_take, finish_take, free_name
from services.cameras import open_camera
from services.process import Stopping
from services.topics import CAMERA, topic_of
from services.video_log import VideoLog
from services.watcher import rate_of

DARK, BRIGHT = 0.25, 0.05  # shares of black and of white pixels from which the exposure is called wrong
BLURRED = 30.0  # variance of the Laplacian at 640 px below which a picture is called blurred
LOOK_S = 0.25


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, help="the studio file; its cameras need no calibration")
    parser.add_argument("--take", default="", help="name of the take; default: the studio's name and the time")
    parser.add_argument("--seconds", type=float, help="how long to record (default: until Ctrl-C)")
    parser.add_argument("--notes", default="", help="a remark that is kept with the take")
    parser.add_argument("--preview", action="store_true", help="only look at the cameras, record nothing")


def run(args: argparse.Namespace) -> None:
    studio, stopping, console = load_studio(args.studio, check=False), Stopping(), Console()
    cameras = open_cameras(studio)
    try:
        take = None if args.preview else new_capture(studio, args.take, args.notes)
        if take is not None:
            start_together(cameras, take)
        watch(cameras, console, stopping, args.seconds)
    finally:
        for camera in cameras:
            camera.close()
    if take is not None:
        note_frames(cameras, take)
        console.print(table_of(cameras), f"take: {finish_take(take).folder}")
    elif not console.is_terminal:
        console.print(table_of(cameras))
    for camera in cameras:
        if camera.trouble:
            raise SourceError(f"{camera.name}: {camera.trouble}")


class CapturedCamera:
    """One camera, read in a thread of its own."""

    def __init__(self, camera: FrameSource) -> None:
        self.name, self.camera = camera.name, camera
        self.log: VideoLog | None = None
        self.trouble = ""
        self.frames = 0
        self.arrivals: deque[int] = deque(maxlen=400)
        self._newest: Frame | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"read {self.name}", daemon=True)
        self._thread.start()

    def begin(self, folder: Path, zero_ns: int) -> None:
        """Record every frame exposed from `zero_ns` on."""
        self._zero_ns = zero_ns
        self.log = VideoLog(folder, self.name, self.camera.size, self.camera.fps, zero_ns)

    def look(self) -> tuple[float, float, float, float]:
        """Of the newest frame: shares of black and white pixels, mean brightness, sharpness; NaN if there is none."""
        if self._newest is None:
            return (np.nan,) * 4
        grey = cv2.cvtColor(self._newest.image, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(grey, (640, round(640 * grey.shape[0] / grey.shape[1])), interpolation=cv2.INTER_AREA)
        sharpness = float(cv2.Laplacian(small, cv2.CV_64F).var())
        return float((small < 5).mean()), float((small > 250).mean()), float(small.mean()), sharpness

    def close(self) -> None:
        self._closed.set()
        self._thread.join(5.0)
        self.camera.close()
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
            self.trouble = str(error)


def open_cameras(studio: Studio) -> list[CapturedCamera]:
    """Every camera of the studio file; ConfigError if it has none, or one that is no camera."""
    if not studio.cameras:
        raise ConfigError('the studio has no cameras: add [cameras.cam01.source] with type = "camera", address = "0"')
    opened: list[CapturedCamera] = []
    try:
        for name in studio.cameras:
            source = studio.source_of(name)
            if not isinstance(source, CameraSource):
                raise ConfigError(f'{name}: capture needs type = "camera"')
            opened.append(CapturedCamera(open_camera(source, name)))
    except MultiviewError:
        for camera in opened:
            camera.close()
        raise
    return opened


def new_capture(studio: Studio, name: str, notes: str) -> Take:
    directory = Path(studio.recorder.directory)
    rig = Path(studio.rig).read_text(encoding="utf-8") if studio.rig and Path(studio.rig).is_file() else ""
    return begin_take(directory, name or free_name(directory, studio.name), rig, studio_text(studio), notes)


def start_together(cameras: list[CapturedCamera], take: Take) -> None:
    """Once every camera has given a picture, all begin at one instant."""
    end = time.monotonic() + 10.0
    while waiting := [camera.name for camera in cameras if camera.frames == 0]:
        if time.monotonic() > end:
            raise SourceError(f"no picture after 10 s from {', '.join(waiting)}")
        time.sleep(0.02)
    zero_ns = time.monotonic_ns() + 200_000_000
    for camera in cameras:
        camera.begin(take.videos, zero_ns)


def watch(cameras: list[CapturedCamera], console: Console, stopping: Stopping, seconds: float | None) -> None:
    """Show the table until told to stop, or the time is over."""
    end = None if seconds is None else time.monotonic() + 0.2 + seconds
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not stopping.wait(LOOK_S) and (end is None or time.monotonic() < end):
            if console.is_terminal:
                live.update(table_of(cameras), refresh=True)


def table_of(cameras: list[CapturedCamera]) -> Table:
    """Real frame rate, exposure and sharpness of each camera, with a word where something is wrong."""
    table = Table()
    for column in ("camera", "size", "Hz", "of", "frames", "lost", "brightness", "sharpness", ""):
        table.add_column(column, justify="left" if column in ("camera", "") else "right")
    for camera in cameras:
        black, white, mean, sharpness = camera.look()
        rate, words = rate_of(camera.arrivals), []
        if camera.camera.fps and rate < 0.9 * camera.camera.fps:
            words.append("slow: fewer pixels, another USB port or more light")
        if black > DARK:
            words.append("dark: open the iris or lengthen the exposure")
        if white > BRIGHT:
            words.append("too bright: close the iris or shorten the exposure")
        if sharpness < BLURRED:
            words.append("blurred: focus, or clean the lens")
        if camera.trouble:
            words = [camera.trouble]
        log = camera.log
        table.add_row(
            camera.name,
            "x".join(map(str, camera.camera.size)),
            f"{rate:.1f}",
            f"{camera.camera.fps:.1f}",
            str(log.frames if log else camera.frames),
            str(log.dropped if log else 0),
            f"{mean:.0f}",
            f"{sharpness:.0f}",
            "; ".join(words) or "good",
        )
    return table


def note_frames(cameras: list[CapturedCamera], take: Take) -> None:
    """The take's recording: what each camera gave."""
    writer = RecordingWriter(take.next_recording())
    for number, camera in enumerate(cameras):
        log = camera.log
        health = CameraHealth(
            camera=camera.name,
            boot_id=secrets.randbits(62),
            state="finished",
            frames=log.frames if log else 0,
            dropped=log.dropped if log else 0,
            rate_hz=rate_of(camera.arrivals),
            expected_hz=camera.camera.fps,
        )
        topic = topic_of(CAMERA, camera.name)
        writer.write(Record(topic, Stamp(number, 0, time.monotonic_ns()), encode(health)))
    writer.close()
