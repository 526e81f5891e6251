"""A new take of a studio."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from multiview.body.skeleton import SKELETONS, load_skeleton, skeleton_names
from multiview.cameras.rig_file import dumps
from multiview.recordings.take import Take, begin_take, free_name
from multiview.studio.config import Studio
from multiview.studio.derived import studio_rig, with_skeleton
from multiview.studio.studio_file import studio_text, without_secrets

__all__ = ["new_take"]


def new_take(studio: Studio, name: str, now: datetime, notes: str = "") -> Take:
    """Begin a take of this studio at the present time `now`, with its rig and its effective configuration inside."""
    directory = Path(studio.recorder.directory)
    studio = with_skeleton(studio)
    own = load_skeleton(studio.skeleton) if studio.skeleton not in skeleton_names() else None
    skeleton = f"{SKELETONS}/{own.name}.toml" if own is not None else studio.skeleton
    inside = msgspec.structs.replace(without_secrets(studio), rig="rig.toml", skeleton=skeleton)
    name = name or free_name(directory, studio.name, now)
    return begin_take(directory, name, now, dumps(studio_rig(studio)), studio_text(inside), notes, own)
