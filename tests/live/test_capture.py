"""Cameras are captured in step, with the true time of every frame; doctor says what is wrong and what to do."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest

from multiview.__main__ import main
from multiview.errors import ConfigError
from multiview.recordings.take import begin_take, finish_take
from multiview.sources import open_source
from multiview.sources.video import Source
from multiview.studio.config import CameraOptions, CameraSource, HubOptions, RecorderOptions, Studio
from services.capture.cameras import PlaybackCamera
from services.capture.captured import CapturedCamera, open_cameras, start_together
from services.capture.doctor import examine, ports
from tests.processes import until

FPS = 50.0
SIZE = (64, 48)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Forty frames, each as bright as its number."""
    path = tmp_path / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for i in range(40):
        writer.write(np.full((SIZE[1], SIZE[0], 3), 5 * i + 20, np.uint8))
    writer.release()
    return path


def test_cameras_that_lose_frames_and_jitter_are_captured_with_true_times(video: Path, tmp_path: Path) -> None:
    def camera(name: str) -> PlaybackCamera:
        return PlaybackCamera(lambda: open_source(str(video), name), drops=0.2, jitter_s=0.02)

    cameras = [CapturedCamera(camera("cam01")), CapturedCamera(camera("cam02"))]
    take = begin_take(tmp_path, "first", datetime.now(UTC), "", "")
    start_together(cameras, take)
    until(lambda: all(camera.log is not None and camera.log.frames >= 30 for camera in cameras))
    for captured in cameras:
        captured.close()
    take = finish_take(take)
    for captured in cameras:
        source = Source(take.videos / f"{captured.name}.mp4")
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
        source.close()
        assert captured.log is not None
        assert len(frames) == captured.log.frames >= 10
        times = np.array([frame.time_ns for frame in frames])
        assert times[0] >= 0
        steps = np.diff(times) * FPS / 1e9
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)  # no jitter in a true time
        assert steps.max() >= 2.0  # a lost frame is a longer step, not a shift of those after it
        shades = np.array([frame.image.mean() for frame in frames])
        passed = np.round((shades[1:] - shades[:-1]) / 5.0) % 40
        np.testing.assert_allclose(passed, np.round(steps), atol=1.0)


def test_what_is_no_camera_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no cameras"):
        open_cameras(Studio())
    before = threading.active_count()
    missing = {"cam01": CameraOptions(source=CameraSource(address=str(tmp_path / "none.mp4")))}
    (tmp_path / "s.toml").write_text(f'[cameras.cam01.source]\ntype = "camera"\naddress = "{tmp_path}/none.mp4"\n')
    assert main(["capture", str(tmp_path / "s.toml")]) == 2
    with pytest.raises(Exception, match=r"none\.mp4"):
        open_cameras(Studio(cameras=missing))
    assert threading.active_count() == before


def test_doctor_names_what_is_wrong(video: Path, tmp_path: Path) -> None:
    path = tmp_path / "studio.toml"
    path.write_text(f'[cameras.cam01.source]\ntype = "camera"\naddress = "{video}"\n[hub]\nbind = "0.0.0.0"\n')
    found = {finding.what: finding for finding in examine(path)}
    assert found["calibration"].verdict == "warn"  # `run` calibrates from people then
    assert "calibrates from people" in found["calibration"].advice
    assert found["studio file"].verdict == "good"  # one fault is said once
    assert found["keys"].verdict == "bad"
    assert "multiview keys" in found["keys"].advice
    assert found["cam01"].verdict == "good"
    (tmp_path / "rig.toml").write_text("no rig\n")
    path.write_text('rig = "rig.toml"\n' + path.read_text())
    found = {finding.what: finding for finding in examine(path)}
    assert found["calibration"].verdict == "bad"
    path.write_text("[hub]\nprot = 1\n")
    found = {finding.what: finding for finding in examine(path)}
    assert "did you mean" in found["studio file"].seen
    assert RecorderOptions().directory == "takes"


def test_doctor_says_which_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        studio = Studio(hub=HubOptions(ingest_port=0, publish_port=port, request_port=0))
        found = {finding.what: finding for finding in ports(studio)}
    assert found[f"port {port}"].verdict == "bad"
    assert found[f"port {port}"].seen == "publish_port: in use"
    assert found["port"].verdict == "good"
