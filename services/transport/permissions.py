"""Who may connect to a running hub now: `allowed.toml`, read again whenever it changes."""

from __future__ import annotations

import logging
from pathlib import Path

from multiview.errors import ConfigError
from services.transport.keyring import load_allowed
from services.transport.roles import Peer

__all__ = ["Permissions"]


class Permissions:
    """Looks peers up by their public keys; ConfigError if there is no list at the start.

    A list that cannot be read later is reported, and the one before it stays in force.
    """

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "allowed.toml"
        self._stamp = self._file_stamp()
        self._peers = self._read()
        self.subjects = _subjects(self._peers)

    def peer(self, public: str) -> Peer | None:
        """Whose key this is; None if it is not let in, or no longer."""
        return self._peers.get(public)

    def refresh(self) -> bool:
        """Follow a change of the file; whether there was one."""
        stamp = self._file_stamp()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            peers = self._read()
        except ConfigError as error:
            logging.warning("%s; the keys known so far stay valid", error)
            return False
        changed, self._peers = peers != self._peers, peers  # one assignment: the authenticator reads from its thread
        self.subjects = _subjects(peers)
        return changed

    def _read(self) -> dict[str, Peer]:
        return {one.public: Peer(name, one.role) for name, one in load_allowed(self._path.parent).items()}

    def _file_stamp(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_mtime_ns, status.st_ino, status.st_size)


def _subjects(peers: dict[str, Peer]) -> frozenset[str]:
    """As which the owners of the keys report that they are ready."""
    return frozenset(peer.subject for peer in peers.values())
