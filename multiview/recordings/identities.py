"""Who the people of a table of poses are: `identities.toml` beside it, so that naming somebody changes no poses."""

from __future__ import annotations

import logging
import zlib
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Int64

from multiview.common.atomic_file import replacing
from multiview.common.toml import decode_toml, encode_toml

__all__ = ["IDENTITIES", "IdentitiesFile", "identities_crc", "read_identities", "write_identities"]

IDENTITIES = "identities.toml"


class IdentitiesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`identities.toml`."""

    version: int = 1
    """Of this format."""
    poses: str
    """CRC-32 of the numbers of frames and people that the names belong to, in hexadecimal digits."""
    names: dict[str, str]
    """The actor's name of each person who has one, by number."""


def write_identities(
    names: dict[int, str], folder: Path, frame: Int64[np.ndarray, " N"], person: Int64[np.ndarray, " N"]
) -> Path:
    """Write people's names beside their poses.

    Args:
        names: By number.
        folder: Where the poses are, or would be.
        frame: (N,) of the poses.
        person: (N,) of the poses.

    Returns:
        The file.
    """
    file = IdentitiesFile(
        poses=identities_crc(frame, person), names={str(p): name for p, name in sorted(names.items())}
    )
    path = folder / IDENTITIES
    with replacing(path, correct=True) as temporary:
        temporary.write_text(encode_toml(file, str(path)), encoding="utf-8")
    return path


def read_identities(
    folder: Path, frame: Int64[np.ndarray, " N"], person: Int64[np.ndarray, " N"]
) -> dict[int, str] | None:
    """The names that are written beside poses.

    Args:
        folder: Where the poses are.
        frame: (N,) of the poses.
        person: (N,) of the poses.

    Returns:
        By number; None where there are none, or, with a warning, where they are of other poses.

    Raises:
        ConfigError: The file is not of this form.
    """
    path = folder / IDENTITIES
    if not path.is_file():
        return None
    file = decode_toml(path, IdentitiesFile)
    if file.poses != identities_crc(frame, person):
        logging.warning("%s names people of other poses than these: left out; name them again", path)
        return None
    return {int(number): name for number, name in file.names.items() if number.isdecimal()}


def identities_crc(frame: Int64[np.ndarray, " N"], person: Int64[np.ndarray, " N"]) -> str:
    """By which it is known whether numbers of people still mean the same people.

    Args:
        frame: (N,) of the poses.
        person: (N,) of the poses.

    Returns:
        CRC-32 of both, in hexadecimal digits.
    """
    return f"{zlib.crc32(np.stack([frame, person]).astype('<i8').tobytes()):08x}"
