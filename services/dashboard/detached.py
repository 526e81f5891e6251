"""A process that goes on without whoever started it: the launcher and the recorder, which no page's end may end.

Its lock file is open in it, and locked as long as it lives, however it ends; whoever comes later finds it there. What
it prints goes to a log beside the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from multiview.errors import ConfigError
from services.runtime.process import PARENT_VARIABLE

__all__ = ["Detached", "Running"]

_TAIL = 8192  # bytes of a log
_POLL_S = 0.05
REAP_S = 5.0
LOOK_S = 1.0  # the longest that a look at the lock may take


class Running(NamedTuple):
    """A process that lives: its number, and what was noted when it was started."""

    pid: int
    note: str


class Detached:
    """At most one process of a name, in whatever program it was started.

    Args:
        folder: For its lock and its log.
        name: Of both.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._lock, self.log, self._name = folder / f"{name}.lock", folder / f"{name}.log", name
        self._process: subprocess.Popen[bytes] | None = None  # if it is a child of ours, who has to be waited for

    def start(self, command: list[str], note: str = "") -> None:
        """Start `multiview COMMAND`; ConfigError if it runs already."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a+b", buffering=0) as lock, self.log.open("wb") as log:
            if not _locked(lock.fileno()):
                raise ConfigError(f"the {self._name} is running already")
            environment = {name: text for name, text in os.environ.items() if name != PARENT_VARIABLE}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "multiview", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
                pass_fds=[lock.fileno()],
            )
            lock.truncate(0)
            lock.write(f"{self._process.pid}\n{note}".encode())

    def running(self) -> Running | None:
        """The process, if it lives."""
        try:
            with self._lock.open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    self._reap()
                    return None
                except OSError:
                    number, _, note = lock.read(4096).decode(errors="replace").partition("\n")
        except OSError:
            return None
        return Running(int(number), note) if number.isdigit() else None

    def stop(self, timeout_s: float) -> bool:
        """Ask it to end, and wait; whether it has."""
        if (found := self.running()) is None:
            return True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(found.pid, signal.SIGTERM)
        end = time.monotonic() + timeout_s
        while self.running() is not None:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_S)
        return True

    def failure(self) -> str:
        """Why it ended, if it was a child of ours and failed; empty else."""
        if self.running() is not None or self._process is None or self._process.returncode in (None, 0):
            return ""
        return self.last_line() or f"ended with status {self._process.returncode}"

    def last_line(self) -> str:
        """What it printed last."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].removeprefix("multiview: ") if lines else ""

    def _reap(self) -> None:
        """A process closes its lock shortly before it has ended."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REAP_S)


def _locked(handle: int) -> bool:
    """Lock it, at once or after whoever only looks whether it is locked; False if a process holds it."""
    end = time.monotonic() + LOOK_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(_POLL_S)
