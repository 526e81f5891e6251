"""/stream: the poses of the running studio as they come, for the live view of a browser."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from services.dashboard.backstage import Backstage
from services.dashboard.hub_feed import HubFeed, Watching

__all__ = ["add_stream"]

MAX_WATCHING = 32
MAX_REPLY = 60  # characters of two numbers
SEND_S = 5.0  # a browser that takes nothing for so long is cut off
LOOK_S = 1.0  # how often a changed studio is noticed
TRY_AGAIN_LATER = 1013


def add_stream(app: FastAPI, backstage: Backstage) -> None:
    """Each message: the hub's time of arrival (ms, float64, little-endian), then a `poses` message as it was sent.

    A browser answers now and then with that time, in decimal digits, of what it has drawn, and how many poses a second
    it draws; it is sent twice as many at the most.
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
    while True:
        text = await socket.receive_text()
        if len(text) > MAX_REPLY:
            raise ValueError("no number")
        arrival_ms, _, rate_hz = text.partition(" ")
        watching.note_drawn(float(arrival_ms), float(rate_hz or 0.0))
