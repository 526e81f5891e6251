"""The work of one job in a process that an engine provides: its own folder, its own log, one reply."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec

from multiview import __version__
from multiview.batch.jobs import Job
from multiview.batch.recordings import MARKER
from multiview.batch.results import LOG, Done, install, job_folder
from multiview.common.atomic_file import writing
from multiview.common.json_file import write_json
from multiview.common.kernel_cache import use_kernel_cache
from multiview.common.ledger import ledger
from multiview.errors import MultiviewError, one_line, os_error_words

__all__ = ["DONE", "NO_SPACE", "Task", "out_of_space", "perform"]

DONE, NO_SPACE = "done", "no space"  # replies; any other is why the job failed
FULL_BYTES = 1 << 20  # free space below which a failure is the disk's


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A try of a job.

    Attributes:
        job: Which.
        out: Folder of the batch.
        scratch: Name of the folder that this try works in.
        tries: How often the job was begun, with this one.
    """

    job: Job
    out: str
    scratch: str
    tries: int


def perform(text: str) -> str:
    """Do a job, up to its folder of results.

    Args:
        text: A `Task` as JSON.

    Returns:
        `DONE`, `NO_SPACE`, or in a line why it failed.
    """
    task = msgspec.json.decode(text, type=Task)
    out = Path(task.out)
    if not (out / MARKER).is_file():
        return f"{platform.node()} does not see {out}: results must lie in a folder that all machines share"
    if task.job.version != __version__:
        return f"{platform.node()} has multiview {__version__}, the batch was begun by {task.job.version}"
    folder = job_folder(out, task.job)
    scratch = folder.with_name(task.scratch)
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        with _output_to(scratch / LOG):
            return _do(task, folder, scratch)
    except Exception as error:
        return NO_SPACE if out_of_space(error, out) else _words(error)


def _do(task: Task, folder: Path, scratch: Path) -> str:
    from multiview.batch.stages import do

    use_kernel_cache()
    out, began = Path(task.out), time.perf_counter()
    try:
        with ledger() as entries:
            figures = do(task.job, out / task.job.recording, scratch)
        if entries.missing:
            figures["warnings"] = [*figures.get("warnings", []), *entries.missing]
        done = Done(
            job=task.job.name,
            key=task.job.key,
            seconds=round(time.perf_counter() - began, 3),
            tries=task.tries,
            host=platform.node(),
            version=__version__,
            figures=figures,
        )
        write_json(scratch / "done.json", done)
        install(scratch, folder, task.job.key)
        return DONE
    except (Exception, SystemExit) as error:
        if out_of_space(error, out):
            return NO_SPACE
        traceback.print_exc()
        return _words(error)


def out_of_space(error: BaseException, folder: Path) -> bool:
    """Whether an error came because the disk is full: it says so, or another library lost the reason on the way."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__ or cause.__context__
    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def _words(error: BaseException) -> str:
    if isinstance(error, MultiviewError):
        return one_line(error)
    if isinstance(error, OSError) and error.strerror:
        return os_error_words(error)
    return one_line(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Meanwhile whatever this process says, its libraries included, goes to a file."""
    _flush()
    kept = [os.dup(stream) for stream in (1, 2)]
    try:
        with writing(log).open("w", encoding="utf-8", buffering=1, errors="backslashreplace") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
    finally:
        for stream, before in zip((1, 2), kept, strict=True):
            os.dup2(before, stream)
            os.close(before)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
