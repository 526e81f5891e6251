"""A studio in real processes: what goes in comes out, what is recorded replays bit for bit, the dead come back."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from multiview.body.skeleton import load_skeleton
from multiview.cameras.rig_file import load_rig
from multiview.data import NS_PER_S, Views
from multiview.errors import ConfigError, SourceError
from multiview.fusion.pipeline import Pipeline
from multiview.recordings.keypoint_folder import open_keypoint_folders
from multiview.recordings.take import Take, open_take
from multiview.studio.config import HubOptions, KeypointsSource, RecorderOptions, Studio
from multiview.studio.rerun import compare, rerun_fusion
from multiview.studio.studio_file import write_studio
from multiview.studio.take_studio import recorded_poses
from multiview.wire.messages import PosesMessage, decode
from services.supervise.launch import Launch
from services.transport.bus import Subscriber
from tests.processes import FREE, Processes, free_hub, synthetic_studio, until


class Poses:
    """What a client of the hub sees."""

    def __init__(self, launch: Launch) -> None:
        self._subscriber = Subscriber(launch.studio.hub, ["poses"])
        self.seen: list[PosesMessage] = []

    def update(self) -> list[PosesMessage]:
        for received in self._subscriber.drain():
            message = decode(received.body)
            assert isinstance(message, PosesMessage)
            self.seen.append(message)
        return self.seen

    def last(self) -> PosesMessage | None:
        return self.update()[-1] if self.update() else None

    def __enter__(self) -> Poses:
        return self

    def __exit__(self, *_: object) -> None:
        self._subscriber.close()


def test_live_replay_and_offline_agree_in_every_bit(shared_data: Path, tmp_path: Path) -> None:
    """Five workers, 120 frames: every tick comes out, and live, replayed and offline agree in every bit."""
    shelf = shared_data / "shelf_easy"
    studio = Studio(
        rig=str(shelf / "rig.toml"),
        skeleton="body25",
        source=KeypointsSource(directory=str(shelf / "keypoints"), fps=25.0),
        hub=FREE,
        recorder=RecorderOptions(directory=str(tmp_path)),
    )
    with Launch(studio, take="shelf", viewer=False) as launch:
        launch.start()
        assert launch.wait(timeout_s=120.0)
    assert launch.take is not None
    assert launch.take.folder == tmp_path / "shelf"
    live = list(recorded_poses(launch.take.records()))
    assert [message.tick for message in live] == list(range(300, 420))
    fused = list(rerun_fusion(launch.take))
    assert compare(fused, live) == (120, 0, 0)

    rig, skeleton = load_rig(shelf / "rig.toml"), load_skeleton("body25")
    folders = open_keypoint_folders(shelf / "keypoints", rig, skeleton)
    pipeline = Pipeline(rig, skeleton, contacts=True)
    for frame, again in zip(folders.frames, fused, strict=True):
        seen = tuple(folders.read(camera, frame) for camera in range(len(rig)))
        tracks = pipeline.step(Views(frame, round(frame * NS_PER_S / 25.0), seen))
        assert [track.person for track in tracks.tracks] == [track.person for track in again.tracks.tracks]
        for one, two in zip(tracks.tracks, again.tracks.tracks, strict=True):
            np.testing.assert_array_equal(one.pose.xyz, two.pose.xyz)
            np.testing.assert_array_equal(one.pose.cov, two.pose.cov)


def test_launch_restarts_dead_processes(tmp_path: Path) -> None:
    """A worker, fusion and the recorder are killed one after the other; the others go on, and the take has it all."""
    launch = Launch(synthetic_studio(tmp_path), take="faults", viewer=False)
    with launch, Poses(launch) as poses:
        launch.start()

        def cameras() -> int:
            launch.watch()
            last = poses.last()
            return len(last.cameras) if last else 0

        until(lambda: cameras() == 3)
        os.kill(launch.pids()["worker cam02"], signal.SIGKILL)
        until(lambda: cameras() == 2)
        until(lambda: cameras() == 3)

        boot = poses.seen[-1].boot_id
        os.kill(launch.pids()["fusion"], signal.SIGKILL)
        until(lambda: cameras() == 3 and poses.seen[-1].boot_id != boot)

        os.kill(launch.pids()["recorder"], signal.SIGKILL)
        assert launch.take is not None
        assert len(list(launch.take.records())) > 0  # readable as it is
        launch.watch()
        until(lambda: cameras() == 3 and len(launch.take.recordings()) == 2 if launch.take else False)
        begun = len(poses.seen)  # a recorder that has opened its file need not have reached the hub yet
        until(lambda: cameras() == 3 and len(poses.seen) > begun + 60)
        pids = launch.pids()
    assert not any(_alive(pid) for pid in pids.values())
    assert launch.take.folder.name == "faults"
    sequences = [record.stamp.sequence for record in launch.take.records()]
    assert sequences == sorted(sequences)
    boots = {message.boot_id for message in recorded_poses(launch.take.records())}
    assert len(boots) == 2  # fusion's death was recorded by a recorder that went on


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def multiview(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "multiview", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _poses(take: Take) -> int:
    """How many ticks with poses are recorded by now."""
    with contextlib.suppress(SourceError):
        return sum(1 for _ in recorded_poses(take.records()))
    return 0


def test_run_on_ctrl_c_leaves_nothing_behind_and_finishes_the_take(tmp_path: Path) -> None:
    write_studio(synthetic_studio(tmp_path), tmp_path / "studio.toml")
    process = multiview("run", tmp_path / "studio.toml", "--take", "one", "--no-viewer")
    take = Take(tmp_path / "one.partial")
    until(lambda: _poses(take) > 0)
    children = _children(process.pid)
    assert len(children) >= 5
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=45.0)  # not told, it would end after a minute
    assert process.returncode == 0
    assert str(tmp_path / "one") in out
    assert not any(_alive(pid) for pid in children)
    assert len(list(open_take(tmp_path / "one").records())) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere children notice within half a second")
def test_killed_launcher_leaves_no_orphan(tmp_path: Path) -> None:
    write_studio(synthetic_studio(tmp_path), tmp_path / "studio.toml")
    process = multiview("run", tmp_path / "studio.toml", "--take", "one", "--no-viewer")
    until(lambda: len(_children(process.pid)) >= 6)
    children = _children(process.pid)
    process.kill()
    process.communicate(timeout=120.0)
    until(lambda: not any(_alive(pid) for pid in children), 45.0)  # left alone, they would end after a minute
    assert Take(tmp_path / "one.partial").partial


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


CLIENT = """
from multiview.client import connect

for frame in connect("tcp://127.0.0.1:{port}"):
    for person in frame.people:
        print(frame.tick, person.id, person["nose"], flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="finds fusion by /proc")
def test_client_outlives_a_killed_fusion(processes: Processes, tmp_path: Path) -> None:
    """`run` starts fusion anew, and the few lines of the README go on by themselves, with later ticks."""
    hub = free_hub()
    write_studio(synthetic_studio(tmp_path, hub), tmp_path / "studio.toml")
    run = processes.start("run", tmp_path / "studio.toml", "--no-viewer")
    script, printed = tmp_path / "client.py", tmp_path / "client.log"
    script.write_text(CLIENT.format(port=hub.publish_port))
    with printed.open("wb") as log:
        client = processes.keep(subprocess.Popen([sys.executable, script], stdout=log, stderr=log))

    def tick() -> int:
        return max((int(line.split()[0]) for line in printed.read_text().splitlines()[:-1]), default=-1)

    until(lambda: tick() > 10)
    first = _child(run.pid, "fusion")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: _child(run.pid, "fusion") not in (None, first))
    at = tick()  # whatever is later comes from the new fusion
    until(lambda: tick() > at + 50)
    assert client.poll() is None
    assert run.poll() is None


def _child(pid: int, command: str) -> int | None:
    """The process of this multiview command that `pid` has started."""
    for child in _children(pid):
        with contextlib.suppress(OSError):
            if f"-m\0multiview\0{command}\0" in Path(f"/proc/{child}/cmdline").read_text():
                return child
    return None


def test_commands_answer_bad_input_with_one_line_and_status_2(tmp_path: Path) -> None:
    write_studio(synthetic_studio(tmp_path), tmp_path / "good.toml")
    text = (tmp_path / "good.toml").read_text()
    (tmp_path / "bad.toml").write_text(text.replace("max_wait_s", "max_wiat_s"))
    mistakes = {
        multiview("run", tmp_path / "bad.toml"): 'unknown key "max_wiat_s"; did you mean "max_wait_s"?',
        multiview("run", tmp_path / "none.toml"): "no such file",
        multiview("replay", tmp_path / "none"): "no such take",
        multiview("worker", tmp_path / "good.toml", "--camera", "cam99"): "the rig has no camera cam99",
    }
    for process, expected in mistakes.items():
        out, err = process.communicate(timeout=120.0)
        assert (process.returncode, out) == (2, "")
        assert err.strip().count("\n") == 0
        assert expected in err


def test_launch_says_which_port_is_in_use(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        studio = synthetic_studio(tmp_path)
        hub = HubOptions(ingest_port=port, publish_port=0, request_port=0)
        busy = Studio(skeleton="coco17", source=studio.source, hub=hub, recorder=RecorderOptions(enabled=False))
        with (
            Launch(busy, viewer=False) as launch,
            pytest.raises(ConfigError, match=f"port {port} .* is in use by another program"),
        ):
            launch.start()
