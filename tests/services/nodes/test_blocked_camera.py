"""A camera that blocks in its driver, or breaks off for good, is left to whoever starts its worker again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from multiview.cameras.rig_file import save_rig
from multiview.studio.config import CameraSource, Studio
from multiview.synthetic import StudioOptions, make_rig
from services.nodes import camera_worker
from services.nodes.camera_worker import CameraWorker
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
def worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> tuple[CameraWorker, list[Request]]:
    """A worker without a hub, and what it has asked one to note; of two cameras where they are given."""
    text = getattr(request, "param", SOURCE)
    (tmp_path / "camera.py").write_text(text)
    save_rig(make_rig(StudioOptions(cameras=2)), tmp_path / "rig.toml")
    detector = {"studio": {"cameras": 2, "seconds": 1.0}}
    source = CameraSource(address=str(tmp_path / "camera.py"), detector="synthetic", options=detector, fps=50.0)
    studio = Studio(rig=str(tmp_path / "rig.toml"), source=source, hub=free_hub())
    said: list[Request] = []
    monkeypatch.setattr(camera_worker, "notify", lambda client, request: said.append(request) or True)
    monkeypatch.setattr(camera_worker, "wait_for_start", lambda *_: 1)
    monkeypatch.setattr(camera_worker, "lower_thread_priority", lambda: None)
    monkeypatch.setattr(camera_worker, "REPORT_S", 0.05)
    # Longer than a busy machine stalls, where another camera must not be taken for blocked.
    monkeypatch.setattr(camera_worker, "PATIENCE_S", 0.3 if text is SOURCE else 3.0)
    return CameraWorker(studio, ["cam01"] if text is SOURCE else ["cam01", "cam02"]), said


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


SHARED = '''
import os
import time
from pathlib import Path

import numpy as np

from multiview.data import VideoFrame

HERE = Path(__file__).parent


class Source:
    """A live camera that writes down how many pictures it gave. cam02 blocks before its sixth."""

    live, frames, fps, size = True, 0, 50.0, (1920, 1080)

    def __init__(self, name):
        self.name, self.index = name, 0
        self.given = HERE / f"{name}.{os.getpid()}"

    def read(self):
        while self.name == "cam02" and self.index == 5:
            time.sleep(0.01)
        self.index += 1
        time.sleep(0.01)
        self.given.write_bytes(bytes(self.index))
        return VideoFrame(np.zeros((1080, 1920, 3), np.uint8), self.index - 1, time.monotonic_ns(), self.name)

    def skip(self):
        return self.read() is not None

    def close(self):
        pass
'''


class Over(Stopping):
    """True once something has happened, or a minute is over."""

    def __init__(self, happened: Callable[[], bool]) -> None:
        self._happened, self._end = happened, time.monotonic() + 60.0

    def __bool__(self) -> bool:
        return self._happened() or time.monotonic() > self._end

    def wait(self, timeout_s: float) -> bool:
        time.sleep(min(timeout_s, 0.02))
        return bool(self)


@pytest.mark.slow
@pytest.mark.parametrize("worker", [SHARED], indirect=True)
def test_blocked_camera_of_a_shared_worker_is_started_again_beside_the_others(
    worker: tuple[CameraWorker, list[Request]], tmp_path: Path
) -> None:
    """cam01 goes on meanwhile, read by one process all the time, and the worker says that it works."""

    def given(camera: str) -> list[int]:
        return sorted(path.stat().st_size for path in tmp_path.glob(f"{camera}.*"))

    phases: list[tuple[int, int]] = []

    def happened() -> bool:
        """Twice blocked and started again, and the other has gone on since."""
        if not phases and given("cam02")[1:] == [5, 5]:
            phases.append((sum(given("cam01")), len(worker[1])))
        return bool(phases) and sum(given("cam01")) > phases[0][0] + 5 and len(worker[1]) > phases[0][1]

    worker[0].play(Over(happened), standalone=False)
    assert happened()
    assert len(given("cam01")) == 1


@pytest.mark.slow
def test_worker_of_a_broken_camera_cannot_go_on(worker: tuple[CameraWorker, list[Request]], tmp_path: Path) -> None:
    """Its exit status is that of a process to be started again, not that of a source that has ended."""
    (tmp_path / "broken").touch()
    with pytest.raises(camera_worker.SourceError, match="the camera broke off"):
        worker[0].play(Stopping(), standalone=False)
