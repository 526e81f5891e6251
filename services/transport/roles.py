"""Who is at the other end of a connection to the hub."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["ANYBODY", "Peer", "Role"]


class Role(StrEnum):
    """What the owner of a key is to the studio."""

    CAMERA = "camera"
    FUSION = "fusion"
    SERVICE = "service"
    OPERATOR = "operator"
    LISTENER = "listener"
    LOCAL = "local"  # on the hub's own machine, without a key


class Peer(NamedTuple):
    """Who is at the other end of a connection: the name and the role of its key."""

    name: str
    role: Role

    @property
    def subject(self) -> str:
        """As which it reports that it is ready."""
        return f"{'camera' if self.role is Role.CAMERA else 'service'}/{self.name}"


ANYBODY = Peer("", Role.LOCAL)
