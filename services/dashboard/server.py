"""The server of the pages: NiceGUI behind the guard, and one link printed for the first browser."""

from __future__ import annotations

import logging
import socket
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import segno
import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware

from services.dashboard.access import Access, Role, signing_key
from services.dashboard.backstage import Backstage
from services.dashboard.control import Control
from services.dashboard.downloads import Downloads
from services.dashboard.guard import Guard
from services.dashboard.pages import add_pages
from services.dashboard.picture_stream import add_picture_stream
from services.dashboard.stream import add_stream
from services.runtime.process import begin_service, finishing

__all__ = ["serve"]

COMPRESSION = 2  # of nine: the browser is near, and the scripts of the first page should be there soon


def serve(
    folder: Path,
    file: Path | None,
    listening: socket.socket,
    certificate: Path | None,
    key: Path | None,
    names: list[str],
    browse: bool,
) -> None:
    """Serve the pages of a studio until Ctrl-C, then end what they have started.

    Args:
        folder: The studio's.
        file: The studio file, if it is not studio.toml in it.
        listening: A socket.
        certificate: For TLS; None without.
        key: The certificate's.
        names: What this machine is called in addresses, besides its host name.
        browse: Whether to open a browser here.
    """
    begin_service("studio")
    logging.getLogger("nicegui").setLevel(logging.WARNING)
    host, port = listening.getsockname()[:2]
    access, control = Access(signing_key(folder)), Control(folder, file)
    address = _address(host, port, certificate is not None, names)
    backstage, downloads = Backstage(control, access, address), Downloads()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        backstage.begin()
        link = backstage.link(Role.CONTROL)
        _print_link(link)
        if browse and certificate is None:
            webbrowser.open(link)
        yield
        backstage.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    add_stream(app, backstage)
    add_picture_stream(app, backstage)
    add_pages(app, backstage, downloads)
    ui.run_with(
        app,
        title="multiview studio",
        dark=None,
        language="en-US",
        tailwind=False,
        favicon="🎥",
        show_welcome_message=False,
        reconnect_timeout=30.0,  # a busy machine and a phone's network answer late
        gzip_middleware_factory=None,  # around the guard instead, which changes pages
    )
    guard = Guard(
        app,
        access,
        {socket.gethostname(), *names},
        certificate is not None,
        f"multiview_{port}",
        lambda: _print_link(backstage.link(Role.CONTROL)),
    )
    config = uvicorn.Config(
        GZipMiddleware(guard, minimum_size=1000, compresslevel=COMPRESSION),
        log_level="warning",
        log_config=None,
        access_log=False,  # tokens are in addresses
        server_header=False,
        proxy_headers=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,  # poses and JPEG hardly shrink, and a core would do nothing else
        timeout_graceful_shutdown=2,
        lifespan="on",
    )
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        with finishing():
            backstage.calibration.close()
            backstage.filming.stop()
            backstage.bridges.close()
            control.close()
            downloads.close()


def _address(host: str, port: int, secure: bool, names: list[str]) -> str:
    """How a browser reaches the pages."""
    everywhere = host in ("0.0.0.0", "::")
    name = names[0] if names else socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
    return f"{'https' if secure else 'http'}://{name}:{port}"


def _print_link(link: str) -> None:
    """For the next browser: a link is used up by whoever opens it."""
    print(f"open the studio, in one browser: {link}", flush=True)
    segno.make(link, error="l").terminal(compact=True)
