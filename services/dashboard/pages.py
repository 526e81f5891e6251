"""The pages, and the files that they load."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from nicegui import ui

from multiview.errors import MultiviewError, one_line
from services.dashboard.backstage import Backstage
from services.dashboard.downloads import Downloads
from services.dashboard.layout import STATIC
from services.dashboard.live_page import live_page
from services.dashboard.take_errors import error_bytes
from services.dashboard.take_list import find_take, playback_bytes
from services.dashboard.takes_page import take_page, takes_page

__all__ = ["add_pages"]


def add_pages(app: FastAPI, backstage: Backstage, downloads: Downloads) -> None:
    """Add every page to an application; each finds its session where the guard has put it."""
    app.mount("/own", StaticFiles(directory=STATIC))

    @ui.page("/", title="Live · multiview")
    def live(request: Request) -> None:
        live_page(backstage, request.state.session)

    @ui.page("/takes", title="Takes · multiview")
    def takes(request: Request) -> None:
        takes_page(backstage, request.state.session)

    @ui.page("/takes/{folder}", title="Take · multiview", response_timeout=60.0)
    async def take(request: Request, folder: str) -> None:
        await take_page(backstage, request.state.session, downloads, folder)

    @app.get("/playback/{folder}")
    async def playback(folder: str) -> Response:
        found = find_take(backstage.takes, folder)
        if found is None:
            return PlainTextResponse("there is no such take", 404)
        try:
            data = await run_in_threadpool(playback_bytes, found)
        except MultiviewError as error:
            return PlainTextResponse(one_line(error), 422)
        return Response(data, media_type="application/octet-stream", headers={"cache-control": "no-store"})

    @app.get("/errors/{folder}")
    async def errors(folder: str) -> Response:
        found = find_take(backstage.takes, folder)
        if found is None:
            return PlainTextResponse("there is no such take", 404)
        try:
            data = await run_in_threadpool(error_bytes, found)
        except MultiviewError as error:
            return PlainTextResponse(one_line(error), 422)
        return Response(data, media_type="application/json", headers={"cache-control": "no-store"})

    @app.get("/downloads/{key}")
    def download(key: str) -> Response:
        made = downloads.made(key)
        if made is None or not made.path.is_file():
            return PlainTextResponse("this export is gone: make it again", 404)
        return FileResponse(made.path, filename=made.name, media_type="application/zip")
