"""Starts the processes of a studio, watches them, and stops them in the order in which no data are lost.

    with Launch(studio, take="first") as launch:
        launch.start()
        launch.wait(lambda: print(launch.states()))
    launch.take          the finished take

Sources play only when recorder and fusion are connected, so a take is whole from its first frame. A process that dies
is restarted; one that cannot start (exit status 2) ends the launch with its own error message.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType

import msgspec

from multiview.cameras.camera import Rig
from multiview.errors import ConfigError, MultiviewError
from multiview.recordings.take import Take
from multiview.studio.config import CameraSource, HubOptions, Studio, frame_rate, studio_rig, write_studio
from multiview.studio.new_take import new_take
from services.runtime.display import has_display
from services.runtime.process import DUMP_SIGNAL, PARENT_VARIABLE
from services.transport.bus import RequestClient
from services.transport.requests import Start, Status, StatusReply, request

__all__ = ["Launch", "LaunchError"]

CONNECT_S = 300.0  # the longest that fusion may take to compile its kernels, the first time on a machine
RESTART_S = 0.2
CHECK_INTERVAL_S = 1.0
REPLY_TIMEOUT_S = 0.3  # the longest that a dead hub may delay the check of the others
HUNG_S = 5.0  # a process that was silent for so long is killed and started again
LOADING_S = 60.0  # the longest that a process may take until it is connected again
DUMP_S = 0.1  # for a process about to be killed to write its stacks
MAX_DEATHS = 5  # a process that dies so often within 10 s is not started again


class LaunchError(MultiviewError):
    """A process of the studio could not be started, or keeps failing."""


class _Child:
    """One supervised process; its stderr goes to a file."""

    def __init__(self, name: str, command: list[str], logs: Path) -> None:
        self.name, self.command, self.log = name, command, logs / f"{name.replace(' ', '-')}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths: list[float] = []
        self.done = False
        self.restarts = 0
        self.started = 0.0

    def start(self) -> None:
        self.started = time.monotonic()
        environment = {**os.environ, PARENT_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "multiview", *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the launcher alone, which stops the others in order
            )

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None else 0

    def last_line(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return lines[-1].removeprefix("multiview: ") if lines else "it printed nothing"

    def stop(self, timeout_s: float) -> None:
        if self.process is None:
            return
        if self.running:
            self.process.terminate()
        self.join(timeout_s)

    def kill(self) -> None:
        """Kill a process that hangs; its log shows where."""
        if self.process is None:
            return
        if DUMP_SIGNAL is not None:
            self.process.send_signal(DUMP_SIGNAL)
            time.sleep(DUMP_S)
        self.process.kill()

    def join(self, timeout_s: float) -> bool:
        """Whether it ended by itself; else it is killed."""
        assert self.process is not None
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return False
        return True


class Launch:
    """The processes of one studio on this machine."""

    def __init__(
        self,
        studio: Studio,
        take: str = "",
        notes: str = "",
        viewer: bool | None = None,
        logs: Path | None = None,
        video: bool = False,
    ) -> None:
        """`take` names what is recorded, with `video` of every camera; `viewer` overrides the studio; `logs` keeps the
        processes' logs. ConfigError if there is nothing to film, or nowhere to keep it.
        """
        if video and not (studio.recorder.enabled and all(isinstance(s, CameraSource) for s in studio.sources)):
            raise ConfigError('video needs cameras (type = "camera") and [recorder] enabled = true')
        self.rig: Rig = studio_rig(studio)
        self.studio = _with_known_rate(_with_free_ports(studio))
        self._take_name, self._notes, self._video = take, notes, video
        self._viewer = studio.viewer.enabled and has_display() if viewer is None else viewer
        self._scratch = tempfile.TemporaryDirectory(prefix="multiview-")
        self.logs = logs or Path(self._scratch.name)
        self.take: Take | None = None
        self.start_ns = 0
        self._children: dict[str, _Child] = {}
        self._next_check, self._missed_replies = 0.0, 0
        self._client = RequestClient(self.studio.hub)

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, and let the sources play once everyone is connected; LaunchError if that fails."""
        self.logs.mkdir(parents=True, exist_ok=True)
        if self.studio.recorder.enabled:
            self.take = new_take(self.studio, self._take_name, datetime.now().astimezone(), self._notes)
        path = Path(self._scratch.name) / "studio.toml"
        write_studio(self.studio, path)
        self._spawn("hub", ["hub", str(path)])
        self._wait_for(set())
        self._spawn("fusion", ["fusion", str(path)])
        wanted = {"service/fusion"}
        if self.take is not None:
            name = self.take.folder.name.removesuffix(".partial")
            self._spawn("recorder", ["record", str(path), "--take", name])
            wanted.add("service/recorder")
        film = ["--video", str(self.take.videos)] if self._video and self.take is not None else []
        shared = [worker.cameras for worker in self.studio.workers]
        alone = [[name] for name in self.rig.names if not any(name in cameras for cameras in shared)]
        for cameras in (*shared, *alone):
            names = ",".join(cameras)
            self._spawn(f"worker {names}", ["worker", str(path), "--camera", names, "--wait", *film])
            wanted |= {f"camera/{camera}" for camera in cameras}
        if self._viewer:
            self._spawn("viewer", ["viewer", str(path)])
        if self.studio.metrics.enabled:
            self._spawn("metrics", ["metrics", str(path)])
        self._wait_for(wanted)
        status = request(self._client, Start(), StatusReply, 2.0)
        if status is None:
            raise LaunchError("the hub does not reply")
        self.start_ns = status.start_ns

    def wait(self, poll: Callable[[], None] = lambda: None, timeout_s: float | None = None) -> bool:
        """Watch the processes until every source has ended; False if `timeout_s` elapsed before."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not all(child.done for child in self._workers()):
            self.watch()
            poll()
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(0.05)
        return True

    def watch(self) -> None:
        """Restart crashed processes and kill hung ones; LaunchError if one cannot start or keeps crashing."""
        for child in self._children.values():
            if child.process is None or child.running or child.done:
                continue
            status = child.process.returncode
            closed = child.name == "viewer" and status >= 0  # a window closed, or one that could not be opened
            if closed or (status == 0 and child.name.startswith("worker")):
                child.done = True
            elif status == 2:
                raise LaunchError(f"{child.name}: {child.last_line()}")
            else:
                self._restart(child)
        self._kill_hung()

    def _kill_hung(self) -> None:
        """Kill processes that have stopped repeating their ready signal, once a second."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + CHECK_INTERVAL_S
        status = request(self._client, Status(), StatusReply, REPLY_TIMEOUT_S)
        self._missed_replies = self._missed_replies + 1 if status is None else 0
        hub = self._children.get("hub")
        if self._missed_replies >= HUNG_S / CHECK_INTERVAL_S and hub is not None:
            logging.warning("the hub does not reply: killed")
            hub.kill()
            self._missed_replies = 0
        roles = status.roles if status is not None else {}
        for name, child in self._children.items():
            role = _role(name)
            started_ago = now - child.started
            silent = roles.get(role, 0.0)
            limit_s = HUNG_S if silent < started_ago else LOADING_S  # silent since its start: it loads
            if child.running and min(silent, started_ago) > limit_s:
                logging.warning("%s makes no progress: killed", name)
                child.kill()

    def states(self) -> dict[str, str]:
        """Each process: "running", "done" or "dead", and how often it was restarted."""
        names = {}
        for name, child in self._children.items():
            state = "running" if child.running else "done" if child.done else "dead"
            names[name] = f"{state} ({child.restarts} restarts)" if child.restarts else state
        return names

    def pids(self) -> dict[str, int]:
        """The process ids, by name."""
        return {name: child.pid for name, child in self._children.items()}

    def status(self, timeout_s: float = 0.5) -> StatusReply | None:
        """The hub's status; None if it does not reply."""
        return request(self._client, Status(), StatusReply, timeout_s)

    def stop(self) -> None:
        """Workers end their streams, fusion emits the last ticks, the recorder writes them, the hub ends."""
        for child in self._workers():
            if child.running and child.process is not None:
                child.process.terminate()
        for child in self._workers():
            child.stop(3.0)
        time.sleep(0.1 if self._children else 0.0)  # for the last messages to pass the hub
        for name in ("fusion", "recorder", "viewer", "metrics", "hub"):
            if name in self._children:
                self._children[name].stop(5.0)
        self._client.close()
        if self.take is not None and self.take.partial and not self.take.folder.exists():
            self.take = Take(self.take.folder.with_name(self.take.folder.name.removesuffix(".partial")))
        self._children.clear()
        self._scratch.cleanup()

    def _workers(self) -> list[_Child]:
        return [child for name, child in self._children.items() if name.startswith("worker")]

    def _spawn(self, name: str, command: list[str]) -> None:
        self._children[name] = _Child(name, command, self.logs)
        self._children[name].start()

    def _restart(self, child: _Child) -> None:
        now = time.monotonic()
        child.deaths = [*(t for t in child.deaths if now - t < 10.0), now]
        if len(child.deaths) > MAX_DEATHS:
            raise LaunchError(f"{child.name} keeps crashing: {child.last_line()}")
        if len(child.deaths) > 1:
            time.sleep(RESTART_S)
        child.restarts += 1
        child.start()

    def _wait_for(self, roles: set[str]) -> None:
        """Until the hub replies and these roles are connected."""
        end, missing = time.monotonic() + CONNECT_S, roles
        while time.monotonic() < end:
            for child in self._children.values():
                if not child.running and child.process is not None and child.process.returncode != 0:
                    raise LaunchError(f"{child.name}: {child.last_line()}")
            status = request(self._client, Status(), StatusReply, 0.2)
            if status is not None:
                missing = roles - status.roles.keys()
                if not missing:
                    return
            time.sleep(0.02)
        raise LaunchError(f"not connected after {CONNECT_S:g} s: {', '.join(sorted(missing)) or 'hub'}")


def _role(name: str) -> str:
    """Role by which the hub knows a process."""
    return (
        f"camera/{name.removeprefix('worker ').partition(',')[0]}" if name.startswith("worker ") else f"service/{name}"
    )


def _with_known_rate(studio: Studio) -> Studio:
    """The rate written down, so that a recording needs no video to be replayed."""
    if not any(isinstance(source, CameraSource) for source in studio.sources):
        return studio
    return msgspec.structs.replace(studio, sync=msgspec.structs.replace(studio.sync, rate_hz=frame_rate(studio)))


def _with_free_ports(studio: Studio) -> Studio:
    """Ports that are 0 become free ones."""
    names = ("ingest_port", "publish_port", "request_port")
    holders = {name: socket.create_server(("127.0.0.1", 0)) for name in names if getattr(studio.hub, name) == 0}
    ports = {name: holder.getsockname()[1] for name, holder in holders.items()}
    for holder in holders.values():
        holder.close()
    hub: HubOptions = msgspec.structs.replace(studio.hub, **ports)
    return msgspec.structs.replace(studio, hub=hub)
