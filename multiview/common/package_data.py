"""Finds the files under configs/, in a source tree and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

__all__ = ["package_file"]

_HERE = Path(__file__).parents[1]
_CONFIGS = _HERE / "configs" if (_HERE / "configs").is_dir() else _HERE.parent / "configs"


def package_file(*parts: str) -> Path:
    """The path of a shipped file or folder, as in `package_file("skeletons", "coco17.toml")`; it may not exist."""
    return _CONFIGS.joinpath(*parts)
