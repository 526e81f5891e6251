"""Who does which job, where several batches work on one folder: each job is claimed by a file, each batch is alive.

A claim names its batch. A batch is alive while it holds the lock of its own file, which the operating system frees
however it ends; seen from another machine, while the file's time moves.
"""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from multiview.batch.jobs import Job
from multiview.batch.results import job_folder, scratch_folders

__all__ = ["Claims"]

BEAT_S = 2.0
DEAD_S = 60.0  # without a beat, of another machine
LOOK_AGAIN_S = 1.0


class Claims:
    """Those of one batch; leave with `close`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._batches, self._claims = out / ".batch" / "running", out / ".batch" / "claims"
        for folder in (self._batches, self._claims):
            folder.mkdir(parents=True, exist_ok=True)
        self.batch = f"{platform.node() or 'host'}~{os.getpid()}~{secrets.token_hex(4)}"
        self._file = (self._batches / self.batch).open("ab")
        _lock(self._file)
        self._known: dict[str, tuple[float, bool]] = {}
        self._held: set[str] = set()
        self._closing = threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def take(self, job: Job) -> bool:
        """Claim a job, also one whose batch died; False while another batch does it."""
        path = self._claims / job.key
        with self._alone():  # or two would take over one dead batch's claim, the second after the first
            if path.exists():
                if self.held_by_other(job):
                    return False
                path.unlink(missing_ok=True)
            if not self._written(path):
                return False
        self._held.add(job.key)
        for left in scratch_folders(job_folder(self._out, job)):
            if not self._alive(left.name.partition(".tmp-")[2].partition("+")[0]):
                shutil.rmtree(left, ignore_errors=True)
        return True

    def held_by_other(self, job: Job) -> bool:
        """Whether another batch, which is alive, has claimed it."""
        try:
            owner = (self._claims / job.key).read_text(encoding="utf-8")
        except OSError:
            return False
        return owner != self.batch and self._alive(owner)

    def release(self, job: Job) -> None:
        """It is done, or given back."""
        if job.key in self._held:
            self._held.discard(job.key)
            with contextlib.suppress(OSError):
                (self._claims / job.key).unlink()

    def close(self) -> None:
        """Give back whatever is held."""
        self._closing.set()
        for key in list(self._held):
            with contextlib.suppress(OSError):
                (self._claims / key).unlink()
        self._held.clear()
        self._file.close()
        with contextlib.suppress(OSError):
            (self._batches / self.batch).unlink()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One batch at a time, where the file system has locks."""
        with (self._claims.parent / "claims.lock").open("ab") as file:
            _lock(file)
            yield

    def _written(self, path: Path) -> bool:
        """Whether the claim is ours now: it appears with the name of its batch in it, or it was there."""
        with self._claims.joinpath(f".{path.name}.{secrets.token_hex(4)}").open("x", encoding="utf-8") as own:
            own.write(self.batch)
        try:
            os.link(own.name, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            os.replace(own.name, path)
            return True
        os.unlink(own.name)
        return True

    def _beat(self) -> None:
        while not self._closing.wait(BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self._batches / self.batch)

    def _alive(self, batch: str) -> bool:
        now = time.monotonic()
        looked, alive = self._known.get(batch, (-LOOK_AGAIN_S, False))
        if now - looked >= LOOK_AGAIN_S:
            alive = batch == self.batch or self._look(batch)
            self._known[batch] = (now, alive)
        return alive

    def _look(self, batch: str) -> bool:
        path = self._batches / batch
        try:
            with path.open("rb+") as file:
                if batch.partition("~")[0] == platform.node() and (locked := _locked(file)) is not None:
                    return locked
            # Both times are the file server's, whose clock may differ from ours.
            return (self._batches / self.batch).stat().st_mtime - path.stat().st_mtime < DEAD_S
        except OSError:
            return False


def _lock(file: IO[bytes]) -> None:
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)  # whoever looks whether it is held has it for a moment


def _locked(file: IO[bytes]) -> bool | None:
    """Whether another process holds the lock; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
