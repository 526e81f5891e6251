"""Calibrations in two files, side by side, whose names differ in one word."""

from __future__ import annotations

from pathlib import Path

from multiview.errors import ConfigError

__all__ = ["partner"]


def partner(path: Path, own: str, other: str) -> Path:
    """The file beside `path` whose name has the word `other` where this one has `own`; raises ConfigError."""
    if own not in path.name:
        raise ConfigError(f"{path}: its name must have {own!r} in it, as the other file's has {other!r}")
    return path.with_name(path.name.replace(own, other))
