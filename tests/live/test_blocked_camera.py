"""A camera that is blocked in `read` is said, and its worker is killed and started again."""

from __future__ import annotations

import time
from pathlib import Path

from multiview.cameras.rig_file import save_rig
from multiview.studio.config import load_studio
from multiview.synthetic import StudioOptions, make_studio
from multiview.wire.messages import CameraHealth, KeypointsMessage, decode
from services.supervise.launch import Launch

BLOCKING = '''
"""A live camera at 20 Hz; the first time that it is opened, cam01 blocks after a second, as a broken driver does."""

import threading
import time
from pathlib import Path

import numpy as np

from multiview.data import VideoFrame


class Source:
    live, frames, fps, size, patience_s = True, 0, 20.0, (64, 48), 1.0

    def __init__(self, name):
        self.name, self.number = name, 0
        flag = Path(__file__).with_name("opened")
        self.blocks = name == "cam01" and not flag.exists()
        if self.blocks:
            flag.touch()

    def read(self):
        if self.blocks and self.number == 20:
            threading.Event().wait()
        time.sleep(1 / self.fps)
        self.number += 1
        return VideoFrame(np.zeros((48, 64, 3), np.uint8), self.number, time.monotonic_ns(), self.name)

    def skip(self):
        return self.read() is not None

    def close(self):
        pass
'''


def test_blocked_camera_is_said_and_its_worker_started_again(tmp_path: Path) -> None:
    options = {"cameras": 2, "people": 1, "seconds": 60.0, "fps": 20.0, "size": [64, 48]}
    save_rig(make_studio(StudioOptions(**{**options, "size": (64, 48)})).rig, tmp_path / "rig.toml")  # type: ignore[arg-type]
    (tmp_path / "blocking.py").write_text(BLOCKING)
    simulated = ", ".join(f"{name} = {value}" for name, value in options.items())
    (tmp_path / "studio.toml").write_text(
        'rig = "rig.toml"\nskeleton = "coco17"\n[source]\ntype = "camera"\naddress = "./blocking.py"\nfps = 20.0\n'
        f'detector = "synthetic"\noptions = {{studio = {{{simulated}}}}}\n'
        "[hub]\ningest_port = 0\npublish_port = 0\nrequest_port = 0\n"
    )
    with Launch(load_studio(tmp_path / "studio.toml"), take="blocked", viewer=False) as launch:
        launch.start()
        first, end = launch.pids()["worker cam01"], time.monotonic() + 60.0
        while launch.pids()["worker cam01"] in (first, 0) and time.monotonic() < end:
            launch.wait(timeout_s=0.2)
        assert launch.pids()["worker cam01"] != first
        other = launch.pids()["worker cam02"]
        launch.wait(timeout_s=5.0)
        assert launch.pids()["worker cam02"] == other
    assert launch.take is not None
    runs: dict[int, int] = {}
    notes = set()
    for record in launch.take.records():
        message = decode(record.body)
        if isinstance(message, KeypointsMessage) and message.camera == "cam01":
            runs[message.boot_id] = runs.get(message.boot_id, 0) + 1
        if isinstance(message, CameraHealth) and message.camera == "cam01":
            notes.add(message.note)
    assert len(runs) == 2  # the first run's frames, and those since
    assert min(runs.values()) >= 1
    assert any("reading from it is blocked" in note for note in notes)
