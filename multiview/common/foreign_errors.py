"""One conversion of what goes wrong inside readers of formats, ours and other libraries', into one line for a user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multiview.errors import MultiviewError, SourceError, one_line

__all__ = ["LARGEST_FILE", "foreign_errors"]

LARGEST_FILE = 1 << 30  # bytes; of files that are read as a whole
_LONGEST = 200  # characters of another library's words


@contextmanager
def foreign_errors(path: str | Path, what: str, error: type[MultiviewError] = SourceError) -> Iterator[None]:
    """Whatever is raised while `path` is read, and is not ours, becomes an `error` that names the file.

    Args:
        path: The file.
        what: Of which kind it should be: "a table of corners".
        error: What is raised.

    Raises:
        MultiviewError: The file cannot be read, or is not what it should be; `--debug` shows the library's own error.
    """
    try:
        yield
    except MultiviewError:
        raise
    except OSError as cause:
        raise error(f"{path}: cannot be read ({cause.strerror or one_line(cause)[:_LONGEST]})") from cause
    except MemoryError as cause:
        raise error(f"{path}: not {what}, or larger than the memory") from cause
    except RecursionError as cause:
        raise error(f"{path}: not {what}: nested too deep") from cause
    except Exception as cause:
        words = one_line(cause)[:_LONGEST] or type(cause).__name__
        raise error(f"{path}: not {what}, or damaged ({words})") from cause
