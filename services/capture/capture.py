"""Record synchronised video of every camera with true frame times; a table shows the state of the cameras.

    multiview capture studio.toml --preview                      show the cameras, record nothing
    multiview capture studio.toml --take board --board board/board.toml      a calibration board
    multiview capture studio.toml --take first                   people; Ctrl-C ends it
    multiview capture studio.toml --take first --poses           the same, with live 3D poses

The take has `videos/CAMERA.mp4` and `CAMERA.timestamps.csv` beside it, all on one time line: what `calibrate detect`
and `process` read directly.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import threading
import time
from collections import deque
from datetime import datetime
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from multiview.common.ranges import Seconds, ranged
from multiview.common.video_writer import load_encoders
from multiview.data import VideoFrame
from multiview.errors import ConfigError, MultiviewError, SourceError
from multiview.recordings.mcap_log import Record, RecordingWriter
from multiview.recordings.take import Take, begin_take, discard_take, finish_take, free_name
from multiview.recordings.take_lock import TakeLock
from multiview.sources import FrameSource
from multiview.studio.config import CameraSource, Studio, camera_names, load_studio, studio_text, without_secrets
from multiview.wire.messages import CameraHealth, Stamp, encode
from multiview.wire.topics import CAMERA_HEALTH, topic_of
from services.capture.camera_news import CameraNews
from services.capture.cameras import open_camera
from services.capture.coverage import Coverage
from services.capture.disk_watch import DiskWatch
from services.capture.image_quality import ImageQuality, measure_quality
from services.nodes.video_log import VideoLog
from services.runtime.process import Stopping
from services.supervise.watcher import rate_of

REFRESH_S = 0.25
START_S, LONGEST_START_S = 10.0, 60.0  # until every camera gives an image; the longer where it says what it waits for
SILENT_S = 2.0
PARTLY = 3  # exit status: something of what came was lost
SLOW = 0.9  # of the nominal frame rate, below which a camera is called slow


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.add_argument("studio", type=Path, help="the studio file; its cameras need no calibration")
    parser.add_argument("--take", default="", help="name of the take; default: the studio's name and the time")
    parser.add_argument("--seconds", type=ranged(Seconds), help="how long to record (default: until Ctrl-C)")
    parser.add_argument("--notes", default="", help="a remark to save with the take")
    parser.add_argument("--preview", action="store_true", help="only show the cameras' state, record nothing")
    parser.add_argument("--board", type=Path, help="board.toml: show which part of each image the board has covered")
    parser.add_argument(
        "--poses", action="store_true", help="compute live 3D poses at the same time; needs a calibrated rig"
    )
    parser.add_argument("--no-viewer", action="store_true", help="with --poses: do not open the 3D viewer")


def run(args: argparse.Namespace) -> int:
    """0 when every frame that came is in the videos, 3 when some are lost."""
    if args.poses:
        _with_poses(args)
        return 0
    studio, stopping, console = load_studio(args.studio, check=False), Stopping(), Console()
    coverage = Coverage(args.board, camera_names(studio)) if args.board else None
    cameras: list[CapturedCamera] = []
    take, lock = None, None
    try:
        cameras = open_cameras(studio)
        take = None if args.preview else new_capture(studio, args.take, args.notes)
        if take is not None:
            lock = TakeLock(take.folder)
            start_together(cameras, take)
        console.print(f"recording {take.info.name}; Ctrl-C ends it" if take else "preview; Ctrl-C ends it")
        watch(cameras, console, stopping, args.seconds, coverage, DiskWatch(take) if take else None)
    finally:
        for camera in cameras:
            camera.close()
        if coverage is not None:
            coverage.close()
        if lock is not None:
            lock.release()
        if take is not None:
            discard_take(take)  # where no camera gave anything
    console.print(table_of(cameras, coverage))
    if take is not None and take.folder.is_dir():
        try:
            record_counts(cameras, take)
        except OSError as error:  # a full disk, on which the videos are
            console.print(f"the counts of frames cannot be written: {error.strerror}", style="red")
        _print_next_step(finish_take(take), args.board, console)
    for camera in cameras:
        if camera.error:
            raise SourceError(f"{camera.name}: {camera.error}")
    losses = [f"{camera.name}: {loss}" for camera in cameras for loss in camera.losses()]
    for loss in losses:
        print(f"multiview: {loss}", file=sys.stderr)
    return PARTLY if losses else 0


def _with_poses(args: argparse.Namespace) -> None:
    """Run the whole studio; its workers also record their videos."""
    from services.supervise.run import play

    if args.preview or args.board:
        raise ConfigError("--poses records people: leave out --preview and --board")
    studio = load_studio(args.studio)
    take = play(studio, take=args.take, notes=args.notes, viewer=not args.no_viewer, seconds=args.seconds, video=True)
    if take is not None:
        _print_next_step(take, None, Console())


def _print_next_step(take: Take, board: Path | None, console: Console) -> None:
    folder = take.folder
    console.print(f"take: {folder}", soft_wrap=True)
    if board is not None:
        command = f"multiview calibrate detect --board {board} --videos {take.videos}/*.mp4"
        console.print(f"next: {command} --out corners.parquet", soft_wrap=True, highlight=False)
    elif take.rig.exists():
        console.print(
            f"next: multiview process --rig {take.rig} --videos {take.videos}/*.mp4 --out {folder}", soft_wrap=True
        )


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

    def begin(self, folder: Path, zero_ns: int) -> None:
        """Record every frame exposed from `zero_ns` on."""
        self._zero_ns, self._lost_before = zero_ns, self._lost()
        self.log = VideoLog(folder, self.name, self.camera.size, self.camera.fps, zero_ns)

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
        losses = [f"{self.lost} frames were lost on the way from the camera (multiview doctor STUDIO says more)"]
        losses = losses if self.lost else []
        if self.log.dropped:
            losses.append(f"{self.log.dropped} frames are not in its video: {self.log.reason}")
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
            self.error = str(error)


def open_cameras(studio: Studio) -> list[CapturedCamera]:
    """Open every camera of the studio file; ConfigError if it has none, or a source that is no camera."""
    names = camera_names(studio)
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


def start_together(cameras: list[CapturedCamera], take: Take) -> None:
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
        camera.begin(take.videos, zero_ns)


def watch(
    cameras: list[CapturedCamera],
    console: Console,
    stopping: Stopping,
    seconds: float | None,
    coverage: Coverage | None = None,
    disk: DiskWatch | None = None,
) -> None:
    """Show the table until a stop is requested or the time has elapsed; say once when the disk will soon be full."""
    end = None if seconds is None else time.monotonic() + 0.2 + seconds
    next_refresh, news = 0.0, CameraNews(cameras)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not stopping.wait(0.05 if coverage else REFRESH_S) and (end is None or time.monotonic() < end):
            if coverage is not None:
                coverage.show({camera.name: camera.newest for camera in cameras})
            for line in news.look(time.monotonic()):
                console.print(line, style="yellow", soft_wrap=True)
            if disk is not None and (warning := disk.look(time.monotonic())):
                console.print(warning, style="red", soft_wrap=True)
            if console.is_terminal and time.monotonic() >= next_refresh:
                next_refresh = time.monotonic() + REFRESH_S
                table = table_of(cameras, coverage)
                live.update(table if disk is None else Group(table, disk.row()), refresh=True)


def table_of(cameras: list[CapturedCamera], coverage: Coverage | None = None) -> Group:
    """Real frame rate, exposure and sharpness of each camera, with advice where something is wrong."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    columns = ["camera", "size", "Hz", "of", "frames", "dropped", "bright", "sharp"]
    for column in (*columns, *(("corners", "covered") if coverage else ()), "what to do"):
        table.add_column(column, justify="left" if column in ("camera", "what to do") else "right")
    for camera in cameras:
        quality = camera.quality()
        rate, log, advice = rate_of(camera.arrivals), camera.log, quality.advice() if quality else ["no image yet"]
        if camera.camera.fps and rate < SLOW * camera.camera.fps:
            advice.insert(0, "slow: use fewer pixels, another USB port or more light")
        corners, covered, next_step = coverage.advice(camera.name) if coverage else ("", "", "")
        if coverage:
            advice.append(next_step)
        if camera.silent_s > SILENT_S:
            advice = [f"no image for {camera.silent_s:.0f} s{': ' if camera.trouble else ''}{camera.trouble}"]
        if log and log.error:
            advice.insert(0, log.error)
        if camera.error:
            advice = [camera.error]
        table.add_row(
            Text(camera.name),
            "x".join(map(str, camera.camera.size)),
            f"{rate:.1f}",
            f"{camera.camera.fps:.1f}",
            str(log.frames if log else camera.frames),
            str(camera.dropped),
            f"{quality.brightness:.0f}" if quality else "-",
            f"{quality.sharpness:.0f}" if quality else "-",
            *((corners, covered) if coverage else ()),
            Text("; ".join(advice) or "good"),
        )
    return Group(table, *([coverage.linked()] if coverage else []))


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
