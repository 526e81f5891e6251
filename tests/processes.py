"""Real processes, ports and waiting, for the tests of the live system."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from multiview.studio.config import HubOptions, RecorderOptions, Studio, SyntheticSource
from multiview.studio.studio_file import write_studio
from services.transport.bus import RequestClient
from services.transport.requests import Status, StatusReply, request

FREE = HubOptions(ingest_port=0, publish_port=0, request_port=0)
SYNTHETIC = {"cameras": 3, "people": 2, "seconds": 60.0, "fps": 25.0, "skeleton": "coco17"}


def synthetic_studio(folder: Path, hub: HubOptions = FREE) -> Studio:
    """Three cameras, two people, a minute."""
    return Studio(
        skeleton="coco17",
        source=SyntheticSource(options=SYNTHETIC),
        hub=hub,
        recorder=RecorderOptions(directory=str(folder)),
    )


def until(condition: Callable[[], bool], seconds: float = 120.0) -> float:
    """Wait for something to become true; how long it took, s."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + seconds, "did not happen"
        time.sleep(0.01)
    return time.monotonic() - began


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody uses now."""
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def free_hub() -> HubOptions:
    """A hub on three of them."""
    ingest, publish, request = free_ports(3)
    return HubOptions(ingest_port=ingest, publish_port=publish, request_port=request)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: writing more is an error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class Processes:
    """Starts `multiview COMMAND ...` and ends what is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str | Path) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{words[0]}.log").open("ab")
        command = [sys.executable, "-m", "multiview", *map(str, words)]
        process = self.keep(subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ}))
        log.close()
        return process

    def keep(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """Another process that ends with the test."""
        self._running.append(process)
        return process

    @property
    def last(self) -> subprocess.Popen[bytes]:
        """The one that was started last."""
        return self._running[-1]

    def words(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def hub(self, keys: str = "") -> HubOptions:
        """A hub that answers."""
        options = msgspec.structs.replace(free_hub(), keys=keys)
        path = self.folder / "studio.toml"
        write_studio(synthetic_studio(self.folder, options), path)
        self.start("hub", path)
        client = RequestClient(options)
        until(lambda: request(client, Status(), StatusReply, 0.2) is not None)
        client.close()
        return options

    def end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.wait()
