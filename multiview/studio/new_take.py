"""A new take of a studio."""

from __future__ import annotations

from pathlib import Path

import msgspec

from multiview.cameras.rig_file import dumps
from multiview.recordings.take import Take, begin_take, free_name
from multiview.studio.config import Studio, studio_rig, studio_text

__all__ = ["new_take"]


def new_take(studio: Studio, name: str, notes: str = "") -> Take:
    """Begin a take of this studio, with its rig and its effective configuration inside."""
    directory = Path(studio.recorder.directory)
    inside = msgspec.structs.replace(studio, rig="rig.toml")
    name = name or free_name(directory, studio.name)
    return begin_take(directory, name, dumps(studio_rig(studio)), studio_text(inside), notes)
