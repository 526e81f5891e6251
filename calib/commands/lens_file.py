"""A file of lenses that are known, for commands that take --lenses."""

from __future__ import annotations

from pathlib import Path

from calib.formats import format_of, load_format
from multiview.cameras.camera import Rig
from multiview.common.ledger import reading
from multiview.errors import ConfigError

__all__ = ["read_lenses"]


def read_lenses(path: Path) -> Rig:
    """Cameras whose lenses count, and whose places do not.

    Args:
        path: A rig or lens file in any format that `convert` reads.

    Returns:
        The cameras.

    Raises:
        ConfigError: There is no such file.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    return load_format(format_of(path)).read(reading(path), 1.0)[0]
