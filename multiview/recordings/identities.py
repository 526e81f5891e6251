"""Who the people of a table of poses are: `identities.toml` beside it, so that naming somebody changes no poses."""

from __future__ import annotations

import logging
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import tomli_w

from multiview.common.atomic_file import replacing
from multiview.common.toml import decode_toml
from multiview.recordings.pose_table import Poses

__all__ = ["IDENTITIES", "IdentitiesFile", "named", "write_identities"]

IDENTITIES = "identities.toml"


class IdentitiesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`identities.toml`."""

    version: int = 1
    """Of this format."""
    poses: str
    """CRC-32 of the numbers of frames and people that the names belong to, in hexadecimal digits."""
    names: dict[str, str]
    """The actor's name of each person who has one, by number."""


def write_identities(poses: Poses, folder: Path) -> Path:
    """Write the names of `poses` beside them.

    Args:
        poses: Whose `names` are kept.
        folder: Where the poses are, or would be.

    Returns:
        The file.
    """
    file = IdentitiesFile(poses=_fingerprint(poses), names={str(p): name for p, name in sorted(poses.names.items())})
    path = folder / IDENTITIES
    with replacing(path, correct=True) as temporary:
        temporary.write_text(tomli_w.dumps(msgspec.to_builtins(file)), encoding="utf-8")
    return path


def named(poses: Poses, folder: Path) -> Poses:
    """The poses with the names that are written beside them; names of other poses are left out, with a warning.

    Args:
        poses: As they were computed.
        folder: Where they are.

    Returns:
        The same poses.

    Raises:
        ConfigError: The file is not of this form.
    """
    path = folder / IDENTITIES
    if not path.is_file():
        return poses
    file = decode_toml(path, IdentitiesFile)
    if file.poses != _fingerprint(poses):
        logging.warning("%s names people of other poses than these: left out; name them again", path)
        return poses
    return replace(poses, names={int(person): name for person, name in file.names.items() if person.isdecimal()})


def _fingerprint(poses: Poses) -> str:
    numbers = np.stack([poses.frame, poses.person]).astype("<i8").tobytes()
    return f"{zlib.crc32(numbers):08x}"
