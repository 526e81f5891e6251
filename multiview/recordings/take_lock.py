"""Who records a take: a file in its folder that the recorder keeps locked, with its process and computer.

The operating system frees the lock when the process ends, however it ends; what is left of the file then means nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from multiview.errors import ConfigError

__all__ = ["TakeLock", "recording_process"]

LOCK = "recording.lock"
_BUSY = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class TakeLock:
    """Held while a take is recorded; ConfigError if another process records it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK
        try:
            self._file = self._path.open("a+b", buffering=0)
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be written ({error.strerror})") from None
        if not _try_lock(self._file):
            owner = recording_process(folder)
            self._file.close()
            raise ConfigError(f"{folder} is being recorded by {owner or 'another process'}: choose another take")
        with contextlib.suppress(OSError):  # a full disk has room for a lock, and none for its text
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {platform.node()}\n".encode())

    def release(self) -> None:
        """To be called once, before the take gets its name."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> TakeLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def recording_process(folder: Path) -> str:
    """Who records the take now, in words; empty if nobody does."""
    path = folder / LOCK
    try:
        # A lock may want a file that can be written; where nothing can be (a copy on a read-only disk) it does without.
        with path.open("r+b" if os.access(path, os.W_OK) else "rb") as file:
            if _try_lock(file):
                return ""
            return file.read(200).decode(errors="replace").strip() or "another process"
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"a process that cannot be known ({path}: {error.strerror})"


def _try_lock(file: IO[bytes]) -> bool:
    """Whether the lock was free; it is ours until the file is closed. True where the file system knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # beyond the text, which others may read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            file.seek(0)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _BUSY
    return True
