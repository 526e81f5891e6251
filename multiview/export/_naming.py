"""Names of files that hold one person."""

from __future__ import annotations

from pathlib import Path

from multiview.common.names import file_name
from multiview.recordings.pose_table import Poses

__all__ = ["person_path"]


def person_path(stem: Path, poses: Poses, person: int, suffix: str) -> Path:
    """The file of one person.

    Args:
        stem: Path without what follows the name.
        poses: Which know the person's name.
        person: Their number.
        suffix: ".bvh" ...

    Returns:
        "out/walk" becomes "out/walk_amy.bvh".
    """
    return stem.with_name(f"{stem.name}_{file_name(poses.label(person))}{suffix}")
