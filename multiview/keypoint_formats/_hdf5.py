"""HDF5 files, by h5py, the extra "hdf5"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from multiview.common.foreign_errors import foreign_errors
from multiview.errors import SourceError

__all__ = ["holds", "is_hdf5", "opened", "text", "texts"]

MOST_PACKED = 1100  # deflate makes a thousandth of a file at most; a dataset may say any size and hold nothing
SLACK = 64 << 20  # bytes that are taken without asking
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
        _check(file)
        yield file


def _check(file: Any) -> None:
    """Raise ValueError where reading would open other files, or take memory for values that nobody has written."""
    import h5py

    def look(name: str, link: Any) -> str | None:
        return f"its {name} is in another file" if isinstance(link, h5py.ExternalLink) else None

    def weigh(name: str, item: Any) -> str | None:
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return None
        if item.is_virtual or item.external:
            return f"its {name} is in another file"
        if item.nbytes > SLACK + MOST_PACKED * item.id.get_storage_size():
            return f"its {name} would be {item.nbytes >> 20} MB, of which hardly anything is in the file"
        return None

    if fault := file.visititems_links(look) or file.visititems(weigh):  # h5py passes no exception on
        raise ValueError(fault)


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
