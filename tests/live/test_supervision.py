"""A studio in real processes goes on with what it has, and ends whole however it is told to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from multiview.errors import ConfigError
from multiview.recordings.take import Take, open_take
from multiview.studio.config import CameraOptions, KeypointsSource, MetricsOptions, Studio
from multiview.studio.studio_file import write_studio
from multiview.studio.take_studio import recorded_poses
from multiview.wire.messages import PosesMessage, decode
from services.supervise.launch import Launch, LaunchError
from services.supervise.ports import check_ports
from services.transport.bus import Subscriber
from tests.processes import Processes, free_hub, synthetic_studio, until


def crippled(studio: Studio, port: int, directory: Path) -> Studio:
    """The same without one of its cameras, and with a port for its metrics that may be taken."""
    broken = CameraOptions(source=KeypointsSource(directory=str(directory)))
    metrics = MetricsOptions(enabled=True, port=port)
    return msgspec.structs.replace(studio, cameras={"cam03": broken}, metrics=metrics)


def test_launch_goes_on_without_a_camera_and_a_port(tmp_path: Path) -> None:
    """Both are said, tried again, and end nothing; the port, once free, is served."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        studio = crippled(synthetic_studio(tmp_path), holder.getsockname()[1], tmp_path / "none")
        launch = Launch(studio, take="crippled", viewer=False)
        with launch:
            launch.start()
            subscriber = Subscriber(launch.studio.hub, ["poses"])
            seen: list[PosesMessage] = []

            def watched(condition: Callable[[], bool]) -> bool:
                launch.watch()
                new = [decode(received.body) for received in subscriber.drain()]
                seen.extend(message for message in new if isinstance(message, PosesMessage))
                return condition()

            until(lambda: watched(lambda: bool(seen) and len(seen[-1].people) == 2))
            until(lambda: watched(lambda: {"metrics", "worker cam03"} <= launch.troubles().keys()))
            assert "no such folder" in launch.troubles()["worker cam03"]
            assert "cannot listen" in launch.troubles()["metrics"]
            holder.close()
            until(lambda: watched(lambda: "metrics" not in launch.troubles()))
            assert launch.states()["worker cam01"] == "running"
            subscriber.close()
    assert launch.take is not None
    assert launch.take.folder == tmp_path / "crippled"
    assert all(message.missing == ["cam03"] for message in list(recorded_poses(launch.take.records()))[-20:])


def test_launch_without_any_camera_is_refused_and_leaves_no_take(tmp_path: Path) -> None:
    source = KeypointsSource(directory=str(tmp_path / "none"))
    cameras = {f"cam0{n}": CameraOptions(source=source) for n in (1, 2, 3)}
    studio = msgspec.structs.replace(synthetic_studio(tmp_path), cameras=cameras)
    with Launch(studio, take="none", viewer=False) as launch, pytest.raises(LaunchError, match="no such folder"):
        launch.start()
    assert launch.take is None
    assert list(tmp_path.iterdir()) == []


def run_studio(path: Path, scratch: Path, *words: str) -> subprocess.Popen[str]:
    scratch.mkdir()
    command = [sys.executable, "-m", "multiview", "run", str(path), "--no-viewer", *words]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.skipif(sys.platform == "win32", reason="has neither signal")
def test_run_ends_whole_when_told_to_or_left_alone(tmp_path: Path) -> None:
    """As a closed terminal and a service manager end it, with two signals at once."""
    write_studio(synthetic_studio(tmp_path, free_hub()), tmp_path / "studio.toml")
    process = run_studio(tmp_path / "studio.toml", tmp_path / "scratch", "--take", "ended")
    partial = Take(tmp_path / "ended.partial")
    until(lambda: any(part.stat().st_size > 100_000 for part in partial.recordings()))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=45.0)  # not told, it would end after a minute
    assert process.returncode == 0
    assert f"take: {tmp_path / 'ended'}" in out
    assert not partial.folder.exists()
    assert len(list(recorded_poses(open_take(tmp_path / "ended").records()))) > 10
    assert list((tmp_path / "scratch").glob("multiview-*")) == []


def test_run_beside_another_studio_is_refused_before_it_records(processes: Processes, tmp_path: Path) -> None:
    hub = processes.hub()
    with pytest.raises(ConfigError, match="another studio is running"):
        check_ports(hub)
    write_studio(synthetic_studio(tmp_path / "takes", hub), tmp_path / "second.toml")
    process = run_studio(tmp_path / "second.toml", tmp_path / "scratch", "--take", "second")
    out, err = process.communicate(timeout=120.0)
    assert process.returncode == 2
    assert "another studio is running" in err
    assert "connected" not in out
    assert not (tmp_path / "takes").exists()
