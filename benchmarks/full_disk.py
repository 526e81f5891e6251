"""A disk that is full for ten seconds in the middle of a recording: a small file system (tmpfs), which is filled.

What came before and after must be there, every frame at its time, and no more may be missing than the disk was full;
what the stream's recorder can keep in memory meanwhile is written later. `status` says so while it lasts, and the
exit status is 3, with a line for each camera that lacks frames. Mounting takes the rights of root.

    python -m benchmarks full_disk
    python -m benchmarks full_disk --commands run --seconds 10
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.killed_video import COMMANDS, FPS, NumberedStudio, number_of, numbered_studio
from multiview.errors import MultiviewError
from multiview.recordings.take import open_take
from multiview.sources import open_source
from multiview.wire.messages import KeypointsMessage, decode

DISK_MB = 32
BEFORE_S, AFTER_S, PATIENCE_S = 3.0, 4.0, 240.0
LATE_S = 3.0  # by which frames may be missing for longer than the disk was full: a fragment, and the next attempt
TAKE = "full"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--seconds", type=float, default=10.0, help="for which the disk is full (default 10)")


def run(args: argparse.Namespace) -> int:
    """Print what each command kept; 1 if that is not what it must be."""
    faults = 0
    for command in args.commands:
        with tempfile.TemporaryDirectory() as folder:
            try:
                for line in _recorded_through(numbered_studio(Path(folder)), command, args.seconds):
                    print(f"{command}: {line}", flush=True)
            except MultiviewError as error:
                faults += 1
                print(f"{command}: NOT AS IT MUST BE: {error}", flush=True)
    return 1 if faults else 0


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of a few MB at this folder; MultiviewError if none can be mounted."""
    place.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs"]
    mounted = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise MultiviewError(f"no file system can be mounted here ({mounted.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _recorded_through(studio: NumberedStudio, command: str, seconds: float) -> Iterator[str]:
    """Record, fill the disk in the middle, and tell what is there."""
    folder = studio.path.parent
    _with_ports(studio.path)
    words = [command, str(studio.path), "--take", TAKE, *COMMANDS[command][1:]]
    with small_disk(folder / "takes") as disk:
        log = folder / "recording.log"
        with log.open("wb") as out:
            process = subprocess.Popen([sys.executable, "-m", "multiview", *words], stdout=out, stderr=out)
        try:
            videos = disk / f"{TAKE}.partial" / "videos"
            _until(lambda: all(_has_frames(videos / f"{name}.mp4") for name in studio.cameras), process, log)
            time.sleep(BEFORE_S)
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            full_at = time.monotonic()
            time.sleep(seconds / 2)
            said = _status(studio.path) if command == "run" else ""
            time.sleep(max(0.0, full_at + seconds - time.monotonic()))
            filler.unlink()
            full_s = time.monotonic() - full_at
            time.sleep(AFTER_S)
            process.terminate()
            status = process.wait(PATIENCE_S)
        finally:
            process.kill()
            process.wait()
        text = log.read_text()
        if status != 3 or any(f"{name}: " not in text or "not in its video" not in text for name in studio.cameras):
            raise MultiviewError(f"exit status {status}: {text}")
        yield f"the disk was full for {full_s:.1f} s; exit status 3"
        if command == "run":
            if "No space" not in said and "disk is full" not in said:
                raise MultiviewError(f"status says nothing of it: {said}")
            yield from (line.strip() for line in said.splitlines() if "No space" in line or "disk" in line)
        for name in studio.cameras:
            yield _video_words(disk / TAKE / "videos" / f"{name}.mp4", full_s)
        if command == "run":
            yield _stream_words(disk / TAKE)


def _with_ports(path: Path) -> None:
    """Ports that `status` knows as well."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    text = path.read_text()
    for name, holder in zip(("ingest", "publish", "request"), holders, strict=True):
        text = text.replace(f"{name}_port = 0", f"{name}_port = {holder.getsockname()[1]}")
        holder.close()
    path.write_text(text)


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            raise MultiviewError(f"it never recorded: {log.read_text()}")
        time.sleep(0.05)


def _has_frames(video: Path) -> bool:
    return video.is_file() and len(video.with_name(f"{video.stem}.timestamps.csv").read_text().splitlines()) > FPS


def _status(studio: Path) -> str:
    command = [sys.executable, "-m", "multiview", "status", str(studio), "--once"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _video_words(video: Path, full_s: float) -> str:
    """All parts as one video: where frames are missing, and that the others have their times."""
    source, numbers, times_s = open_source(str(video)), [], []
    while (frame := source.read()) is not None:
        numbers.append(number_of(frame.image))
        times_s.append(frame.time_ns / 1e9)
    source.close()
    steps = np.diff(numbers)
    if (steps <= 0).any() or not np.allclose(np.diff(times_s), steps / FPS, rtol=0, atol=1e-6):
        raise MultiviewError(f"{video.name}: frames are not at their times")
    lost_s = (steps.max() - 1) / FPS
    before_s = np.argmax(steps) / FPS
    after_s = (len(numbers) - 1 - np.argmax(steps)) / FPS
    if lost_s > full_s + LATE_S or before_s < BEFORE_S - 1.0 or after_s < AFTER_S - LATE_S:
        raise MultiviewError(f"{video.name}: {before_s:.1f} s, {lost_s:.1f} s missing, {after_s:.1f} s")
    return f"{video.name}: {before_s:.1f} s before, {lost_s:.1f} s missing, {after_s:.1f} s after"


def _stream_words(folder: Path) -> str:
    """Frames that the stream lacks in between, camera by camera."""
    frames: dict[str, list[int]] = {}
    for record in open_take(folder).records():
        message = decode(record.body)
        if isinstance(message, KeypointsMessage):
            frames.setdefault(message.camera, []).append(message.frame)
    lost = sum(int((np.diff(numbers) - 1).sum()) for numbers in frames.values())
    total = sum(map(len, frames.values()))
    parts = len(open_take(folder).recordings())
    return f"the stream has {total} messages of cameras in {parts} parts, {lost} are missing in between"
