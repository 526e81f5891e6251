"""Videos of a studio that is killed play to within a second of it, every frame at its time."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.cameras.rig_file import save_rig
from multiview.sources.video import Source
from multiview.synthetic import StudioOptions, make_studio
from tests.footage import NUMBERED, number_of
from tests.processes import Processes, until

FPS, SIZE = 30.0, (256, 48)
SIMULATED = "{cameras = 2, people = 1, seconds = 60.0, fps = 30.0, size = [256, 48], person_px = 40.0}"


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """Two such cameras."""
    made = make_studio(StudioOptions(cameras=2, people=1, seconds=60.0, fps=FPS, size=SIZE, person_px=40.0))
    save_rig(made.rig, tmp_path / "rig.toml")
    (tmp_path / "numbered.py").write_text(NUMBERED)
    path = tmp_path / "studio.toml"
    path.write_text(
        'rig = "rig.toml"\nskeleton = "coco17"\n[source]\ntype = "camera"\naddress = "./numbered.py"\n'
        f'detector = "synthetic"\noptions = {{studio = {SIMULATED}}}\n'
        "[cameras.cam01.source]\n"
        f'type = "camera"\naddress = "./numbered.py"\ndetector = "synthetic"\noptions = {{studio = {SIMULATED}}}\n'
        "[cameras.cam02.source]\n"
        f'type = "camera"\naddress = "./numbered.py"\ndetector = "synthetic"\noptions = {{studio = {SIMULATED}}}\n'
        "[hub]\ningest_port = 0\npublish_port = 0\nrequest_port = 0\n"
    )
    return path


def check_video(path: Path, given: Path) -> None:
    """Whole to within a second of the last frame that the camera has given; every frame at its time."""
    last_given = int(given.read_text().split()[-1])
    if last_given <= FPS:
        return  # all of it is within a second
    with path.with_suffix(".timestamps.csv").open() as file:
        rows = [float(row["time"]) for row in csv.DictReader(file)]
    source, numbers, times_ns = Source(path), [], []
    while (frame := source.read()) is not None:
        numbers.append(number_of(frame.image))
        times_ns.append(frame.time_ns)
    source.close()
    assert len(rows) >= len(numbers) > 0
    assert last_given - 1 - numbers[-1] <= FPS, f"{path.name} lost {last_given - numbers[-1]} frames"  # one is not due
    steps_s = np.diff(numbers) / FPS
    np.testing.assert_allclose(np.diff(times_ns) / 1e9, steps_s, atol=1e-6)
    capture = cv2.VideoCapture(str(path))  # and the file alone says the same, in steps of 1/90,000 s
    alone = []
    while capture.read()[0]:
        alone.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3)
    capture.release()
    np.testing.assert_allclose(np.diff(alone), steps_s, atol=2.5e-5)


def kill_and_check(processes: Processes, studio: Path, words: list[str], after_s: float) -> None:
    """Kill the whole command so long after its videos began."""
    take = f"t{random.randrange(10**9)}"
    process = processes.start(words[0], studio, "--take", take, *words[1:])
    folder = studio.parent / "takes" / f"{take}.partial" / "videos"
    try:
        until(lambda: len(list(folder.glob("*.csv"))) == 2, 240.0)
    except AssertionError:
        raise AssertionError(processes.words(words[0])) from None
    time.sleep(after_s)
    process.kill()
    process.wait()
    time.sleep(0.2)  # the workers of a studio end with it
    assert main(["recover", str(folder.parent)]) in (0, 3)  # 3: the stream of a killed `run` lacks its last second
    videos = folder.parent.with_name(take) / "videos"
    for name in ("cam01", "cam02"):
        check_video(videos / f"{name}.mp4", studio.parent / f"{name}.log")


def test_capture_that_is_killed_leaves_videos_that_play(processes: Processes, studio: Path) -> None:
    kill_and_check(processes, studio, ["capture"], random.Random(1).uniform(1.0, 3.0))


def test_run_that_is_killed_leaves_videos_that_play(processes: Processes, studio: Path) -> None:
    kill_and_check(processes, studio, ["run", "--video", "--no-viewer"], random.Random(2).uniform(1.0, 3.0))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_capture_ends_whole_when_it_is_told_to(studio: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "multiview", "capture", str(studio), "--take", "told"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    videos = studio.parent / "takes" / "told.partial" / "videos"
    until(lambda: len(list(videos.glob("*.csv"))) == 2, 240.0)
    time.sleep(1.0)
    process.send_signal(number)
    said, errors = process.communicate(timeout=60.0)
    assert process.returncode == 0, errors
    assert "take: " in said
    take = studio.parent / "takes" / "told"
    for name in ("cam01", "cam02"):
        video = take / "videos" / f"{name}.mp4"
        check_video(video, studio.parent / f"{name}.log")
        capture = cv2.VideoCapture(str(video))
        rows = video.with_suffix(".timestamps.csv").read_text().splitlines()[1:]
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(rows)
        capture.release()
