"""Poses as files of other programs. A format is one file here, named as it is asked for, with a class `Exporter`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from multiview.common.plugins import load_plugin, plugin_names
from multiview.errors import ConfigError
from multiview.export._scene import Picture, Scene, scene_of
from multiview.recordings.pose_table import Poses
from multiview.retarget.target import Character

__all__ = [
    "PER_METRE",
    "CharacterExporter",
    "Exporter",
    "Picture",
    "Progress",
    "Scene",
    "SceneExporter",
    "exporter_names",
    "load_exporter",
    "part",
    "scene_of",
    "silent",
]

PER_METRE = {"m": 1.0, "cm": 100.0, "mm": 1000.0}

Progress = Callable[[float], None]  # told which share, 0 to 1, is done


def silent(share: float) -> None:
    """Nobody wants to know."""


def part(progress: Progress, index: int, count: int) -> Progress:
    """The progress of one of `count` equal parts."""
    return lambda share: progress((index + share) / count)


class Exporter(Protocol):
    """Writes poses in one format.

    A module whose format may have other units than its own lists them in `UNITS`, and the other options that its
    `Exporter` takes, by name, in `OPTIONS`.
    """

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        """Write one file or, where the format holds one person only, one per person; nobody at all is no error.

        Args:
            poses: The poses.
            stem: Path without what follows the name: "out/walk" becomes "out/walk.c3d".
            progress: Told which share, 0 to 1, is done.

        Returns:
            What was written, each whole (`multiview.common.atomic_file.replacing`).
        """
        ...


@runtime_checkable
class SceneExporter(Exporter, Protocol):
    """A format that also shows what stands around people."""

    def write_scene(self, scene: Scene, stem: Path, progress: Progress = silent) -> list[Path]:
        """As `write`, with bones, cameras and pictures."""
        ...


@runtime_checkable
class CharacterExporter(Exporter, Protocol):
    """A format of skeletons that move; `character` is who moves as people did, None for skeletons of their own."""

    character: Character | None


def exporter_names() -> tuple[str, ...]:
    """The formats that ship with multiview.

    Returns:
        Names that `load_exporter` takes, sorted.
    """
    return plugin_names(__name__)


def load_exporter(name: str, unit: str = "", **options: str) -> Exporter:
    """The exporter of a format.

    Args:
        name: "trc", "bvh" ... (a file of multiview/export), or "./my.py".
        unit: "m", "mm" ... ; empty: the format's own.
        options: Of the format, "names" or "model"; empty ones are as if left out.

    Returns:
        The exporter.

    Raises:
        ConfigError: There is no such format, unit or option; the message lists those there are.
    """
    module = load_plugin(__name__, name, "Exporter")
    given = {key: value for key, value in options.items() if value}
    if unknown := [key for key in given if key not in getattr(module, "OPTIONS", ())]:
        raise ConfigError(f"{name} files have no choice of {unknown[0]}: leave --{unknown[0]} out")
    units = getattr(module, "UNITS", ())
    only = "degrees" if name == "angles" else "metres"
    if not unit or (unit == "m" and not units and only == "metres"):
        return cast(Exporter, module.Exporter(**given))
    if not units:
        raise ConfigError(f"{name} files are always in {only}: leave --units out")
    if unit not in units:
        known = f"{', '.join(units[:-1])} or {units[-1]}"
        raise ConfigError(f"{name} files have {known}, not {unit}: choose one, or leave --units out for {units[0]}")
    return cast(Exporter, module.Exporter(unit, **given))
