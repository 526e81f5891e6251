"""Check this machine and a studio file before a recording; each finding says what to do."""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from multiview.common.console import plain_console
from multiview.errors import MultiviewError
from multiview.models.graphics_card import has_gpu
from multiview.sources import DeviceReport, FrameSource, Reader, ReportsState, device_addresses, open_source
from multiview.studio.config import CameraSource, Studio
from multiview.studio.derived import camera_names, studio_rig
from multiview.studio.studio_file import load_studio
from services.capture.cameras import open_camera
from services.capture.device_state import state_of
from services.capture.disk_speed import disk_speed
from services.runtime.display import has_display
from services.supervise.ports import PORTS, port_trouble
from services.transport.keyring import load_allowed, load_hub_public, load_key

__all__ = ["Finding", "examine"]

Verdict = Literal["good", "warn", "bad"]
STYLES = {"good": "green", "warn": "yellow", "bad": "bold red"}
SLOW_MB_S = 50.0
LITTLE_GB = 10.0
OLD_DAYS = 30
WATCH_S = 2.0
FIRST_PICTURE_S = 60.0  # the longest wait for a stream's first key frame
LOOK_S = WATCH_S + 3.0  # how much longer a camera may take whose first picture came in time
SLOW_START_S = 4.0
NOT_OPEN = {
    "camera": "check its cable, and whether another program uses it",
    "stream": "check its address, user and password, and its network: does a video player show it?",
}
NO_PICTURE = {
    "camera": "check its cable and its settings",
    "stream": "check its settings: codec H.264, a key frame a second",
}
SLOWER = {
    "camera": "slower than its nominal rate: use more light or a shorter exposure",
    "stream": "slower than it says: its network is slow, it is too dark, or its settings say less",
}
DROPPED = {
    "camera": "frames are dropped: use another USB port or cable, fewer pixels, or MJPG",
    "stream": "pictures come unevenly: use a cable instead of Wi-Fi, fewer pixels, or a lower bit rate",
}
RARE_KEY_FRAMES = (
    "set its key frame (I-frame, GOP) interval to 1 s, smart codecs off: else it starts and comes back late"
)


class Finding(NamedTuple):
    """Result of one check: its subject, its state, and what to do if it failed."""

    what: str
    verdict: Verdict
    seen: str
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("studio", type=Path, nargs="?", help="the studio file; without it, only the machine is checked")


def run(args: argparse.Namespace) -> int:
    table, worst, errors = Table(box=SIMPLE_HEAD, pad_edge=False), 0, plain_console(stderr=True)
    for column in ("", "what", "seen", "what to do"):
        table.add_column(column, overflow="fold")
    with errors.status("checking the machine") if errors.is_terminal else nullcontext() as status:
        for finding in examine(args.studio):
            mark = {"good": "ok", "warn": "warn", "bad": "BAD"}[finding.verdict]
            table.add_row(Text(mark, STYLES[finding.verdict]), finding.what, finding.seen, finding.advice)
            worst = max(worst, ("good", "warn", "bad").index(finding.verdict))
            if status is not None:
                status.update(Text(f"{finding.what}: {mark}; still checking"))
    plain_console().print(table)
    subject = "the studio" if args.studio else "this computer"
    print(
        (
            "all checks passed",
            f"{subject} can {'run' if args.studio else 'run studios'}; see what to do above",
            f"{subject} cannot {'run' if args.studio else 'run studios'} like this; see BAD above",
        )[worst]
    )
    return 1 if worst == 2 else 0


def examine(path: Path | None) -> Iterator[Finding]:
    """All findings about the machine, then about the studio file at `path`."""
    yield cpu()
    yield gpu()
    yield clock()
    display = has_display()
    yield Finding("display", "good" if display else "warn", "yes" if display else "none", "" if display else NO_DISPLAY)
    if path is None:
        yield disk(Path.cwd())
        yield from connected()
        return
    try:
        studio = load_studio(path)
    except MultiviewError as error:
        try:
            studio = load_studio(path, check=False)  # an uncalibrated studio can still be looked at
        except MultiviewError:
            yield Finding("studio file", "bad", str(error), "correct the file; configs/studio.toml shows every option")
            return
        if any(finding.verdict != "good" and finding.seen in str(error) for finding in calibration(studio)):
            yield Finding("studio file", "good", f"{path}")  # what is amiss is the calibration, and said there
        else:
            yield Finding("studio file", "bad", str(error), "correct the file")
    else:
        yield Finding("studio file", "good", f"{path}")
    yield disk(Path(studio.recorder.directory))
    yield from ports(studio)
    yield from keys(studio)
    yield from calibration(studio)
    yield from detectors(studio)
    yield from cameras(studio)


NO_DISPLAY = "the viewer cannot open a window here: run it on another machine, or save images with --snapshot"


def cpu() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    seen = f"{cores} cores, load {load:.1f}"
    if load > 0.7 * cores:
        return Finding("processor", "warn", seen, "other programs load the CPU: end them, or expect late poses")
    if cores < 2:
        return Finding("processor", "warn", seen, "fusion and the cameras share one core: use few cameras")
    return Finding("processor", "good", seen)


def gpu() -> Finding:
    """Whether onnxruntime, which most detectors use, would use a graphics card."""
    try:
        import onnxruntime

        providers = onnxruntime.get_available_providers()
    except ImportError:
        return Finding("graphics card", "warn", "onnxruntime is missing", "pip install onnxruntime")
    used = [
        p.removesuffix("ExecutionProvider") for p in providers if p.startswith(("CUDA", "Tensorrt", "CoreML", "Dml"))
    ]
    if used:
        return Finding("graphics card", "good", f"onnxruntime uses {', '.join(used)}")
    if has_gpu():
        return Finding("graphics card", "warn", "present, but not used", "pip install onnxruntime-gpu")
    return Finding("graphics card", "good", "none; detectors run on the CPU, fusion needs none")


def clock() -> Finding:
    """Whether the monotonic clock runs at the rate of UTC, and its resolution."""
    steps = [time.monotonic_ns() for _ in range(1000)]
    step = min((b - a for a, b in itertools.pairwise(steps) if b > a), default=10**9)
    if step > 100_000:
        return Finding(
            "clock", "bad", f"steps of {step / 1e3:.0f} us", "use another machine: time stamps would be too coarse"
        )
    year = datetime.now(UTC).year
    if year < 2024:
        return Finding("clock", "bad", f"the year is {year}", "set the time: timedatectl set-ntp true")
    return Finding("clock", "good", f"steps of {step} ns, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")


def disk(folder: Path) -> Finding:
    while not folder.exists():
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free / 1e9
        speed = disk_speed(folder)
    except OSError as error:
        return Finding("disk", "bad", f"{folder}: {error.strerror}", "choose another [recorder] directory")
    seen = f"{free:.0f} GB free, {speed:.0f} MB/s at {folder}"
    if free < LITTLE_GB:
        return Finding("disk", "warn", seen, "little space: poses need 1 GB per hour, video far more")
    if speed < SLOW_MB_S:
        return Finding("disk", "warn", seen, "slow: record video on another disk, or use fewer cameras")
    return Finding("disk", "good", seen)


def connected() -> Iterator[Finding]:
    """The industrial cameras that answer, where a library for them is installed, and what they say of themselves."""
    for address in device_addresses():
        try:
            camera = open_source(address)
        except MultiviewError as error:
            yield Finding("camera", "warn", f"{address}: {error}", NOT_OPEN["camera"])
            continue
        try:
            state, advice = state_of(camera.report()) if isinstance(camera, ReportsState) else ("", [])
        except MultiviewError as error:
            state, advice = str(error), [NOT_OPEN["camera"]]
        finally:
            camera.close()
        next_step = f'address = "{address}" in a studio file; then multiview doctor STUDIO watches it for lost packets'
        yield Finding("camera", "warn" if advice else "good", f"{address}: {state}", "; ".join(advice) or next_step)


def ports(studio: Studio) -> Iterator[Finding]:
    hub = studio.hub
    for name in PORTS:
        port = getattr(hub, name)
        if trouble := port_trouble(hub.bind or hub.host, port):
            advice = f"is a studio running already? stop it, or set another [hub] {name}"
            yield Finding(f"port {port}", "bad", f"{name}: {trouble}", advice)
            continue
        yield Finding(f"port {port}" if port else "port", "good", f"{name}: free")


def keys(studio: Studio) -> Iterator[Finding]:
    hub, loopback = studio.hub, (studio.hub.bind or studio.hub.host) in ("127.0.0.1", "localhost", "::1")
    if not hub.keys:
        seen = "none; the hub listens on this machine only" if loopback else "none, but the hub listens on a network"
        yield Finding("keys", "good" if loopback else "bad", seen, "" if loopback else "multiview keys studio.toml")
        return
    try:
        load_key(hub.keys, "hub")
        load_hub_public(hub.keys)
        missing = [c for c in camera_names(studio) if c not in load_allowed(hub.keys)]
    except MultiviewError as error:
        yield Finding("keys", "bad", str(error), "multiview keys studio.toml")
        return
    yield Finding("keys", "bad" if missing else "good", f"missing: {', '.join(missing)}" if missing else hub.keys)


def calibration(studio: Studio) -> Iterator[Finding]:
    try:
        rig = studio_rig(studio)
    except MultiviewError as error:
        missing = not (studio.rig and Path(studio.rig).is_file())
        people = "; or `multiview run`, which calibrates from people who walk" if missing else ""
        yield Finding("calibration", "warn" if missing else "bad", str(error), f"multiview calibrate --help{people}")
        return
    if not studio.rig:
        yield Finding("calibration", "good", f"{len(rig)} simulated cameras")
        return
    days = (time.time() - Path(studio.rig).stat().st_mtime) / 86400
    seen = f"{len(rig)} cameras, {days:.0f} days old"
    advice = "cameras may be displaced: check with multiview calibrate check" if days > OLD_DAYS else ""
    yield Finding("calibration", "warn" if advice else "good", seen, advice)
    if rig.world == "camera":
        advice = "calibrate with the board on the floor, so that z is up"
        yield Finding("world", "warn", "the world frame is the first camera's", advice)


def detectors(studio: Studio) -> Iterator[Finding]:
    """Whether every detector loads, as its worker will load it."""
    from multiview.detect import make_detector

    seen = []
    for source in studio.sources:
        if not isinstance(source, CameraSource) or (source.detector, source.options) in seen:
            continue
        seen.append((source.detector, source.options))
        try:
            skeleton = make_detector(source.detector, source.options, Path.cwd()).skeleton.name
        except MultiviewError as error:
            yield Finding("detector", "bad", str(error), "`multiview models list` shows what there is")
            continue
        yield Finding("detector", "good", f"{source.detector} finds {skeleton}")


def cameras(studio: Studio) -> Iterator[Finding]:
    """Findings about all real cameras, or files in their places, which are looked at together, as in a studio.

    None is waited for longer than for a stream with rare key frames, however many give nothing.
    """
    found: dict[str, list[Finding]] = {}
    ends = time.monotonic() + FIRST_PICTURE_S
    threads: dict[str, threading.Thread] = {}
    for name in camera_names(studio):
        source = studio.source_of(name)
        if isinstance(source, CameraSource):
            look = partial(_watch_into, found, name, source, ends)
            threads[name] = threading.Thread(target=look, name=f"doctor {name}", daemon=True)
            threads[name].start()
    for name, thread in threads.items():
        thread.join(max(0.0, ends + LOOK_S - time.monotonic()))
        source = studio.source_of(name)
        kind = "stream" if isinstance(source, CameraSource) and source.is_stream else "camera"
        silent = [Finding(name, "bad", f"neither a picture nor an error in {FIRST_PICTURE_S:g} s", NO_PICTURE[kind])]
        yield from found.get(name, silent)


def _watch_into(found: dict[str, list[Finding]], name: str, source: CameraSource, ends: float) -> None:
    found[name] = list(watch(name, source, ends))


def watch(name: str, source: CameraSource, ends: float | None = None) -> Iterator[Finding]:
    """Open one camera and look at it for two seconds; an industrial one is also asked for its state.

    `ends` is when it is no longer waited for, on the monotonic clock.
    """
    kind = "stream" if source.is_stream else "camera"
    began = time.monotonic()
    ends = began + FIRST_PICTURE_S if ends is None else ends
    try:
        camera = open_camera(source, name)
    except MultiviewError as error:
        yield Finding(name, "bad", str(error), NOT_OPEN[kind])
        return
    times: list[int] = []
    report: DeviceReport | None = None
    try:
        with Reader(camera) as reader:
            if reader.read(max(0.0, ends - time.monotonic())) is None:
                trouble = getattr(camera, "trouble", "")
                seen = f"no picture in {time.monotonic() - began:.0f} s{': ' if trouble else ''}{trouble}"
                yield Finding(name, "bad", seen, NO_PICTURE[kind])
                return
            start_s, end = time.monotonic() - began, time.monotonic() + WATCH_S
            while (left_s := end - time.monotonic()) > 0 and (frame := reader.read(left_s)) is not None:
                times.append(frame.time_ns)
            if isinstance(camera, ReportsState):
                report = camera.report()
    except MultiviewError as error:
        yield Finding(name, "bad", str(error), NO_PICTURE[kind])
        return
    yield _judge(name, kind, camera, times, start_s)
    if report is not None:
        state, advice = state_of(report)
        yield Finding(f"{name} itself", "warn" if advice else "good", state, "; ".join(advice))


def _judge(name: str, kind: str, camera: FrameSource, times: list[int], start_s: float) -> Finding:
    """What the frames of two seconds, taken at these times, say of a camera."""
    if len(times) < 3:
        return Finding(name, "bad", f"{len(times)} frames in {WATCH_S:g} s", NO_PICTURE[kind])
    gaps = [b - a for a, b in itertools.pairwise(times)]
    middle = sorted(gaps)[len(gaps) // 2]
    counted = getattr(camera, "dropped", None)  # by the camera's own count; else by the time between its frames
    dropped = sum(max(0, round(gap / middle) - 1) for gap in gaps) if counted is None else int(counted)
    rate = 1e9 * len(gaps) / (times[-1] - times[0])
    of = f" of {camera.fps:.1f}" if camera.fps else ""
    seen = f"{camera.size[0]}x{camera.size[1]}, {rate:.1f} Hz{of}, {dropped} frames dropped"
    if kind == "stream" and start_s > SLOW_START_S:
        return Finding(name, "warn", f"{seen}; its first picture came after {start_s:.0f} s", RARE_KEY_FRAMES)
    if dropped > 0.02 * len(times):
        return Finding(name, "warn", seen, DROPPED[kind])
    if camera.fps and rate < 0.9 * camera.fps:
        return Finding(name, "warn", seen, SLOWER[kind])
    return Finding(name, "good", seen)
