"""What the hub remembers of others: tables that are bounded, and that give known ones their place whatever else comes.

Known are the studio's own cameras and services, and the owners of keys. Others share a few places; where those are
taken, the newest one is turned away.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from multiview.cameras.camera import MAX_CAMERAS

__all__ = ["Names", "Reasons", "SenderTable"]

MAX_UNKNOWN = 100
UNKNOWN_NS = 60_000_000_000  # an unknown one that was silent for so long gives its place to another
RATE, BURST = 1000.0, 500.0  # messages a second that one sender may send, and how many at once
GONE_NS = 10_000_000_000  # a camera that was silent for so long has made room for another
LEASE_NS = 500_000_000  # a camera belongs to a connection until that was silent for so long
MAX_REASONS, MAX_DETAILS = 400, 5


class Names:
    """Names and when each was last heard of (ns); `known` says which always have a place."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self.last_ns: dict[str, int] = {}

    def enter(self, name: str, now_ns: int) -> bool:
        """Note that this name was heard of; False if there is no place for it."""
        if name not in self.last_ns and not self._known(name):
            unknown = [other for other in self.last_ns if not self._known(other)]
            gone = [other for other in unknown if now_ns - self.last_ns[other] > UNKNOWN_NS]
            if len(unknown) >= MAX_UNKNOWN and not gone:
                return False
            for other in gone:
                del self.last_ns[other]
        self.last_ns[name] = now_ns
        return True


class _Sender:
    def __init__(self, now_ns: int) -> None:
        self.connection, self.spoke_ns = b"", now_ns - LEASE_NS
        self.level, self.filled_ns = BURST, now_ns


class SenderTable:
    """Which connection speaks for a camera or service, and how fast."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self._names = Names(known)
        self._senders: dict[str, _Sender] = {}

    def rejection(self, owner: str, connection: bytes, now_ns: int) -> str:
        """Why this connection may not speak for this owner now; empty if it may."""
        sender = self._senders.get(owner)
        if sender is not None and connection != sender.connection and now_ns - sender.spoke_ns < LEASE_NS:
            return "second sender for"
        if self._too_many_cameras(owner, now_ns):
            return f"more than {MAX_CAMERAS} cameras: no place for"
        if not self._names.enter(owner, now_ns):
            return "no place for another sender"
        if sender is None:
            self._senders = {name: one for name, one in self._senders.items() if name in self._names.last_ns}
            sender = self._senders[owner] = _Sender(now_ns)
        sender.level = min(BURST, sender.level + (now_ns - sender.filled_ns) * RATE / 1e9)
        sender.filled_ns = now_ns
        if sender.level < 1:
            return "too fast:"
        sender.level -= 1
        return ""

    def _too_many_cameras(self, owner: str, now_ns: int) -> bool:
        """Whether so many others speak that this one would be one too many; strangers take no place of a known one."""
        if not owner.startswith("camera/"):
            return False
        known = self._known(owner)
        others = [
            name
            for name, one in self._senders.items()
            if name.startswith("camera/") and name != owner and now_ns - one.spoke_ns < GONE_NS
        ]
        return sum(self._known(name) or not known for name in others) >= MAX_CAMERAS

    def lease(self, owner: str, connection: bytes, now_ns: int) -> None:
        """The owner has spoken by this connection, which is its own for half a second."""
        sender = self._senders[owner]
        sender.connection, sender.spoke_ns = connection, now_ns


class Reasons:
    """Why messages, requests and connections were rejected: counted, and logged with a few examples of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._details: dict[str, set[str]] = {}

    def add(self, reason: str, detail: str = "", count: int = 1) -> None:
        """Count a rejection. `reason` comes from a small set; `detail` may be any printable text."""
        if reason not in self.counts and len(self.counts) >= MAX_REASONS:
            reason, detail = "other reasons", ""
        details = self._details.setdefault(reason, set())
        if detail not in details and len(details) < MAX_DETAILS:
            details.add(detail)
            logging.warning("rejected: %s%s (further ones are only counted)", reason, f": {detail}" if detail else "")
        self.counts[reason] += count
