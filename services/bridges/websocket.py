"""JSON over WebSocket: one text message per tick to every client, for browsers and short scripts.

    {"tick": 12, "time_s": 0.4, "utc_ns": 0, "people": [
        {"id": 3, "name": "", "joints": {"nose": [x, y, z], ...}, "filled": ["left_wrist"]}]}

Its JSON Schema is docs/websocket.schema.json, generated from `TickMessage` below by docs/make_wire_format.py.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import msgspec
import numpy as np

from multiview.body.skeleton import Skeleton
from multiview.common.ranges import Port
from multiview.data import Track, Tracks
from multiview.errors import ConfigError, MultiviewError

__all__ = ["Bridge", "Options", "PersonMessage", "TickMessage", "json_schema"]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8765
    """TCP port; 0: any free port."""


class PersonMessage(msgspec.Struct, frozen=True):
    """One person. `id` is never given to anyone else while fusion runs; after a restart of fusion it counts anew.

    `joints` are metres in the world, z up, by the skeleton's names; an unknown joint is left out. `filled` names those
    that bones and motion place, not cameras.
    """

    id: int
    name: str
    joints: dict[str, tuple[float, float, float]]
    filled: list[str]


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

    def __init__(self) -> None:
        self.waiting: deque[str] = deque(maxlen=2)
        self.ready = threading.Event()


class Bridge:
    def __init__(self, options: Options, skeleton: Skeleton, rate_hz: float) -> None:
        try:
            from websockets.sync.server import Server, ServerConnection, serve
        except ModuleNotFoundError:
            raise MultiviewError("this bridge needs one more package: pip install multiview-mocap[websocket]") from None
        self._joints = skeleton.joints
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()
        self._closing = False

        def connected(connection: ServerConnection) -> None:
            self._serve_connection(connection)

        try:
            self._server: Server = serve(connected, options.host, options.port, compression=None)
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
            text = self._text(tracks)
            for listener in listeners:
                listener.waiting.append(text)
                listener.ready.set()

    def close(self) -> None:
        self._closing = True
        with self._lock:
            for listener in self._listeners:
                listener.ready.set()
        self._server.shutdown()
        self._thread.join(2.0)

    def _serve_connection(self, connection: object) -> None:
        """The thread of one connection."""
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.server import ServerConnection

        assert isinstance(connection, ServerConnection)
        listener = _Listener()
        with self._lock:
            self._listeners.add(listener)
        try:
            while not self._closing:
                listener.ready.wait(1.0)
                listener.ready.clear()
                while listener.waiting:
                    connection.send(listener.waiting.popleft())
        except ConnectionClosed:
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
        return PersonMessage(track.person, track.name, joints, filled)
