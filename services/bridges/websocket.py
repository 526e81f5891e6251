"""JSON over WebSocket: one text message per tick to every client, for browsers and short scripts.

    {"tick": 12, "time_s": 0.4, "utc_ns": 0, "people": [
        {"id": 3, "name": "", "joints": {"nose": [x, y, z], ...}, "filled": ["left_wrist"],
         "contacts": ["left_heel"]}]}

Browsers say which page asks (Origin): pages of this machine and of `origins` may read the poses, others may not. With a
`token` everybody has to show it, as ws://HOST:PORT/?token=... or in a header (Authorization: Bearer ...); off the
loopback it has to be set.
Its JSON Schema is docs/websocket.schema.json, generated from `TickMessage` below by docs/make_wire_format.py.
"""

from __future__ import annotations

import contextlib
import hmac
import re
import socket
import threading
import time
from collections import deque
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import numpy as np

from multiview.body.skeleton import Skeleton
from multiview.common.ranges import Port
from multiview.common.secret import resolve_secrets
from multiview.data import Track, Tracks
from multiview.errors import ConfigError, MultiviewError
from services.transport.bus import is_loopback

if TYPE_CHECKING:
    from websockets.http11 import Request, Response
    from websockets.sync.server import Server, ServerConnection
    from websockets.typing import Origin

__all__ = ["Bridge", "Options", "PersonMessage", "TickMessage", "json_schema"]

MAX_CLIENTS = 64
BLOCKED_S = 5.0  # a client that takes nothing for so long is cut off
LAST_S = 0.5  # the longest that clients may take to be told of the end
TRY_AGAIN_LATER = 1013
# Pages of this machine: their author is whoever runs a server on it.
_LOCAL_PAGES = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8766  # 8765 is where Foxglove's app looks first
    """TCP port; 0: any free port."""
    origins: str = ""
    """Web pages that may read the poses besides those of this machine: https://HOST:PORT, spaces between."""
    token: str = ""
    """What a client has to show; "secret:NAME" refers to a secret of yours. Needed off the loopback."""


class PersonMessage(msgspec.Struct, frozen=True):
    """One person. `id` is never given to anyone else while fusion runs; after a restart of fusion it counts anew.

    `joints` are metres in the world, z up, by the skeleton's names; an unknown joint is left out. `filled` names those
    that bones and motion place, not cameras; `contacts` those points of feet that stand on the floor.
    """

    id: int
    name: str
    joints: dict[str, tuple[float, float, float]]
    filled: list[str]
    contacts: list[str]


class TickMessage(msgspec.Struct, frozen=True):
    """Everyone at one tick. A `tick` that is left out was not sent: the client was too slow.

    `time_s` is on the clock of the ticks; `utc_ns` is since 1970, 0 where unknown: a program whose numbers are
    double-precision reads it to within 128 ns.
    """

    tick: int
    time_s: float
    utc_ns: int
    people: list[PersonMessage]


def json_schema() -> dict[str, Any]:
    """JSON Schema of a message.

    Returns:
        The schema, of draft 2020-12.
    """
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(TickMessage)}


class _Listener:
    """Send queue of one connection: the latest few messages only, so that a slow client skips ticks."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.waiting: deque[str] = deque(maxlen=2)
        self.ready = threading.Event()
        self.sending_since: float | None = None

    def blocked(self, now_s: float) -> bool:
        """Whether the client has taken nothing for long."""
        return self.sending_since is not None and now_s - self.sending_since > BLOCKED_S

    def cut(self) -> None:
        """End the connection without its consent: whoever waits for it, in whatever thread, goes on."""
        with contextlib.suppress(OSError):
            self.connection.socket.shutdown(socket.SHUT_RDWR)


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        try:
            from websockets.sync.server import serve
        except ModuleNotFoundError:
            raise MultiviewError("this bridge needs one more package: pip install multiview-mocap[websocket]") from None
        self._joints = skeleton.joints
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._token = resolve_secrets(options.token)
        if not self._token and not is_loopback(options.host):
            raise ConfigError(
                f"on {options.host} everybody in the network could read who is where: set a token "
                "(--option token=secret:NAME)"
            )

        try:
            self._server: Server = serve(
                self._serve_connection,
                options.host,
                options.port,
                compression=None,
                origins=_origins(options.origins),
                process_request=self._check_token,
                open_timeout=2.0,
                max_size=1024,
            )
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {options.host}:{options.port} ({error.strerror}): set another port"
            ) from None
        self.port = int(self._server.socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def send(self, tracks: Tracks) -> None:
        with self._lock:
            listeners = list(self._listeners)
        if listeners:
            text, now_s = self._text(tracks), time.monotonic()
            for listener in listeners:
                listener.waiting.append(text)
                listener.ready.set()
                if listener.blocked(now_s):
                    listener.cut()

    def close(self) -> None:
        self._closing = True
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.ready.set()
        end = time.monotonic() + LAST_S
        while self._listeners and time.monotonic() < end:
            time.sleep(0.01)
        for listener in listeners:
            listener.cut()
        self._server.shutdown()
        self._thread.join(2.0)

    def _check_token(self, connection: ServerConnection, request: Request) -> Response | None:
        """A refusal; None if the client has shown the token, or there is none."""
        if not self._token or hmac.compare_digest(_shown_token(request).encode(), self._token.encode()):
            return None
        return connection.respond(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong\n")

    def _serve_connection(self, connection: ServerConnection) -> None:
        """The thread of one connection."""
        from websockets.exceptions import ConnectionClosed

        listener = _Listener(connection)
        with self._lock:
            full = len(self._listeners) >= MAX_CLIENTS
            if not full:
                self._listeners.add(listener)
        if full:
            connection.close(TRY_AGAIN_LATER, "too many clients")
            return
        try:
            while not self._closing:
                listener.ready.wait(1.0)
                listener.ready.clear()
                while listener.waiting and not self._closing:
                    listener.sending_since = time.monotonic()
                    connection.send(listener.waiting.popleft())
                    listener.sending_since = None
        except (ConnectionClosed, OSError):
            return
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def _text(self, tracks: Tracks) -> str:
        people = [self._person(track) for track in tracks.tracks]
        return msgspec.json.encode(TickMessage(tracks.tick, tracks.time, tracks.utc_ns, people)).decode()

    def _person(self, track: Track) -> PersonMessage:
        known = np.isfinite(track.pose.xyz).all(axis=1)
        places = np.round(track.pose.xyz, 4).tolist()
        joints = {name: places[i] for i, name in enumerate(self._joints) if known[i]}
        filled = [name for i, name in enumerate(self._joints) if known[i] and track.pose.filled[i]]
        contacts = [] if track.pose.contact is None else np.flatnonzero(track.pose.contact & known).tolist()
        standing = [self._joints[i] for i in contacts]
        return PersonMessage(track.person, track.name, joints, filled, standing)


def _origins(further: str) -> list[Origin | re.Pattern[str] | None]:
    """Who may connect: programs without an origin, pages of this machine, and those that the user names."""
    from websockets.typing import Origin

    return [None, _LOCAL_PAGES, *map(Origin, further.split())]


def _shown_token(request: Request) -> str:
    """Of the header, else of the address, where alone a page's script can put it; empty if there is none."""
    scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return parse_qs(urlsplit(request.path).query).get("token", [""])[0]
