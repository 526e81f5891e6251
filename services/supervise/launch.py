"""Starts the processes of a studio, watches them, and stops them in the order in which no data are lost.

    with Launch(studio, take="first") as launch:
        launch.start()
        launch.wait(lambda: print(launch.states()))
    launch.take          the finished take

Sources play only when recorder and fusion are connected, so a take is whole from its first frame; a studio starts with
the cameras that are there. Whatever dies, hangs or cannot start is started again, with growing pauses, and `troubles`
says why. Only a hub or fusion that cannot start ends the launch, and only while nothing is recorded; with `strict`
every process does that cannot start or keeps dying.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType

import msgspec

from multiview.cameras.camera import Rig
from multiview.common.names import joined
from multiview.errors import ConfigError, SourceError
from multiview.recordings.take import Take, finish_take
from multiview.studio.config import CameraSource, HubOptions, Studio
from multiview.studio.derived import frame_rate, studio_rig, with_skeleton
from multiview.studio.new_take import new_take
from multiview.studio.studio_file import write_studio
from multiview.wire import topics
from services.runtime.display import has_display
from services.runtime.process import finishing
from services.supervise.child import Child
from services.supervise.ports import PORTS, check_ports
from services.supervise.supervisor import LOADING_S, MAX_DEATHS, OPTIONAL, LaunchError, Supervisor
from services.transport.bus import RequestClient
from services.transport.keyring import OPERATOR
from services.transport.requests import Start, Status, StatusReply, request

__all__ = ["Launch", "LaunchError"]

BEGIN_S = 5.0  # the longest that the hub may take to let the sources play
END_S, WRITE_S = 5.0, 30.0  # the longest that a process may take to end, and one that still writes a recording


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
        strict: bool = False,
        fusion: bool = True,
    ) -> None:
        """`take` names what is recorded, with `video` of every camera; `viewer` overrides the studio; `logs` keeps the
        processes' logs; without `fusion` keypoints are only recorded. ConfigError if there is nothing to film, or
        nowhere to keep it.
        """
        if video and not (studio.recorder.enabled and all(isinstance(s, CameraSource) for s in studio.sources)):
            raise ConfigError('video needs cameras (type = "camera") and [recorder] enabled = true')
        self.rig: Rig = studio_rig(studio)
        self.studio = _with_known_rate(_with_free_ports(with_skeleton(studio)))
        self._take_name, self._notes, self._video, self._fusion = take, notes, video, fusion
        self._viewer = studio.viewer.enabled and has_display() if viewer is None else viewer
        self._scratch = tempfile.TemporaryDirectory(prefix="multiview-")
        self.logs = logs or Path(self._scratch.name)
        self.take: Take | None = None
        self.missing: list[str] = []  # in what the processes recorded, as they said at their ends
        self.start_ns = 0
        self._run_id = secrets.token_hex(8)
        self._client = RequestClient(self.studio.hub, OPERATOR)
        self._supervisor = Supervisor(self.status, self.logs, strict, studio.recorder.enabled)

    def __enter__(self) -> Launch:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, and let the sources play once everyone is connected; LaunchError if that fails."""
        check_ports(self.studio.hub)
        self.logs.mkdir(parents=True, exist_ok=True)
        path = Path(self._scratch.name) / "studio.toml"
        write_studio(self.studio, path)
        spawn = self._supervisor.spawn
        spawn("hub", ["hub", str(path), "--run-id", self._run_id], essential=True)
        self._supervisor.wait_until(lambda status: True)
        if self._fusion:
            spawn("fusion", ["fusion", str(path)], ["service/fusion"], essential=True)
        if self.studio.recorder.enabled:
            self.take = new_take(self.studio, self._take_name, datetime.now().astimezone(), self._notes)
            name = self.take.folder.name.removesuffix(".partial")
            spawn("recorder", ["record", str(path), "--take", name], ["service/recorder"])
        film = ["--video", str(self.take.videos)] if self._video and self.take is not None else []
        shared = [worker.cameras for worker in self.studio.workers]
        alone = [[name] for name in self.rig.names if not any(name in cameras for cameras in shared)]
        for cameras in (*shared, *alone):
            names = joined(cameras)
            roles = [f"camera/{camera}" for camera in cameras]
            spawn(f"worker {names}", ["worker", str(path), "--camera", names, "--wait", *film], roles)
        if self._viewer:
            spawn("viewer", ["viewer", str(path)], ["service/viewer"])
        if self.studio.metrics.enabled:
            spawn("metrics", ["metrics", str(path)], ["service/metrics"])
        self._supervisor.wait_until(self._connected)
        self.start_ns = self._begin()

    def wait(self, poll: Callable[[], None] = lambda: None, timeout_s: float | None = None) -> bool:
        """Watch the processes until every source has ended; False if `timeout_s` elapsed before."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._over():
            self.watch()
            poll()
            if end is not None and time.monotonic() >= end:
                return False
            time.sleep(0.05)
        return True

    def watch(self) -> None:
        """Start again what died, and kill what hangs; LaunchError if that must end the launch."""
        self._supervisor.watch()

    def states(self) -> dict[str, str]:
        """Each process: "running", "done" or "dead", and how often it was restarted."""
        return {name: child.state for name, child in self._supervisor.children.items()}

    def troubles(self) -> dict[str, str]:
        """Each process that is not at work, and why: it died, hung, or cannot start."""
        return {name: child.trouble for name, child in self._supervisor.children.items() if child.trouble}

    def pids(self) -> dict[str, int]:
        """The process ids, by name."""
        return {name: child.pid for name, child in self._supervisor.children.items()}

    def status(self, timeout_s: float = 0.5) -> StatusReply | None:
        """The hub's status; None if it does not reply. A hub that this launch did not start is none of it."""
        reply = request(self._client, Status(), StatusReply, timeout_s)
        return reply if reply is not None and reply.run_id == self._run_id else None

    def stop(self) -> None:
        """Workers end their streams, fusion emits the last ticks, the recorder writes them, the hub ends.

        Further signals to end are ignored meanwhile. What was begun before any source played is removed.
        """
        with finishing():
            try:
                self._stop_processes()
                self.missing = [line for child in self._supervisor.children.values() for line in child.missing()]
                self._close_take()
            finally:
                self._supervisor.children.clear()
                self._client.close()
                self._scratch.cleanup()

    def _stop_processes(self) -> None:
        _end(self._workers(), WRITE_S if self._video else END_S)
        time.sleep(0.1 if self._supervisor.children else 0.0)  # for the last messages to pass the hub
        for name in ("fusion", "recorder", "viewer", "metrics", "hub"):
            if (child := self._supervisor.children.get(name)) is not None:
                _end([child], WRITE_S if name == "recorder" else END_S)

    def _close_take(self) -> None:
        """The take with its final name, also where the recorder did not live to give it; removed if nothing played."""
        if self.take is None or not self.take.partial:
            return
        if self.take.folder.exists():
            if self.start_ns:
                logging.warning("the recorder was not there at the end: the take may lack its last moments")
            self.take = finish_take(self.take)
        else:
            self.take = Take(self.take.folder.with_name(self.take.folder.name.removesuffix(".partial")))
        if not self.start_ns and _is_empty(self.take):
            shutil.rmtree(self.take.folder, ignore_errors=True)
            self.take = None

    def _workers(self) -> list[Child]:
        return [child for name, child in self._supervisor.children.items() if name.startswith("worker")]

    def _over(self) -> bool:
        """Whether every source has ended, and those that never could begin have been tried often enough."""
        workers = self._workers()
        ended = [child.done for child in workers]
        tried = all(child.done or child.pauses.deaths > MAX_DEATHS for child in workers)
        return all(ended) or (any(ended) and tried)

    def _connected(self, status: StatusReply) -> bool:
        """Whether sources may play: all are connected but the cameras that have failed, of which one is there."""
        children, workers, now = self._supervisor.children.values(), self._workers(), time.monotonic()
        waited_for = [c for c in children if c.roles and c.name not in OPTIONAL]
        missing = [c for c in waited_for if not any(role in status.roles for role in c.roles)]
        failed = [c for c in missing if c in workers and (c.trouble or now - c.started > LOADING_S)]
        if len(failed) == len(workers):
            raise LaunchError(f"no camera can start: {failed[0].trouble or 'they do not answer'}")
        if len(failed) < len(missing):
            return False
        for child in failed:
            logging.warning("starting without %s; it joins as soon as it can", child.name.removeprefix("worker "))
        return True

    def _begin(self) -> int:
        """Let the sources play; when they do, on the hub's clock."""
        end = time.monotonic() + BEGIN_S
        while time.monotonic() < end:
            status = request(self._client, Start(), StatusReply, 1.0)
            if status is not None and status.start_ns:
                return status.start_ns
            self.watch()
        raise LaunchError("the hub does not reply")


def _is_empty(take: Take) -> bool:
    """Whether a take holds nothing that a camera gave."""
    if take.videos.is_dir() and any(take.videos.iterdir()):
        return False
    try:
        return not any(record.topic.startswith((topics.KEYPOINTS, topics.POSES)) for record in take.records())
    except SourceError:
        return not take.recordings()


def _end(children: list[Child], timeout_s: float) -> None:
    """Ask all to end, and kill those that have not by then."""
    end = time.monotonic() + timeout_s
    for child in children:
        child.terminate()
    for child in children:
        child.join(max(0.1, end - time.monotonic()))


def _with_known_rate(studio: Studio) -> Studio:
    """The rate written down, so that a recording needs no video to be replayed."""
    if not any(isinstance(source, CameraSource) for source in studio.sources):
        return studio
    return msgspec.structs.replace(studio, sync=msgspec.structs.replace(studio.sync, rate_hz=frame_rate(studio)))


def _with_free_ports(studio: Studio) -> Studio:
    """Ports that are 0 become free ones."""
    holders = {name: socket.create_server(("127.0.0.1", 0)) for name in PORTS if getattr(studio.hub, name) == 0}
    ports = {name: holder.getsockname()[1] for name, holder in holders.items()}
    for holder in holders.values():
        holder.close()
    hub: HubOptions = msgspec.structs.replace(studio.hub, **ports)
    return msgspec.structs.replace(studio, hub=hub)
