"""A camera that blocks in its driver, or breaks off for good, is left to whoever starts its worker again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from multiview.cameras.rig_file import save_rig
from multiview.studio.config import CameraSource, Studio
from multiview.synthetic import StudioOptions, make_rig
from services.nodes import camera_worker
from services.nodes.camera_worker import CameraWorker, shared_trouble
from services.runtime.process import Stopping
from services.transport.requests import Ready, Request
from tests.processes import free_hub

SOURCE = '''
import time
from pathlib import Path

import numpy as np

from multiview.data import VideoFrame
from multiview.errors import SourceError

HERE = Path(__file__).parent


class Source:
    """A live camera that gives ten pictures, then blocks, or breaks off."""

    live, frames, fps, size = True, 0, 50.0, (1920, 1080)

    def __init__(self, name):
        self.name, self.index = name, 0

    def read(self):
        if self.index == 10:
            if (HERE / "broken").exists():
                raise SourceError("the camera broke off")
            while not (HERE / "closed").exists():
                time.sleep(0.01)
            return None
        self.index += 1
        time.sleep(0.01)
        return VideoFrame(np.zeros((1080, 1920, 3), np.uint8), self.index - 1, time.monotonic_ns(), self.name)

    def skip(self):
        return self.read() is not None

    def close(self):
        (HERE / "closed").touch()
'''


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CameraWorker, list[Request]]:
    """A worker without a hub, and what it has asked one to note."""
    (tmp_path / "camera.py").write_text(SOURCE)
    save_rig(make_rig(StudioOptions(cameras=2)), tmp_path / "rig.toml")
    detector = {"studio": {"cameras": 2, "seconds": 1.0}}
    source = CameraSource(address=str(tmp_path / "camera.py"), detector="synthetic", options=detector, fps=50.0)
    studio = Studio(rig=str(tmp_path / "rig.toml"), source=source, hub=free_hub())
    said: list[Request] = []
    monkeypatch.setattr(camera_worker, "notify", lambda client, request: said.append(request) or True)
    monkeypatch.setattr(camera_worker, "wait_for_start", lambda *_: 1)
    monkeypatch.setattr(camera_worker, "lower_thread_priority", lambda: None)
    monkeypatch.setattr(camera_worker, "REPORT_S", 0.05)
    monkeypatch.setattr(camera_worker, "PATIENCE_S", 0.3)
    return CameraWorker(studio, ["cam01"]), said


@pytest.mark.slow
def test_worker_of_a_blocked_camera_is_no_longer_ready(
    worker: tuple[CameraWorker, list[Request]], tmp_path: Path
) -> None:
    """It says so by silence, the only sign that reaches the supervisor from a thread that hangs in a driver."""
    camera, said = worker
    stopping, counts = Stopping(), list[int]()

    def watch() -> None:
        for _ in range(60):
            stopping.wait(0.05)
            counts.append(len(said))
        (tmp_path / "closed").touch()

    watching = threading.Thread(target=watch)
    watching.start()
    camera.play(stopping, standalone=False)
    watching.join()
    assert isinstance(said[0], Ready)
    assert counts[-1] == counts[-20]  # nothing for the last second


def test_cameras_that_share_a_worker_with_a_blocked_one_say_so() -> None:
    """They are started again with it."""
    assert shared_trouble("cam02", []) == ""
    assert shared_trouble("cam01", ["cam01"]) == ""  # says itself what it waits for
    assert shared_trouble("cam02", ["cam01", "cam03"]).startswith("started again with cam01, cam03, blocked")


@pytest.mark.slow
def test_worker_of_a_broken_camera_cannot_go_on(worker: tuple[CameraWorker, list[Request]], tmp_path: Path) -> None:
    """Its exit status is that of a process to be started again, not that of a source that has ended."""
    (tmp_path / "broken").touch()
    with pytest.raises(camera_worker.SourceError, match="the camera broke off"):
        worker[0].play(Stopping(), standalone=False)
