"""What one command has read, so that it never writes over it, and what was missing in it, so that it says so.

The command line keeps one ledger per command; without one (the library in another program) nothing is noted.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from multiview.errors import ConfigError

__all__ = ["Ledger", "check_ordinary", "ledger", "note_missing", "note_written", "reading", "was_read"]

P = TypeVar("P", str, Path)


class Ledger:
    """`missing` has one line for each input that could be read in part only."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        # By device and inode: the same file under any name.
        self.read: set[tuple[int, int]] = set()
        self.written: set[tuple[int, int]] = set()


_open: list[Ledger] = []


@contextmanager
def ledger() -> Iterator[Ledger]:
    """A ledger until the block ends."""
    new = Ledger()
    _open.append(new)
    try:
        yield new
    finally:
        _open.remove(new)


def reading(path: P) -> P:
    """`path`, noted as an input of the command; a folder stands for every file directly in it.

    Raises:
        ConfigError: It is neither a file nor a folder.
    """
    check_ordinary(path)
    if _open and (identity := _identity(path)) is not None and identity not in _open[-1].written:
        _open[-1].read.add(identity)
    return path


def check_ordinary(path: str | Path) -> None:
    """ConfigError if it is neither a file nor a folder: a pipe never answers, and a device may never end."""
    with suppress(OSError, ValueError):  # whoever opens it says what is wrong
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ConfigError(f"{path} is a pipe or a device, no file: write what comes from it to a file first")


def note_written(path: Path) -> None:
    """Note a file that the command made itself: it may read it, and write it anew."""
    if _open and (identity := _identity(path)) is not None:
        _open[-1].written.add(identity)


def was_read(path: Path) -> bool:
    """Whether an existing file, or the folder it lies in, is an input of the command."""
    if not _open or (identity := _identity(path)) is None:
        return False
    if identity in _open[-1].written:
        return False
    return identity in _open[-1].read or _identity(path.parent) in _open[-1].read


def note_missing(text: str) -> None:
    """Note that an input was read in part: the command says it in the end, and exits with 3."""
    if not _open:
        logging.getLogger("multiview").warning(text)
    elif text not in _open[-1].missing:
        _open[-1].missing.append(text)


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
