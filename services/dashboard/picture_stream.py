"""/pictures: small pictures of the running studio's cameras, for a browser that shows them."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from services.dashboard.backstage import Backstage
from services.dashboard.picture_feed import Looking, PictureFeed

__all__ = ["add_picture_stream"]

MAX_LOOKING = 16
MAX_REQUEST = 20_000  # characters
SEND_S = 5.0  # a browser that takes nothing for so long is cut off
LOOK_S = 1.0  # how often a changed studio is noticed
TRY_AGAIN_LATER = 1013


class _Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What a browser asks for: these cameras, in small pictures or in large ones."""

    cameras: list[str]
    large: bool = False


def add_picture_stream(app: FastAPI, backstage: Backstage) -> None:
    """A browser says which cameras it shows (`_Wish`, as JSON); each message is one of `picture_bytes`."""
    connected: set[WebSocket] = set()

    @app.websocket("/pictures")
    async def pictures(socket: WebSocket) -> None:
        await socket.accept()
        if len(connected) >= MAX_LOOKING:
            await socket.close(TRY_AGAIN_LATER)
            return
        connected.add(socket)
        looking = Looking()
        wish = [_Wish([])]
        hearing = asyncio.create_task(_hear(socket, wish, looking.ready))
        try:
            while not hearing.done():
                await _serve(socket, backstage.pictures, backstage, looking, wish, hearing)
        except (RuntimeError, TimeoutError, WebSocketDisconnect):
            pass
        finally:
            connected.discard(socket)
            hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, ValueError):
                await hearing
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close()


async def _serve(
    socket: WebSocket,
    feed: PictureFeed | None,
    backstage: Backstage,
    looking: Looking,
    wish: list[_Wish],
    hearing: asyncio.Task[None],
) -> None:
    """Until the browser is gone, or the studio another one."""
    shown = None
    try:
        while backstage.pictures is feed and not hearing.done():
            if feed is not None and wish[0] is not shown:
                shown = wish[0]
                feed.look(looking, shown.cameras, shown.large)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(looking.ready.wait(), LOOK_S)
            looking.ready.clear()
            while looking.waiting:
                camera = next(iter(looking.waiting))
                await asyncio.wait_for(socket.send_bytes(looking.waiting.pop(camera)), SEND_S)
    finally:
        if feed is not None:
            feed.leave(looking)


async def _hear(socket: WebSocket, wish: list[_Wish], changed: asyncio.Event) -> None:
    """What the browser wants to see, until it is gone or talks nonsense (msgspec's errors are ValueErrors)."""
    while True:
        text = await socket.receive_text()
        if len(text) > MAX_REQUEST:
            raise ValueError("too long")
        wish[0] = msgspec.json.decode(text, type=_Wish)
        changed.set()
