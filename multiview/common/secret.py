"""Passwords by reference: `secret:NAME` in an address stands for what is kept where only its user can read it.

    rtsp://secret:cam01@192.168.1.21/stream         MULTIVIEW_SECRET_CAM01 = "user:password", or in secrets.toml
                                                    cam01 = "user:password"

`secrets.toml` lies in the user's own configuration folder, or where MULTIVIEW_SECRETS says.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from platformdirs import user_config_path

from multiview.common.toml import read_toml
from multiview.errors import ConfigError

__all__ = ["has_secret", "hide_secrets", "is_secret", "resolve_secrets"]

FILE, PREFIX = "MULTIVIEW_SECRETS", "MULTIVIEW_SECRET_"
_REFERENCE = re.compile(r"secret:([A-Za-z0-9_-]{1,64})")
_PASSWORD = re.compile(r"(?i)(?<![a-z])(user|pass|pwd|pw|token|key|auth|login)[a-z]*=(?!secret:)")


def is_secret(address: str) -> bool:
    """Whether an address is nothing but a reference."""
    return _REFERENCE.fullmatch(address) is not None


def has_secret(address: str) -> bool:
    """Whether an address refers to a secret."""
    return _REFERENCE.search(address) is not None


def resolve_secrets(address: str) -> str:
    """The address to open, secrets in their places; the caller shows it to nobody.

    Args:
        address: As in a studio file.

    Returns:
        The same address, or the one with the secrets.

    Raises:
        ConfigError: There is no such secret, or others can read the file.
    """
    return _REFERENCE.sub(lambda found: _secret(found[1]), address)


def hide_secrets(address: str) -> str:
    """An address as it may be shown and recorded: without user, password and query; references stay.

    Args:
        address: Of a camera: a file, a number, a stream.

    Returns:
        The address that tells nothing.
    """
    if "://" not in address:
        return address
    scheme, _, rest = address.partition("://")
    user, at, place = rest.rpartition("@")  # the last one: a password may have one, too, and / and ? as well
    place, mark, query = place.partition("?")
    if told := _PASSWORD.search(place):  # of cameras that are asked for /user=admin&password=...
        place = place[: told.start()] + "..."
    kept = f"{user}{at}" if _REFERENCE.fullmatch(user) else ""
    return f"{scheme}://{kept}{place}" + (f"{mark}{query}" if _REFERENCE.fullmatch(query) else "")


def _secret(name: str) -> str:
    variable = PREFIX + name.upper().replace("-", "_")
    if value := os.environ.get(variable):
        return value
    path = Path(os.environ.get(FILE) or user_config_path("multiview", appauthor=False) / "secrets.toml")
    if not path.is_file():
        raise ConfigError(f'secret:{name}: set {variable}, or write {name} = "user:password" into {path}')
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} can be read by other users: chmod 600 {path}")
    value = read_toml(path).get(name)
    if not isinstance(value, str):
        raise ConfigError(f'secret:{name}: {path} has no {name} = "user:password"')
    return value
