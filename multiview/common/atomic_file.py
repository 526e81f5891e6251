"""The way to every file that multiview writes: never over a recording or an input, whole or not at all.

`replacing` is for files that are complete when they are written, `writing` for those that grow as they are recorded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiview.common.ledger import note_written, was_read
from multiview.errors import ConfigError

__all__ = ["VIDEO_SUFFIXES", "corrected_beside", "replacing", "writing"]

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv", ".flv", ".3gp"}
)
_OF_A_TAKE = ("take.toml", "contents.toml", "rig.toml", "studio.toml")


@contextmanager
def replacing(path: str | Path, correct: bool = False) -> Iterator[Path]:
    """A temporary path in the same folder; what is written there becomes `path` when the block ends without an error.

    Missing folders are made. Whoever reads `path` meanwhile sees the old file or the new one, never half of one.

    Args:
        path: The file to make or to replace.
        correct: The command reads the file in order to correct it. What was recorded is not corrected even so.

    Raises:
        ConfigError: `path` is an input of the command, or was recorded.
    """
    path = writing(path, correct)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only the owner may read
        temporary.replace(path)
        note_written(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def writing(path: str | Path, correct: bool = False) -> Path:
    """`path`, once it is certain that writing there loses nothing; missing folders are made.

    Args:
        path: The file about to be written.
        correct: As of `replacing`.

    Returns:
        The path.

    Raises:
        ConfigError: `path` is an input of the command, or was recorded.
    """
    path = Path(path)
    if path.exists():
        if was_read(path) and not correct:
            raise ConfigError(f"{path} is an input of this command and is never written over: choose another --out")
        if _recorded(path) or _recorded(path.resolve()):  # a link to a recording, under whatever name, writes into it
            raise ConfigError(f"{path} exists, and recordings are never written over: choose another --out")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def corrected_beside(path: Path) -> Path:
    """Where a correction of the file `path` goes: there, or to NAME.refined.SUFFIX beside what must stay as it is."""
    kept = path.exists() and (was_read(path) or _recorded(path))
    return path.with_name(f"{path.stem}.refined{path.suffix}") if kept else path


def _recorded(path: Path) -> bool:
    """Whether a file is one that somebody may have recorded: a video with its times, a stream, the files of a take."""
    if path.suffix.lower() in (*VIDEO_SUFFIXES, ".mcap") or path.name.lower().endswith(".timestamps.csv"):
        return True
    return path.name in _OF_A_TAKE and ((path.parent / "take.toml").exists() or any(path.parent.glob("*.mcap")))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
