"""A field of view as people know it: in degrees, as the 35 mm equivalent that phones state, or by a camera's name."""

from __future__ import annotations

import math

import msgspec

from multiview.common.package_data import package_file
from multiview.common.toml import convert, read_toml
from multiview.errors import ConfigError

__all__ = ["field_of_view_deg"]

_LEAST_DEG, _MOST_DEG = 10.0, 150.0
_FILM_MM = math.hypot(36.0, 24.0)  # equivalents are by the diagonal (CIPA DCG-001)
_OF_PHOTO, _OF_VIDEO = 4 / 5, 16 / math.hypot(16, 9)  # longer side over diagonal: of a 4:3 sensor, of a 16:9 picture


class _Lens(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    source: str
    longer_deg: float | None = None
    diagonal_deg: float | None = None
    equivalent_mm: float | None = None


def field_of_view_deg(text: str) -> float:
    """Degrees across the longer side of a video.

    Args:
        text: Degrees ("70"), a 35 mm equivalent focal length ("26mm"), or a name of `configs/lenses.toml`.

    Returns:
        The field of view. Phones crop a video from the full width of their 4:3 sensors.

    Raises:
        ConfigError: It is none of these, or no field of view of a lens.
    """
    known = read_toml(package_file("lenses.toml"))
    said = text.strip().lower()
    if said in known:
        lens = convert(known[said], _Lens, said)
        if lens.diagonal_deg is not None:
            return 2 * math.degrees(math.atan(_OF_VIDEO * math.tan(math.radians(lens.diagonal_deg / 2))))
        return lens.longer_deg if lens.longer_deg is not None else _by_equivalent(lens.equivalent_mm or math.nan)
    try:
        degrees = _by_equivalent(float(said[:-2])) if said.endswith("mm") else float(said)
    except (ValueError, ZeroDivisionError):
        degrees = math.nan
    if not _LEAST_DEG <= degrees <= _MOST_DEG:
        raise ConfigError(
            f"--fov {text}: give degrees from {_LEAST_DEG:g} to {_MOST_DEG:g}, a 35 mm equivalent as in 26mm, or one "
            f"of {', '.join(sorted(known))}"
        )
    return degrees


def _by_equivalent(mm: float) -> float:
    return 2 * math.degrees(math.atan(_OF_PHOTO * _FILM_MM / 2 / mm))
