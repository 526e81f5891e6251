"""Four emulated industrial cameras are captured: is a frame lost that no count shows, are stamps true, is one back?

Of each kind four cameras record at 60 Hz. Every frame that the camera counted must be in the video or in a count of
losses. Aravis's cameras stamp with this machine's clock of UTC, which tells how wrong the mapped stamps are; Basler's
emulation has no clock, so its frames have the time of their arrival. Then one camera is unplugged for a while: how long
after its return does its first frame come, and how long did the others wait for a frame meanwhile?

    python -m benchmarks industrial_cameras
    python -m benchmarks industrial_cameras --kinds genicam --seconds 5
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.emulated_camera import ADDRESS, network_camera
from multiview.recordings.take import finish_take
from multiview.sources import DeviceSettings
from multiview.sources._device import RawFrame
from multiview.sources._device_source import DeviceSource
from multiview.studio.config import CameraOptions, CameraSource, RecorderOptions, Studio
from services.capture.camera_news import CameraNews
from services.capture.captured import CapturedCamera, new_capture, open_cameras, start_together

CAMERAS, FPS, SIZE = 4, 60.0, (640, 480)
EXPOSURE_US = 2000.0
AWAY_S, AFTER_S = 1.5, 6.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kinds", nargs="+", choices=("basler", "genicam"), default=["basler", "genicam"])
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the recording")


def run(args: argparse.Namespace) -> None:
    for kind in args.kinds:
        addresses = _addresses(kind)
        _count(kind, addresses, args.seconds)
        _unplug(kind, addresses)


class Witness:
    """Notes what a camera's driver hands over, before anything is done with it."""

    def __init__(self, source: DeviceSource) -> None:
        self.frames: list[RawFrame] = []
        device: Any = source._device
        grab = device.grab

        def noted(timeout_s: float) -> RawFrame | None:
            frame: RawFrame | None = grab(timeout_s)
            if frame is not None:
                self.frames.append(frame._replace(pixels=None))
            return frame

        device.grab = noted


def _addresses(kind: str) -> list[str]:
    if kind == "basler":
        os.environ["PYLON_CAMEMU"] = str(CAMERAS)
        return [f"basler:0815-{number:04}" for number in range(CAMERAS)]
    return [f"genicam:Fake_{number + 1}" for number in range(CAMERAS)]


def _studio(addresses: list[str], folder: str) -> Studio:
    settings = DeviceSettings(pixel_format="Mono8", roi=[0, 0, *SIZE], exposure_us=EXPOSURE_US)
    sources = {
        f"cam{number + 1:02}": CameraOptions(source=CameraSource(address=address, fps=FPS, settings=settings))
        for number, address in enumerate(addresses)
    }
    return Studio(cameras=sources, recorder=RecorderOptions(directory=folder))


def _count(kind: str, addresses: list[str], seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        studio = _studio(addresses, folder)
        cameras = open_cameras(studio)
        witnesses = [Witness(_source(camera)) for camera in cameras]
        take = new_capture(studio, "count", "")
        start_together(cameras, take)
        utc_ns = _utc_less_monotonic_ns()
        time.sleep(0.2 + seconds)
        for camera in cameras:
            camera.close()
        print(f"{kind}: {CAMERAS} cameras, {SIZE[0]}x{SIZE[1]}, {FPS:g} Hz, {seconds:g} s", flush=True)
        for camera, witness in zip(cameras, witnesses, strict=True):
            _print_counts(camera, witness, _times(take.videos, camera.name), utc_ns)
        finish_take(take)


def _utc_less_monotonic_ns() -> int:
    """Of many tries, the one that took the least time."""
    tries = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(1000)]
    before, utc, after = min(tries, key=lambda one: one[2] - one[0])
    return utc - (before + after) // 2


def _times(videos: Path, camera: str) -> list[float]:
    """The times in a recording's table, s."""
    rows = (videos / f"{camera}.timestamps.csv").read_text(encoding="ascii").split()[1:]
    return [float(row.split(",")[1]) for row in rows]


def _print_counts(camera: CapturedCamera, witness: Witness, times: list[float], utc_ns: int) -> None:
    assert camera.log is not None
    zero_ns = camera._zero_ns
    recorded = [round(second * 1e9) + zero_ns for second in times]
    ids = np.array([frame.frame_id for frame in witness.frames])
    steps = np.diff(ids) % 65535 if ids.max() <= 65535 else np.diff(ids)
    taken = int(steps.sum()) + 1  # by the camera, since the witness came
    has_clock = witness.frames[0].stamp_ns > 0
    truth = np.array(
        [f.stamp_ns - utc_ns + round(500 * EXPOSURE_US) if has_clock else f.arrival_ns for f in witness.frames]
    )
    before = int(np.abs(truth - recorded[0]).argmin())  # frames of before the recording's first
    known = len(witness.frames) + camera.lost
    line = (
        f"  {camera.name}: camera counted {taken}, driver gave {len(ids)}, lost on the way {camera.lost}, in the video "
        f"{len(times)}, dropped by the writer {camera.log.dropped}, before the start {before}"
    )
    unexplained = taken - known, len(ids) - len(times) - camera.log.dropped - before
    print(f"{line}; unexplained {unexplained[0]} and {unexplained[1]}")
    errors = np.array([np.abs(truth - time_ns).min() for time_ns in recorded]) / 1e6
    what = "truth" if has_clock else "arrival"
    median, most, within = np.median(errors), errors.max(), float((errors <= 1.0).mean())
    print(f"    stamps: {median:.3f} ms median, {most:.3f} ms at most from the {what}, {within:.0%} within 1 ms")


def _unplug(kind: str, addresses: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if kind == "genicam":
            plugged = stack.enter_context(contextlib.ExitStack())
            plugged.enter_context(network_camera())
            addresses = [f"genicam:{ADDRESS}", *addresses[1:]]
        studio = _studio(addresses, folder)
        cameras = open_cameras(studio)
        take = new_capture(studio, "unplug", "")
        start_together(cameras, take)
        news, stop, lines = CameraNews(cameras), threading.Event(), list[str]()
        arrivals = {camera.name: list[int]() for camera in cameras}
        watcher = threading.Thread(target=_watch, args=(cameras, news, stop, lines, arrivals))
        watcher.start()
        time.sleep(2.0)
        if kind == "genicam":
            plugged.close()
        else:
            os.environ["PYLON_CAMEMU"] = "0"
            _source(cameras[0])._device.features.execute("FirePnPCallback")
        away_ns = time.monotonic_ns()
        time.sleep(AWAY_S)
        if kind == "genicam":
            stack.enter_context(network_camera())
        else:
            os.environ["PYLON_CAMEMU"] = str(CAMERAS)
        back_ns = time.monotonic_ns()  # its emulation has begun
        time.sleep(AFTER_S)
        stop.set()
        watcher.join()
        for camera in cameras:
            camera.close()
        finish_take(take)
        print(f"{kind}: cam01 is unplugged for {(back_ns - away_ns) / 1e9:.1f} s")
        for line in lines:
            print(f"  said: {line}")
        came = [at for at in arrivals["cam01"] if at > back_ns]
        print(f"  first frame {(came[0] - back_ns) / 1e9:.2f} s after its return" if came else "  it did not come back")
        for camera in cameras[1:]:
            gaps = [b - a for a, b in pairwise(arrivals[camera.name])]
            print(f"  {camera.name}: the longest wait for a frame {max(gaps) / 1e6:.0f} ms")


def _watch(
    cameras: list[CapturedCamera],
    news: CameraNews,
    stop: threading.Event,
    lines: list[str],
    arrivals: dict[str, list[int]],
) -> None:
    while not stop.wait(0.05):
        lines.extend(news.look(time.monotonic()))
        for camera in cameras:
            known = arrivals[camera.name]
            known.extend(at for at in list(camera.arrivals) if not known or at > known[-1])


def _source(camera: CapturedCamera) -> DeviceSource:
    assert isinstance(camera.camera, DeviceSource)
    return camera.camera
