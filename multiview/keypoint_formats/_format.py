"""What a format of keypoints is, and which there are."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from multiview.common.ledger import reading
from multiview.common.plugins import load_plugin, plugin_names
from multiview.errors import SourceError
from multiview.keypoint_formats._keypoint_file import KeypointFile

__all__ = ["Format", "format_names", "format_of", "load_format", "suffixes"]

PACKAGE = "multiview.keypoint_formats"
HEAD = 1 << 16  # bytes by which a format is recognised


@runtime_checkable
class Format(Protocol):
    """Protocol of a format module."""

    SUFFIXES: tuple[str, ...]

    def recognises(self, path: Path, head: bytes) -> bool: ...

    def read(self, path: Path) -> KeypointFile: ...


def format_names() -> tuple[str, ...]:
    """Names of the formats that ship with multiview."""
    return plugin_names(PACKAGE)


def load_format(name: str) -> Format:
    """The module of a format, or of one's own file "./my.py"; raises ConfigError listing what exists."""
    return cast(Format, load_plugin(PACKAGE, name, "SUFFIXES", "recognises", "read"))


def suffixes() -> frozenset[str]:
    """The endings of files that any format reads."""
    return frozenset(suffix for name in format_names() for suffix in load_format(name).SUFFIXES)


def format_of(path: Path) -> str:
    """The format of a file, by what is in it; empty where it is of none that is known. Raises SourceError."""
    try:
        with reading(path).open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from None
    for name in format_names():
        module = load_format(name)
        if path.suffix.lower() in module.SUFFIXES and module.recognises(path, head):
            return name
    return ""
