"""Recordings that are killed (SIGKILL) at random instants, from before the first picture on: what their videos hold.

A camera's pictures show their number in binary, and the camera writes down what it has given, and when. Of a video that
is killed nothing may be missing that was given more than a second before, and every frame must have its own time. A
video that is killed in its first second may hold no picture: then `recover` says so, and exits with 3. It hides neither
the other cameras nor its own other parts.

    python -m benchmarks killed_video --kills 50
    python -m benchmarks killed_video --commands capture --kills 10 --seed 1
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from multiview.cameras.rig_file import save_rig
from multiview.common.ledger import ledger
from multiview.errors import MultiviewError, SourceError
from multiview.sources import open_cameras, open_source
from multiview.sources.video import Source
from multiview.synthetic import StudioOptions, make_studio

__all__ = [
    "CAMERA",
    "COMMANDS",
    "NumberedStudio",
    "VideoAfterKill",
    "after_kill",
    "examined",
    "number_of",
    "numbered_studio",
]

FPS, SIZE, CAMERAS = 30.0, (256, 48), ("cam01", "cam02")
LIMIT_S, PATIENCE_S, LONGEST_S = 1.0, 240.0, 3.0
START_S = 0.2  # from the beginning of the files to the first frame that is recorded
COMMANDS = {"capture": ("capture",), "run": ("run", "--video", "--no-viewer")}
EARLY = 0.3  # share of kills that come before the first video, or soon after it
STEP_S = 2.5e-5  # a video's own unit of time is 1/90,000 s
TIMES = ".timestamps.csv"
CAMERA = '''
"""A camera whose pictures show their number in binary, and which tells a file what it has given, and when."""

import time
from pathlib import Path

import numpy as np

from multiview.data import VideoFrame


class Source:
    live, frames, fps, size = False, 0, 30.0, (256, 48)

    def __init__(self, name):
        self.name, self.number = name, 0
        self.log = Path(__file__).with_name(f"{name}.log").open("w", buffering=1)

    def read(self):
        image = np.zeros((48, 256, 3), np.uint8)
        for bit in range(16):
            image[:, 16 * bit : 16 * bit + 16] = 255 * (self.number >> bit & 1)
        frame = VideoFrame(image, self.number, round(self.number * 1e9 / self.fps), self.name)
        self.log.write(f"{self.number} {time.monotonic_ns()}\\n")
        self.number += 1
        return frame

    def skip(self):
        return self.read() is not None

    def close(self):
        self.log.close()
'''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The study's own arguments."""
    parser.add_argument("--kills", type=int, default=50, help="of each command (default 50)")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Print what the videos of each command held; 1 if one lacks what it must have."""
    faults = 0
    for command in args.commands:
        rng, counts, worst_s = random.Random(f"{command} {args.seed}"), Counter[str](), 0.0
        for number in range(args.kills):
            with tempfile.TemporaryDirectory() as folder:
                early, after_s = rng.random() < EARLY, rng.random() ** 2 * LONGEST_S
                studio = numbered_studio(Path(folder))
                try:
                    found = after_kill(studio, COMMANDS[command], early, after_s)
                except MultiviewError as error:
                    faults += 1
                    print(f"{command} {number}: {error}", flush=True)
                    continue
            counts.update("plays" if video.plays else "no picture, and said so" for video in found)
            worst_s = max([worst_s, *(video.missing_s for video in found)])
        words = ", ".join(f"{count} {word}" for word, count in sorted(counts.items()))
        print(f"{command}: {args.kills} kills; of the videos {words}; at most {worst_s:.2f} s missing", flush=True)
    print(f"{faults} kills cost what they must not" if faults else "nothing older than a second is missing")
    return 1 if faults else 0


@dataclass(frozen=True, slots=True)
class NumberedStudio:
    """The studio file of two cameras that number their pictures."""

    path: Path
    cameras: tuple[str, ...] = CAMERAS

    def log(self, camera: str) -> Path:
        """What the camera has given, by number."""
        return self.path.with_name(f"{camera}.log")


@dataclass(frozen=True, slots=True)
class VideoAfterKill:
    """A camera's video; the first frame that is not in it was given `missing_s` before the kill."""

    plays: bool
    missing_s: float


def numbered_studio(folder: Path) -> NumberedStudio:
    """Write it, its rig and the cameras' program."""
    options = StudioOptions(cameras=2, people=1, seconds=60.0, fps=FPS, size=SIZE, person_px=40.0)
    save_rig(make_studio(options).rig, folder / "rig.toml")
    (folder / "numbered.py").write_text(CAMERA)
    simulated = "{cameras = 2, people = 1, seconds = 60.0, fps = 30.0, size = [256, 48], person_px = 40.0}"
    source = f'type = "camera"\naddress = "./numbered.py"\ndetector = "synthetic"\noptions = {{studio = {simulated}}}\n'
    text = f'rig = "rig.toml"\nskeleton = "coco17"\n[source]\n{source}'
    text += "".join(f"[cameras.{name}.source]\n{source}" for name in CAMERAS)
    text += "[hub]\ningest_port = 0\npublish_port = 0\nrequest_port = 0\n"
    (folder / "studio.toml").write_text(text)
    return NumberedStudio(folder / "studio.toml")


def number_of(image: np.ndarray) -> int:
    """The number that a picture shows."""
    return sum(1 << bit for bit in range(16) if image[24, 16 * bit + 8].mean() > 128)


def after_kill(studio: NumberedStudio, words: tuple[str, ...], early: bool, after_s: float) -> list[VideoAfterKill]:
    """Kill a recording, recover it and read its videos.

    Args:
        studio: Where to record.
        words: The command, and options for it.
        early: Whether the time counts from the first sign of a take, or from when all of its videos have begun.
        after_s: How long after that it is killed, s.

    Raises:
        MultiviewError: Something is missing that must be there, or is not said.
    """
    folder = studio.path.parent
    begun = folder / "takes" / "killed.partial"
    with _recording(studio, words) as process:
        wanted = 0 if early else len(studio.cameras)
        end = time.monotonic() + PATIENCE_S
        since: dict[str, float] = {}  # when the files of each camera were seen first, s
        kill_at = np.inf
        while (now := time.monotonic()) < kill_at:
            if process.poll() is not None or now > end:
                raise MultiviewError(f"{words[0]} never recorded: {(folder / 'recording.log').read_text()}")
            for path in begun.glob(f"videos/*{TIMES}"):
                since.setdefault(path.name.removesuffix(TIMES), now)
            if kill_at == np.inf and begun.is_dir() and len(since) >= wanted:
                kill_at = now + after_s
            time.sleep(0.005)
        children = _children(process.pid)
        process.kill()
        killed = time.monotonic()
        process.wait()
        while any(_runs(pid) for pid in children):  # its workers end with it
            time.sleep(0.01)
    said = subprocess.run(
        [sys.executable, "-m", "multiview", "recover", str(begun)], capture_output=True, text=True, check=False
    )
    if said.returncode not in (0, 2, 3) or "Traceback" in said.stderr:
        raise MultiviewError(f"recover ended with {said.returncode}: {said.stderr}")
    videos = begun.with_name("killed") / "videos"
    if said.returncode == 2:  # there was nothing to recover
        videos = begun / "videos"
    ages = [max(0.0, killed - START_S - since.get(name, killed)) for name in studio.cameras]
    found = [
        examined(videos / f"{name}.mp4", studio.log(name), age, killed)
        for name, age in zip(studio.cameras, ages, strict=True)
    ]
    for name, video in zip(studio.cameras, found, strict=True):
        line = f"{name}.mp4 holds no picture"
        begun_here = (videos / f"{name}{TIMES}").exists()
        if not video.plays and begun_here and said.returncode != 2 and line not in said.stderr:
            raise MultiviewError(f"nobody says of {name} that it holds no picture: {said.stderr}")
    _check_others(videos, studio.cameras, found)
    return found


@contextlib.contextmanager
def _recording(studio: NumberedStudio, words: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "multiview", words[0], str(studio.path), "--take", "killed", *words[1:]]
    with studio.path.with_name("recording.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path.cwd())
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def examined(path: Path, given: Path, age_s: float = np.inf, ended_s: float = np.inf) -> VideoAfterKill:
    """Nothing older than a second is missing, and every frame has its time.

    Args:
        path: The video.
        given: Numbers of the frames that the camera has given, and when.
        age_s: For how long it had been recorded, s.
        ended_s: When it was killed, on the monotonic clock; if it was not, nothing may be missing.

    Raises:
        MultiviewError: Something is missing.
    """
    lines = given.read_text().splitlines() if given.exists() else []
    given_s = [int(line.split()[1]) / 1e9 for line in lines[:-1]]  # the last one is read ahead
    try:
        seen = _numbers_and_times(path)
    except SourceError:
        if age_s > LIMIT_S:
            raise MultiviewError(f"{path.name} does not play, after {age_s:.2f} s") from None
        return VideoAfterKill(False, age_s)
    shown = [number for number, _ in seen]
    missing = given_s[shown[-1] + 1 :]
    missing_s = max(0.0, ended_s - missing[0]) if missing else 0.0
    if missing_s > LIMIT_S:
        raise MultiviewError(f"{path.name} lacks {len(missing)} frames, the first of {missing_s:.2f} s before its end")
    steps_s = np.diff(shown) / FPS
    if not np.allclose(np.diff([time_s for _, time_s in seen]), steps_s, rtol=0, atol=1e-6):
        raise MultiviewError(f"{path.name}: frames are not at their times")
    if not np.allclose(np.diff(_own_times(path)), steps_s, rtol=0, atol=STEP_S):
        raise MultiviewError(f"{path.name}: without its timestamps frames are not at their times")
    with path.with_name(path.stem + TIMES).open() as file:
        if len(list(csv.DictReader(file))) < len(seen):
            raise MultiviewError(f"{path.name}: frames without a time")
    return VideoAfterKill(True, missing_s)


def _numbers_and_times(path: Path) -> list[tuple[int, float]]:
    source, seen = Source(path), []
    while (frame := source.read()) is not None:
        seen.append((number_of(frame.image), frame.time_ns / 1e9))
    source.close()
    return seen


def _own_times(path: Path) -> list[float]:
    """What the file says without its timestamps, s."""
    capture, times = cv2.VideoCapture(str(path)), []
    while capture.read()[0]:
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
    capture.release()
    return times


def _check_others(videos: Path, cameras: tuple[str, ...], found: list[VideoAfterKill]) -> None:
    """Whoever reads all the videos that are there gets every one that plays."""
    there = [(video, name) for name in cameras if (video := videos / f"{name}.mp4").exists()]
    plays = [name for name, video in zip(cameras, found, strict=True) if video.plays]
    if not plays:
        return
    with ledger():
        opened = open_cameras(there, lambda video, name: open_source(str(video), name))
    if [source.name for source in opened] != plays:
        raise MultiviewError(f"of {plays} only {[source.name for source in opened]} can be opened")
