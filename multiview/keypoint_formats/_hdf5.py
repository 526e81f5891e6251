"""HDF5 files, by h5py, the extra "hdf5"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from multiview.common.foreign_errors import foreign_errors
from multiview.errors import SourceError

__all__ = ["holds", "is_hdf5", "opened", "text", "texts"]

MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(head: bytes) -> bool:
    """Whether a file begins like HDF5."""
    return head.startswith(MAGIC)


@contextmanager
def opened(path: Path, what: str) -> Iterator[Any]:
    """The file, an h5py.File; whatever is wrong with it becomes a SourceError that names it."""
    try:
        import h5py
    except ImportError:
        raise SourceError(f'{path}: HDF5 needs h5py: pip install "multiview-mocap[hdf5]"') from None
    with foreign_errors(path, what), h5py.File(path, "r") as file:
        yield file


def holds(path: Path, *names: tuple[str, ...]) -> bool:
    """Whether the file has all groups, datasets or attributes of one of the lists, at any depth of two."""
    with opened(path, "an HDF5 file") as file:
        inside = {*file.attrs, *file}
        for group in list(file.values()):
            inside |= {*group.attrs, *(group if hasattr(group, "keys") else ())}
        return any(inside >= set(wanted) for wanted in names)


def text(value: object) -> str:
    """A string, however it is stored."""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def texts(values: Any) -> tuple[str, ...]:
    """All strings of a dataset."""
    return tuple(text(value) for value in values[()].ravel())
