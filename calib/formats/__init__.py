"""Calibration files of other tools: one module per format, found by its file's name.

A format says what its axes, units and directions are in its first lines, and has

    SUFFIX               the usual ending of its files
    recognises(text)     whether a file's text is of this format
    read(path, unit_m)   a Rig and remarks (what was assumed); unit_m: m per unit of length where the user gives it;
                         raises ConfigError
    write(rig, path)     writes it whole or not at all, and gives remarks (what the format cannot hold); a format that
                         is only read has none
    FILES                of a calibration in a folder: patterns of the files by which the folder is known; optional
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast

from calib.formats._cameras import UNITS_M
from calib.formats._described import described
from multiview.cameras.camera import Rig
from multiview.common.ledger import reading
from multiview.common.plugins import load_plugin, plugin_names
from multiview.errors import ConfigError

__all__ = ["UNITS_M", "Format", "format_names", "format_of", "load_format", "written_formats"]

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")  # the first two bytes of such a text


class Format(Protocol):
    """Protocol of a format module."""

    SUFFIX: str

    def recognises(self, text: str) -> bool: ...

    def read(self, path: Path, unit_m: float | None = None) -> tuple[Rig, list[str]]: ...

    def write(self, rig: Rig, path: Path) -> list[str]: ...


def format_names() -> tuple[str, ...]:
    """Names of the available formats."""
    return plugin_names(__name__)


def written_formats() -> tuple[str, ...]:
    """Names of the formats that can be written."""
    return tuple(name for name in format_names() if hasattr(load_format(name), "write"))


def load_format(name: str) -> Format:
    """Raises ConfigError, listing what exists."""
    return cast(Format, load_plugin(__name__, name))


def format_of(path: Path) -> str:
    """The format of an existing file, by what is in it, or of a folder, by the files in it; raises ConfigError."""
    for name in format_names():
        patterns = getattr(load_format(name), "FILES", ())
        if path.is_dir() and any(any(path.glob(pattern)) for pattern in patterns):
            return name
        if path.suffix == ".bin" and any(path.match(pattern) for pattern in patterns):
            return name
    if path.is_dir():
        raise ConfigError(f"{path}: a folder without a calibration of a known format; name its file")
    try:
        content = reading(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    text = content.decode("utf-16" if content[:2] in _UTF_16 else "utf-8", errors="replace")
    for name in format_names():
        if load_format(name).recognises(text):
            return name
    raise ConfigError(
        f"{path}: {described(text)}, not a calibration of a known format ({', '.join(format_names())}); "
        "give one with --from if it is"
    )
