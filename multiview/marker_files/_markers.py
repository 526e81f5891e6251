"""Markers over time, and how a file of them is found out and brought to metres."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.common.plugins import load_plugin, plugin_names
from multiview.common.ranges import shown
from multiview.errors import ConfigError, SourceError

__all__ = ["Markers", "read_markers"]

UNITS_M = {"m": 1.0, "cm": 0.01, "mm": 0.001}
_SMALLEST_M, _LARGEST_M = 0.3, 3.0  # between the markers of a person that are farthest apart


@dataclass(frozen=True, slots=True, eq=False)
class Markers:
    """T instants of M markers, in a world of their own.

    Attributes:
        time_s: (T,) s, ascending.
        xyz: (T, M, 3), NaN where a marker is not seen.
        names: Of the markers.
        unit: Of xyz, as the file says; empty where it does not.
    """

    time_s: Float64[np.ndarray, " T"]
    xyz: Float64[np.ndarray, "T M 3"]
    names: tuple[str, ...]
    unit: str = ""


def read_markers(path: Path, unit: str = "") -> Markers:
    """Read a file of markers.

    Args:
        path: Its ending says the format.
        unit: m, cm or mm; empty: as the file says, else the one in which the markers span the size of a person.

    Returns:
        The markers, in metres.

    Raises:
        ConfigError: There is no such format, or no unit can be told.
        SourceError: The file cannot be read, is damaged or holds no marker.
    """
    kind = path.suffix.lower().removeprefix(".")
    known = plugin_names(__package__)
    if kind not in known:
        raise ConfigError(f"{path}: markers are read from {', '.join('.' + name for name in known)}")
    module = load_plugin(__package__, kind, "read")
    with foreign_errors(path, f"a file of markers ({kind})"):
        found = module.read(reading(path))
        _check(path, found)
    chosen = unit or found.unit or _guessed(path, found.xyz)
    if chosen not in UNITS_M:
        raise ConfigError(f"{path}: lengths are in {shown(chosen)}, which is none of {', '.join(UNITS_M)}: give --unit")
    return replace(found, xyz=found.xyz * UNITS_M[chosen], unit=chosen)


def _check(path: Path, found: Markers) -> None:
    if not len(found.time_s) or not found.names or not np.isfinite(found.xyz).any():
        raise SourceError(f"{path}: it holds no marker that is seen")
    if not (np.isfinite(found.time_s).all() and (np.diff(found.time_s) > 0).all()):
        raise SourceError(f"{path}: its times do not rise")


def _guessed(path: Path, xyz: Float64[np.ndarray, "T M 3"]) -> str:
    """By the median size of what is seen at one instant."""
    seen = xyz[np.isfinite(xyz).all(axis=-1).sum(axis=1) > 1]
    if len(seen):
        span = float(np.median(np.linalg.norm(np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1), axis=-1)))
        for unit, metres in UNITS_M.items():
            if _SMALLEST_M < span * metres < _LARGEST_M:
                return unit
    raise ConfigError(f"{path}: its unit of length is not known: give --unit")
