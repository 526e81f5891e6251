"""Poses as files of other programs. A format is one file here, named as it is asked for, with a class `Exporter`."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Protocol, cast

from multiview.errors import ConfigError
from multiview.poses import Poses

__all__ = ["Exporter", "exporter_names", "load_exporter"]


class Exporter(Protocol):
    """Writes poses in one format."""

    def write(self, poses: Poses, stem: Path) -> list[Path]:
        """Write one file or, where the format holds one person only, one per person; `stem` lacks what follows it.

        Returns what was written, each whole (`multiview.files.replacing`); nobody at all is no error.
        """
        ...


def exporter_names() -> tuple[str, ...]:
    """The formats there are."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def load_exporter(name: str) -> Exporter:
    """The exporter of a format; ConfigError naming those there are."""
    if name not in exporter_names():
        raise ConfigError(f"no export format {name!r}; there are {', '.join(exporter_names())}")
    return cast(Exporter, importlib.import_module(f"{__name__}.{name}").Exporter())
