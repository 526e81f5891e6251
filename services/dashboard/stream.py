"""/stream: the poses of the running studio as they come, for the live view of a browser."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from services.dashboard.backstage import Backstage
from services.dashboard.hub_feed import HubFeed, Watching

__all__ = ["add_stream"]

MAX_WATCHING = 32
MAX_REPLY = 80  # characters of two numbers and a word
SEND_S = 5.0  # a browser that takes nothing for so long is cut off
LOOK_S = 1.0  # how often a changed studio is noticed
TRY_AGAIN_LATER = 1013


def add_stream(app: FastAPI, backstage: Backstage) -> None:
    """Each message: the hub's time of arrival (ms, float64, little-endian), then a `poses` message as it was sent.

    A browser answers now and then with that time, in decimal digits, of what it has drawn, how many poses a second it
    draws, and `software` if no graphics card does it; it is sent twice as many at the most, and those that draw in
    software on this machine share what they are sent.
    """
    connected: set[WebSocket] = set()

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        if len(connected) >= MAX_WATCHING:
            await socket.close(TRY_AGAIN_LATER)
            return
        connected.add(socket)
        try:
            while True:
                feed = backstage.feed
                if feed is None:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(_until_gone(socket), LOOK_S)
                else:
                    await _serve(socket, feed, backstage)
        except WebSocketDisconnect:
            return
        except (RuntimeError, TimeoutError, ValueError):
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                await socket.close()
        finally:
            connected.discard(socket)


async def _until_gone(socket: WebSocket) -> None:
    while True:
        await socket.receive_text()


async def _serve(socket: WebSocket, feed: HubFeed, backstage: Backstage) -> None:
    """Until the browser is gone, or the studio another one."""
    watching = feed.watch()
    replies = asyncio.create_task(_hear(socket, watching))
    try:
        while backstage.feed is feed and not replies.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(watching.ready.wait(), LOOK_S)
            watching.ready.clear()
            while watching.waiting:
                await asyncio.wait_for(socket.send_bytes(watching.waiting.popleft()), SEND_S)
        if replies.done():
            raise WebSocketDisconnect
    finally:
        feed.leave(watching)
        replies.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, ValueError, KeyError):
            await replies


async def _hear(socket: WebSocket, watching: Watching) -> None:
    server = socket.scope.get("server")
    here = socket.client is not None and server is not None and socket.client.host == server[0]
    while True:
        text = await socket.receive_text()
        if len(text) > MAX_REPLY:
            raise ValueError("no number")
        arrival_ms, rate_hz, software, *_ = [*text.split(), "0", ""]
        watching.note_drawn(float(arrival_ms), float(rate_hz), software == "software" and here)
