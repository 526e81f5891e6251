"""The hub's TCP connections: how many there may be, and how much each may send; whoever goes beyond is closed.

ZeroMQ bounds neither the number of connections nor what a message of many parts may hold. It does tell which
connection came (its monitor) and which one a message came by (the number of its file), and Linux tells how much a
connection has received. With these three the memory of the hub is bounded whatever is sent:

- a port has `Limits.connections`; where it is full, the longest silent one makes room, else the newcomer goes;
- the connections of one key are `Limits.of_one_key` at most, and `Limits.kept` are kept for those who have a part in
  the studio: whoever may only listen, or has not said anything yet, goes first;
- connections that have not sent even a greeting are `Limits.waiting` at most, the oldest goes first;
- a connection sends messages and bytes at a rate, as do all those together who may only listen, and what it has sent of
  a message that is not complete is bounded, as is what all those have sent together that have not said anything yet;
- what subscribers ask for is bounded, of each and of all together;
- of those who may only listen and do not read what they are sent, `Limits.behind` are kept: for each of them up to a
  thousand messages wait here.

The hub relays by the same thread: so a call takes up a share of the connections only.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from multiview.wire.messages import MAX_BYTES
from services.transport.tcp_traffic import traffic, waiting_bytes

__all__ = ["ConnectionTable", "Limits"]

GREETING_BYTES = 64  # what ZMTP begins with
SILENT_S = 2.0  # a connection that was silent for so long makes room for another
HEARTBEAT_BYTES_S = 2048.0  # what heartbeats of the other side are allowed
SUBSCRIPTIONS, SUBSCRIBED_BYTES = 256, 4096  # of one connection; libzmq keeps some 50 bytes for each of these
SUBSCRIBED_IN_ALL = 32 * 1024  # bytes of all of them; ours ask for 150 each
AT_ONCE = 48  # connections that one call looks at
_LINUX = sys.platform == "linux"


class Limits(NamedTuple):
    """What one port takes: connections, messages a second and at once, bytes a second and at once.

    `kept` of the connections are for whoever has a part in the studio. The kernel holds about `window_bytes` of a
    connection, and libzmq `queue` messages, of parts of `part_bytes` at most: the rest waits in its sender.
    """

    connections: int = 128
    of_one_key: int = 48
    kept: int = 32
    waiting: int = 64
    window_bytes: int = 32 * 1024
    part_bytes: int = MAX_BYTES
    queue: int = 128
    unfinished: int = 512 * 1024  # bytes of a message that is not complete, twice in a row
    unfinished_at_once: int = 4 * 1024 * 1024
    in_all: int = 512 * 1024  # the same of all connections that have said nothing yet
    messages_s: float = 4000.0
    messages: float = 4000.0
    listeners_s: float = 1e9  # messages a second, and at once, of all together who have no part in the studio
    bytes_s: float = 16e6
    bytes: float = 16e6
    behind: int = 8  # listeners for whom something has waited without a pause for SILENT_S
    speaks: bool = True  # whether who connects here sends messages, so that silence means something


class _Connection:
    def __init__(self, port: str, handle: socket.socket, now_s: float) -> None:
        self.port, self.handle = port, handle
        self.since = self.last_message = self.refilled = self.swept = self.kept_up = now_s
        self.received = self.unfinished = 0.0
        self.waiting = 0  # bytes that have come and that ZeroMQ has not read
        self.greeted = not _LINUX
        self.suspect = self.delivered = self.spoke = False
        self.messages = self.bytes = 0.0  # used of what may be sent at once
        self.user = ""
        self.subscriptions: set[bytes] = set()
        self.subscribed = 0  # bytes of them


class ConnectionTable:
    """Every connection of the hub's ports, by the number of its file. Feed it with what ZeroMQ reports.

    `has_part` says whether the owner of a key does more in the studio than listen.
    """

    def __init__(self, limits: dict[str, Limits], has_part: Callable[[str], bool] = lambda user: True) -> None:
        self._limits, self._has_part = limits, has_part
        self._connections: dict[int, _Connection] = {}
        self._at: dict[str, dict[int, _Connection]] = {port: {} for port in limits}  # in the order of their coming
        self._unmeasured: deque[int] = deque()  # of this round
        self._listeners = dict.fromkeys(limits, (0.0, 0.0))  # what they sent of late, and when that was, s
        self._subscribed = 0  # bytes
        self.closed_for: Counter[str] = Counter()  # why connections were closed here

    def __len__(self) -> int:
        return len(self._connections)

    def __contains__(self, file: int) -> bool:
        return file in self._connections

    def accepted(self, port: str, file: int, now_s: float) -> None:
        """A connection has come; `file` may be gone already, or stand for the next one."""
        self.gone(file)
        with contextlib.suppress(OSError):
            copy = os.dup(file)
            try:
                handle = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=copy)  # told, it need not look
            except OSError:
                os.close(copy)
                raise
            self._connections[file] = self._at[port][file] = _Connection(port, handle, now_s)

    def gone(self, file: int) -> None:
        """ZeroMQ has closed it."""
        connection = self._taken_out(file)
        if connection is not None:
            connection.handle.close()

    def count(self, file: int, user: str, size: int, now_s: float) -> bool:
        """A complete message came by this connection; False if it sends too fast, so that it is not to be used."""
        connection = self._connections.get(file)
        if connection is None:
            return True  # it is gone, and what it sent last was still on its way
        limits, passed_s = self._limits[connection.port], now_s - connection.refilled
        connection.user, connection.last_message, connection.refilled = user, now_s, now_s
        connection.delivered = connection.greeted = connection.spoke = True
        connection.messages = max(0.0, connection.messages - passed_s * limits.messages_s) + 1.0
        connection.bytes = max(0.0, connection.bytes - passed_s * limits.bytes_s) + size
        share = max(connection.messages / limits.messages, connection.bytes / limits.bytes)
        if share > 2.0:
            self.close(file, "sent too fast")
        return share <= 1.0 and (self._has_part(user) or self._listeners_have_time(connection.port, now_s))

    def _listeners_have_time(self, port: str, now_s: float) -> bool:
        """Whoever has a part in the studio does not wait for those who may only listen, however many they are."""
        rate, (level, last_s) = self._limits[port].listeners_s, self._listeners[port]
        level = max(0.0, level - (now_s - last_s) * rate)
        fits = level + 1.0 <= rate
        self._listeners[port] = (level + fits, now_s)
        return fits

    def subscribed(self, file: int, topic: bytes, active: bool) -> None:
        """A subscriber wants a topic, or no longer."""
        connection = self._connections.get(file)
        if connection is None:
            return
        topics = connection.subscriptions
        if active != (topic in topics):
            more = len(topic) if active else -len(topic)
            connection.subscribed += more
            self._subscribed += more
        topics.add(topic) if active else topics.discard(topic)
        if len(topics) > SUBSCRIPTIONS or connection.subscribed > SUBSCRIBED_BYTES:
            self.close(file, "too many subscriptions")
        elif self._subscribed > SUBSCRIBED_IN_ALL:
            most = max(self._connections, key=lambda other: self._connections[other].subscribed)
            self.close(most, "too many subscriptions")

    def _taken_out(self, file: int) -> _Connection | None:
        connection = self._connections.pop(file, None)
        if connection is not None:
            del self._at[connection.port][file]
            self._subscribed -= connection.subscribed
        return connection

    def close(self, file: int, reason: str) -> None:
        """Close a connection; ZeroMQ notices, and reports it as gone."""
        connection = self._taken_out(file)
        if connection is not None:
            self.closed_for[reason] += 1
            with contextlib.suppress(OSError):
                # Reset rather than finish, or a sender whose window is full would hang on for a minute, and so would
                # what the kernel keeps of the connection.
                connection.handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.handle.shutdown(socket.SHUT_RDWR)
            connection.handle.close()

    def close_users(self, users: set[str]) -> None:
        """Close the connections of these users."""
        for file in [file for file, one in self._connections.items() if one.user in users]:
            self.close(file, "revoked key")

    def users(self) -> set[str]:
        """Those who have sent something."""
        return {one.user for one in self._connections.values() if one.user}

    def sweep(self, now_s: float) -> bool:
        """Close what goes beyond its limits, of some connections; True once all have had their turn.

        Call it when every complete message has been taken.
        """
        if not self._unmeasured:
            self._unmeasured.extend(reversed(self._connections))  # the newest first: of them the least is known
        for _ in range(min(AT_ONCE, len(self._unmeasured))):
            file = self._unmeasured.popleft()
            connection = self._connections.get(file)
            if _LINUX and connection is not None:
                self._measure(file, connection, now_s)
        for port, limits in self._limits.items():
            self._close_longest(port, limits.in_all)
        if self._unmeasured:
            return False
        for port, limits in self._limits.items():
            self._close_those_behind(port, limits.behind, now_s)
            self._make_room(port, limits, now_s)
        return True

    def close_all(self) -> None:
        for file in list(self._connections):
            self.gone(file)

    def _measure(self, file: int, connection: _Connection, now_s: float) -> None:
        limits = self._limits[connection.port]
        arrived, unsent = traffic(connection.handle)
        if connection.waiting or arrived != connection.received:  # else nothing has come, as of most
            connection.waiting = waiting_bytes(connection.handle)
        if not unsent:
            connection.kept_up = now_s
        received = arrived - connection.waiting
        came, connection.received = received - connection.received, received
        connection.greeted = connection.greeted or received > GREETING_BYTES
        allowance = (now_s - connection.swept) * HEARTBEAT_BYTES_S
        connection.swept = now_s
        # Parts of one message come one after the other: after a complete one, only what came since can be unfinished.
        connection.unfinished = 0.0 if connection.delivered else max(0.0, connection.unfinished + came - allowance)
        connection.delivered = False
        too_much = connection.unfinished > limits.unfinished
        if (too_much and connection.suspect) or connection.unfinished > limits.unfinished_at_once:
            self.close(file, "message without end")
        connection.suspect = too_much

    def _close_longest(self, port: str, limit: int) -> None:
        """Of those who have not said anything complete, until all of them together have sent less."""
        mute = [(one.unfinished, file) for file, one in self._at[port].items() if not one.spoke]
        unfinished = sum(size for size, _ in mute)
        if unfinished > limit:
            mute.sort()
        while unfinished > limit:
            size, file = mute.pop()
            self.close(file, "message without end")
            unfinished -= size

    def _close_those_behind(self, port: str, limit: int, now_s: float) -> None:
        """The longest first; they may come again, and what they have missed is gone either way."""
        behind = [
            (one.kept_up, file)
            for file, one in self._at[port].items()
            if now_s - one.kept_up > SILENT_S and not self._has_part(one.user)
        ]
        for _, file in sorted(behind)[: max(0, len(behind) - limit)]:
            self.close(file, "too many who do not read")

    def _make_room(self, port: str, limits: Limits, now_s: float) -> None:
        here = self._at[port]
        if len(here) <= min(limits.waiting, limits.of_one_key, limits.connections - limits.kept):
            return
        waiting = [file for file, one in here.items() if not one.greeted]
        for file in waiting[: max(0, len(waiting) - limits.waiting)]:
            self.close(file, "too many silent connections")
        by_key: dict[str, list[int]] = {}
        for file, one in here.items():
            by_key.setdefault(one.user, []).append(file)
        for user, files in by_key.items():
            for file in files[limits.of_one_key :] if user else ():
                self.close(file, "too many connections of one key")
        if limits.kept:
            mute = [file for file, one in here.items() if not one.spoke]
            for file in mute[: max(0, len(mute) - limits.waiting)]:
                self.close(file, "too many silent connections")
            others = [(file, one) for file, one in here.items() if self._only_listens(one, now_s)]
            self._close_excess(others, limits.connections - limits.kept, limits.speaks, now_s)
        self._close_excess(list(here.items()), limits.connections, limits.speaks, now_s)

    def _only_listens(self, one: _Connection, now_s: float) -> bool:
        """Or says nothing at all; who has just come is given time to."""
        return not self._has_part(one.user) if one.spoke else now_s - one.since > SILENT_S

    def _close_excess(self, there: list[tuple[int, _Connection]], limit: int, speaks: bool, now_s: float) -> None:
        """The longest silent goes first, then the newest who only listens, then the newest."""
        if len(there) <= limit:
            return
        quiet = [(o.last_message, file) for file, o in there if speaks and now_s - o.last_message > SILENT_S]
        newest = list(reversed(there))
        leaving = [file for _, file in sorted(quiet)]
        leaving += [file for file, one in there if not one.spoke and self._only_listens(one, now_s)]
        leaving += [file for file, one in newest if self._only_listens(one, now_s)]
        leaving += [file for file, _ in newest]
        for file in list(dict.fromkeys(leaving))[: max(0, len(there) - limit)]:
            self.close(file, "too many connections")
