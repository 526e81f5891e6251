"""The pages, and the files that they load.

What only some pages need is imported when they are first asked for: the first page is there sooner.
"""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from nicegui import ui

from multiview.errors import MultiviewError, one_line, os_error_words
from multiview.recordings.take import Take
from services.dashboard.backstage import Backstage
from services.dashboard.control import check_control
from services.dashboard.downloads import Downloads
from services.dashboard.filming import report_bytes
from services.dashboard.guard import UPLOADS
from services.dashboard.layout import STATIC
from services.dashboard.live_page import live_page

__all__ = ["add_pages"]

# On top of that of every page: a report is a file, which has no business with scripts.
REPORT_POLICY = "sandbox allow-downloads; default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def add_pages(app: FastAPI, backstage: Backstage, downloads: Downloads) -> None:
    """Add every page to an application; each finds its session where the guard has put it."""
    app.mount("/own", StaticFiles(directory=STATIC))

    @ui.page("/", title="Live · multiview")
    def live(request: Request) -> None:
        live_page(backstage, request.state.session)

    @ui.page("/takes", title="Takes · multiview")
    def takes(request: Request) -> None:
        from services.dashboard.takes_page import takes_page

        takes_page(backstage, request.state.session)

    @ui.page("/takes/{folder}", title="Take · multiview", response_timeout=60.0)
    async def take(request: Request, folder: str) -> None:
        from services.dashboard.takes_page import take_page

        await take_page(backstage, request.state.session, downloads, folder)

    @ui.page("/cameras", title="Cameras · multiview")
    def cameras(request: Request) -> None:
        from services.dashboard.cameras_page import cameras_page

        cameras_page(backstage, request.state.session)

    @ui.page("/calibrate", title="Calibrate · multiview")
    def calibrate(request: Request) -> None:
        from services.dashboard.calibrate_page import calibrate_page

        calibrate_page(backstage, request.state.session)

    @ui.page("/health", title="Health · multiview")
    def health(request: Request) -> None:
        from services.dashboard.health_page import health_page

        health_page(backstage, request.state.session)

    @app.get("/film")
    def film(after: int = -1) -> Response:
        filming = backstage.filming
        if filming.number == after or not filming.report.cameras:
            return Response(status_code=204)
        headers = {"x-number": str(filming.number), "cache-control": "no-store"}
        return Response(report_bytes(filming.report), media_type="application/octet-stream", headers=headers)

    @app.get("/board.pdf")
    def board() -> Response:
        sheet = backstage.calibration.sheet
        if not sheet.is_file():
            return PlainTextResponse("there is no board yet: make one on the page Calibrate", 404)
        return FileResponse(sheet, media_type="application/pdf", content_disposition_type="inline")

    @app.get("/calibrations/{folder}/report.html")
    def report(folder: str) -> Response:
        found = [one.folder / "report.html" for one in backstage.calibration.solved() if one.folder.name == folder]
        if not found or not found[0].is_file():
            return PlainTextResponse("there is no such report", 404)
        return FileResponse(found[0], media_type="text/html", headers={"content-security-policy": REPORT_POLICY})

    @app.get("/playback/{folder}")
    async def playback(folder: str) -> Response:
        from services.dashboard.take_list import playback_bytes

        return await _of_take(backstage, folder, playback_bytes, "application/octet-stream")

    @app.get("/errors/{folder}")
    async def errors(folder: str) -> Response:
        from services.dashboard.take_errors import error_bytes

        return await _of_take(backstage, folder, error_bytes, "application/json")

    @app.get("/views/{folder}/{camera}")
    async def view(folder: str, camera: str) -> Response:
        from services.dashboard.take_views import view_bytes

        return await _of_take(backstage, folder, lambda take: view_bytes(take, camera), "application/octet-stream")

    @app.get("/videos/{folder}/{camera}/{part}")
    def video(folder: str, camera: str, part: int) -> Response:
        from services.dashboard.take_list import find_take
        from services.dashboard.take_videos import find_video

        take = find_take(backstage.takes, folder)
        path = find_video(take, camera, part) if take is not None else None
        if path is None:
            return PlainTextResponse("there is no such video", 404)
        return FileResponse(path, media_type="video/mp4", headers={"cache-control": "no-store"})

    @app.get("/thumbnails/{folder}")
    async def thumbnail(folder: str) -> Response:
        from services.dashboard.take_thumbnail import thumbnail_jpeg

        return await _of_take(backstage, folder, thumbnail_jpeg, "image/jpeg")

    @app.post(UPLOADS + "{name}")
    async def character(request: Request, name: str) -> Response:
        from services.dashboard.character_files import keep_character

        try:
            check_control(request.state.session, "bring a file")
            data = await request.body()  # the guard has limited it
            kept = await run_in_threadpool(keep_character, backstage.control.folder, name, data)
        except (MultiviewError, OSError) as error:
            words = os_error_words(error) if isinstance(error, OSError) else one_line(error)
            return PlainTextResponse(words, 422)
        return PlainTextResponse(kept.name)

    @app.get("/downloads/{key}")
    def download(key: str) -> Response:
        made = downloads.made(key)
        if made is None or not made.path.is_file():
            return PlainTextResponse("this export is gone: make it again", 404)
        return FileResponse(made.path, filename=made.name, media_type="application/zip")


async def _of_take(backstage: Backstage, folder: str, read: Callable[[Take], bytes], media_type: str) -> Response:
    """What is read from a take, in a thread; an answer in words where there is none."""
    from services.dashboard.take_list import find_take

    found = find_take(backstage.takes, folder)
    if found is None:
        return PlainTextResponse("there is no such take", 404)
    try:
        data = await run_in_threadpool(read, found)
    except MultiviewError as error:
        return PlainTextResponse(one_line(error), 422)
    return Response(data, media_type=media_type, headers={"cache-control": "no-store"})
