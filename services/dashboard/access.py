"""Who may see the studio's pages, and who may control it: one-time links become signed cookies, each with a role.

Whoever opens a link gets a cookie for a week. Cookies are signed with a key that only this user can read, and are not
stored: they are valid after a restart, too, until the key is deleted.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from multiview.common.user_folders import user_config
from multiview.errors import ConfigError

__all__ = ["COOKIE_S", "Access", "Role", "Session", "signing_key"]

COOKIE_S = 7 * 24 * 3600.0
MAX_LINKS = 100  # that nobody has opened yet; the oldest ends
_KEY_BYTES = 32


class Role(StrEnum):
    """What a page may do."""

    VIEW = "view"
    CONTROL = "control"


class Session(NamedTuple):
    """One browser that was let in; `number` tells it from others."""

    number: str
    role: Role


class Access:
    """Makes links and cookies, and knows which are valid.

    Args:
        key: Signs the cookies.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._links: dict[str, Role] = {}  # by the hash of the token

    def new_token(self, role: Role) -> str:
        """The token of a new link, for one browser."""
        token = secrets.token_urlsafe(24)
        self._links[_hash(token)] = role
        while len(self._links) > MAX_LINKS:
            del self._links[next(iter(self._links))]
        return token

    def redeem(self, token: str) -> str | None:
        """A cookie for whoever shows the token of a link; None if there is none such, or it was used."""
        role = self._links.pop(_hash(token), None)
        if role is None:
            return None
        text = f"{role}.{secrets.token_hex(8)}.{round(time.time() + COOKIE_S)}"
        return f"{text}.{self._signature(text)}"

    def session(self, cookie: str) -> Session | None:
        """Whose cookie this is; None if it was not made here, was changed, or is too old."""
        text, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            return None
        role, number, until = text.split(".")
        return Session(number, Role(role)) if time.time() < int(until) else None

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def signing_key(folder: Path) -> bytes:
    """The key for the cookies of the studio in a folder: of this user, made on the first call.

    Args:
        folder: The studio's; cookies of one studio are nothing to another.

    Returns:
        32 bytes.

    Raises:
        ConfigError: Others can read the key, or it cannot be written.
    """
    home = user_config()
    if home is None:
        return secrets.token_bytes(_KEY_BYTES)
    path = home / "browser.key"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} can be read by other users: chmod 600 {path}")
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the key of the pages cannot be kept ({error.strerror})") from None
    if len(key) != _KEY_BYTES:
        raise ConfigError(f"{path}: not a key; delete it, and a new one is made")
    return hmac.new(key, str(folder.resolve()).encode(), hashlib.sha256).digest()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
