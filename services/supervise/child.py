"""One supervised process of a studio: started, joined, killed, and its log read."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

from multiview.common.names import file_name
from services.runtime.process import DUMP_SIGNAL, PARENT_VARIABLE, TOLD_TO_END
from services.runtime.restarts import Restarts

__all__ = ["CANNOT_START", "PARTLY", "Child"]

CANNOT_START = 2  # exit status of a command that cannot work as it was told
PARTLY, MISSING = 3, "multiview: partly: "  # that of one that did its work but for what its last lines name
DUMP_S = 0.1  # for a process about to be killed to write its stacks
KILL_S = 5.0
LOG_TAIL, LARGEST_LOG = 8192, 10_000_000  # bytes
MAX_STEM = 60


class Child:
    """One supervised process; what it prints goes to a file.

    Attributes:
        name: As in `states()`: "hub", "worker cam01".
        roles: By which the hub knows it: any of them shows that it makes progress.
        essential: Without it there are no poses.
        done: It has ended as it should.
        dead: It has ended otherwise, and waits to be started again.
        hung: It was killed because it made no progress.
        said: When the trouble was last logged.
        trouble: Why it is not running, or was last started again; empty while all is well.
    """

    def __init__(
        self, name: str, command: list[str], logs: Path, roles: Sequence[str] = (), essential: bool = False
    ) -> None:
        self.name, self.command, self.log = name, command, logs / f"{_stem(name)}.log"
        self.roles, self.essential = tuple(roles), essential
        self.process: subprocess.Popen[bytes] | None = None
        self.pauses = Restarts()
        self.done = self.dead = self.hung = False
        self.restarts = 0
        self.started = self.said = 0.0
        self.trouble = ""

    def start(self) -> None:
        """Start it, for the first time or again."""
        self.started, self.dead = time.monotonic(), False
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

    def bound_log(self) -> None:
        """Move what it has printed aside where that is long; one older part is kept, and the process goes on."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > LARGEST_LOG:
                with contextlib.suppress(OSError):  # a full disk: then only the newest is kept
                    shutil.copyfile(self.log, f"{self.log}.1")
                os.truncate(self.log, 0)

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def state(self) -> str:
        """ "running", "done" or "dead", and how often it was restarted."""
        state = "running" if self.running else "done" if self.done else "dead"
        return f"{state} ({self.restarts} restarts)" if self.restarts else state

    @property
    def pid(self) -> int:
        """Of the last process; 0 before the first."""
        return self.process.pid if self.process is not None else 0

    @property
    def status(self) -> int | None:
        """Exit status; None while it runs."""
        return None if self.process is None else self.process.poll()

    def last_line(self) -> str:
        """The last line of its log."""
        lines = self._last_lines()
        return lines[-1].removeprefix("multiview: ") if lines else "it printed nothing"

    def missing(self) -> list[str]:
        """What it said at its end is missing in what it did."""
        if self.status not in (PARTLY, TOLD_TO_END):
            return []
        return [line.removeprefix(MISSING) for line in self._last_lines() if line.startswith(MISSING)]

    def _last_lines(self) -> list[str]:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
                return log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            return []

    def terminate(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.running:
            self.process.terminate()

    def join(self, timeout_s: float) -> bool:
        """Whether it ended by itself; else it is killed."""
        if self.process is None:
            return True
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that waits for a dead disk dies when it can
                self.process.wait(KILL_S)
            return False
        return True

    def kill(self) -> None:
        """Kill a process that hangs; its log shows where."""
        if self.process is None:
            return
        if DUMP_SIGNAL is not None:
            self.process.send_signal(DUMP_SIGNAL)
            time.sleep(DUMP_S)
        self.process.kill()


def _stem(name: str) -> str:
    """Of a log's file name: not too long, however many cameras share a worker."""
    stem = file_name(name.replace(" ", "-"))
    return stem if len(stem) <= MAX_STEM else f"{stem[:MAX_STEM]}-{crc32(stem.encode()):08x}"
