"""Videos of a studio that is killed play to within a second of it; those of one that is told to end are whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from benchmarks.killed_video import COMMANDS, after_kill, examined, numbered_studio
from tests.processes import until


@pytest.mark.parametrize("command", COMMANDS)
def test_recording_that_is_killed_leaves_videos_that_play(command: str, tmp_path: Path) -> None:
    """At fifty random instants each: `python -m benchmarks killed_video`."""
    found = after_kill(numbered_studio(tmp_path), COMMANDS[command], early=False, after_s=1.5)
    assert all(video.plays for video in found)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_capture_ends_whole_when_it_is_told_to(tmp_path: Path, number: signal.Signals) -> None:
    studio = numbered_studio(tmp_path)
    command = [sys.executable, "-m", "multiview", "capture", str(studio.path), "--take", "told"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    videos = tmp_path / "takes" / "told.partial" / "videos"
    until(lambda: len(list(videos.glob("*.csv"))) == 2, 240.0)
    time.sleep(1.0)
    process.send_signal(number)
    said, errors = process.communicate(timeout=120.0)
    assert process.returncode == 0, errors
    assert "take: " in said
    for name in studio.cameras:
        video = tmp_path / "takes" / "told" / "videos" / f"{name}.mp4"
        assert examined(video, studio.log(name)).plays
        capture = cv2.VideoCapture(str(video))
        rows = video.with_suffix(".timestamps.csv").read_text().splitlines()[1:]
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == len(rows)
        capture.release()
