"""This machine: as many processes as cores, which do one job after the other; one that dies loses its job only."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
from multiprocessing import connection
from typing import Any

from multiview.errors import ConfigError
from services.batch.engine import Ended, EngineOptions

__all__ = ["Engine"]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "MULTIVIEW_CORES")
CARDS = "CUDA_VISIBLE_DEVICES"


class Engine:
    """Processes of this machine; each keeps its libraries and kernels loaded from job to job."""

    def __init__(self, options: EngineOptions) -> None:
        count = options.jobs or max(1, _cores() // options.cpus)
        cards = _cards(options.gpus)
        self._slots = [_Slot(options.cpus, cards[i] if i < len(cards) else None) for i in range(count)]
        self.where = f"{count} processes" + (f", {min(count, len(cards))} with a graphics card" if cards else "")

    def room(self, gpus: float) -> bool:
        return self._free(gpus) is not None

    def submit(self, name: str, task: str, gpus: float) -> None:
        slot = self._free(gpus)
        assert slot is not None, "submit without room"
        slot.begin(name, task)

    def wait(self, timeout_s: float) -> list[Ended]:
        busy = {slot.pipe: slot for slot in self._slots if slot.name}
        if not busy:
            return []
        return [busy[pipe].end() for pipe in connection.wait(list(busy), timeout_s) if pipe in busy]

    def close(self) -> None:
        for slot in self._slots:
            slot.stop()

    def _free(self, gpus: float) -> _Slot | None:
        """One with a card where one is needed, else preferably without."""
        free = [slot for slot in self._slots if not slot.name and (slot.card is not None or not gpus)]
        return min(free, key=lambda slot: (slot.card is not None) != bool(gpus), default=None)


class _Slot:
    """A process, started when it is first needed and after it died."""

    def __init__(self, cpus: int, card: str | None) -> None:
        self.card, self.name, self._cpus = card, "", cpus
        self._process: Any = None
        self.pipe: Any = None

    def begin(self, name: str, task: str) -> None:
        if self._process is None or not self._process.is_alive():
            self._start()
        try:
            self.pipe.send(task)
        except OSError:  # it died meanwhile
            self._start()
            self.pipe.send(task)
        self.name = name

    def end(self) -> Ended:
        name, self.name = self.name, ""
        try:
            return Ended(name, self.pipe.recv())
        except (EOFError, OSError):
            self._process.join(5)
            code = self._process.exitcode
            self.stop()
            return Ended(name, None, _death(code))

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join(5)
            self.pipe.close()
        self._process, self.name = None, ""

    def _start(self) -> None:
        self.stop()
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        settings = dict.fromkeys(THREADS, str(self._cpus)) | {CARDS: self.card or ""}
        self._process = context.Process(target=serve, args=(theirs, settings, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()


def serve(pipe: connection.Connection, settings: dict[str, str], parent: int) -> None:
    """Do what comes through the pipe, until it is closed; end with the parent."""
    os.environ.update(settings)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends this process
    from services.runtime.process import PARENT_VARIABLE, begin_service

    os.environ[PARENT_VARIABLE] = str(parent)
    begin_service("batch")
    from services.batch.worker import perform

    with contextlib.suppress(EOFError, OSError):
        while True:
            pipe.send(perform(pipe.recv()))


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        return f"its process was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    return f"its process ended with status {code}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cards(share: float) -> list[str]:
    """The card of each process that gets one, so that no card serves more than 1 / share of them."""
    if not share:
        return []
    named = os.environ.get(CARDS)
    if named is None:
        try:
            listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            listed = ""
        cards = [str(i) for i, line in enumerate(listed.splitlines()) if line.startswith("GPU ")]
    else:
        cards = [card.strip() for card in named.split(",") if card.strip()]
    if not cards:
        raise ConfigError("--gpu-share: no graphics card of NVIDIA is found on this machine; leave it out")
    return [card for _ in range(max(1, int(1 / share + 1e-9))) for card in cards]
