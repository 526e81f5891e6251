"""Folders of results: each holds `done.json` or `failed.json`, and appears whole or not at all.

A job works in a folder of its own beside the result's place, which gets its name by renaming when everything in it has
reached the disk. So whatever is killed, a result that can be seen is whole.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from multiview.batch.jobs import Job
from multiview.batch.recordings import MARKER
from multiview.errors import ConfigError

__all__ = [
    "DONE",
    "FAILED",
    "LOG",
    "Done",
    "Failed",
    "Outcome",
    "check_folder",
    "install",
    "job_folder",
    "last_lines",
    "read_outcome",
    "scratch_folders",
]

DONE, FAILED, LOG = "done.json", "failed.json", "log.txt"
LAST_LINES = 50
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """`done.json`: what made a result.

    Attributes:
        job: Its name.
        key: Of the job; while the job has this key the result holds.
        seconds: How long it took.
        tries: How often it was begun.
        host: Where.
        version: Of multiview.
        figures: For the summary.
    """

    job: str
    key: str
    seconds: float
    tries: int
    host: str
    version: str
    figures: dict[str, Any] = {}


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """`failed.json`: why there is no result.

    Attributes:
        job: Its name.
        key: Of the job.
        reason: In a line.
        tries: How often it was begun; 0: never, because `needs` failed.
        command: Which does this job alone, in the foreground.
        last_lines: Of what it said.
        host: Where.
        needs: Stages that failed before.
        spec: The job itself.
    """

    job: str
    key: str
    reason: str
    tries: int
    command: str
    last_lines: list[str]
    host: str
    spec: Job
    needs: list[str] = []


Outcome = Done | Failed


def job_folder(out: Path, job: Job) -> Path:
    """Where the result of a job lies."""
    return out / job.recording / job.stage


def check_folder(root: Path, out: Path) -> None:
    """ConfigError if results must not go to `out`: it is the recordings' own folder, or holds something else."""
    if out.resolve() == root.resolve():
        raise ConfigError(f"{out}: results cannot lie among the recordings: choose another --out")
    if out.is_dir() and any(out.iterdir()) and not (out / MARKER).is_file():
        raise ConfigError(f"{out}: it holds something else than results of a batch: choose a new folder for --out")


def read_outcome(folder: Path) -> Outcome | None:
    """What came of a job; None where nothing that can be read did."""
    kinds: list[tuple[str, type[Outcome]]] = [(DONE, Done), (FAILED, Failed)]
    for name, kind in kinds:
        try:
            return msgspec.json.decode((folder / name).read_bytes(), type=kind)
        except (OSError, msgspec.MsgspecError):
            continue
    return None


def install(scratch: Path, folder: Path, key: str) -> bool:
    """Give a finished folder its place; one with another key, or a failure, makes way for it.

    Args:
        scratch: The finished folder, beside its place.
        folder: The place.
        key: Of the job.

    Returns:
        False where the same job was finished by somebody else first: theirs stays.
    """
    _sync(scratch)
    for _ in range(10):
        try:
            os.rename(scratch, folder)
            _sync_folder(folder.parent)
            return True
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        outcome = read_outcome(folder)
        if isinstance(outcome, Done) and outcome.key == key:
            shutil.rmtree(scratch, ignore_errors=True)
            return False
        old = folder.with_name(f"{scratch.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        try:
            os.rename(folder, old)
        except FileNotFoundError:
            continue
        shutil.rmtree(old, ignore_errors=True)
    raise OSError(errno.EEXIST, "others keep putting results there", str(folder))


def scratch_folders(folder: Path) -> Iterator[Path]:
    """What killed jobs left beside the place of a result."""
    if folder.parent.is_dir():
        yield from (path for path in folder.parent.glob(f".{folder.name}.tmp-*") if path.is_dir())


def last_lines(log: Path) -> list[str]:
    """The end of what a job said."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64_000))
            return file.read().decode(errors="replace").splitlines()[-LAST_LINES:]
    except OSError:
        return []


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """Everything below reaches the disk before the folder gets its name."""
    for path in [*(found for found in folder.rglob("*") if found.is_file()), folder]:
        if path.is_dir():
            _sync_folder(path)
        else:
            with _descriptor(path, os.O_RDONLY) as descriptor:
                os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        with _descriptor(folder, os.O_RDONLY) as descriptor:
            os.fsync(descriptor)
