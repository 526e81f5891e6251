"""The pages, and the files that they load."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from nicegui import ui

from services.dashboard.backstage import Backstage
from services.dashboard.layout import STATIC
from services.dashboard.live_page import live_page

__all__ = ["add_pages"]


def add_pages(app: FastAPI, backstage: Backstage) -> None:
    """Add every page to an application; each finds its session where the guard has put it."""
    app.mount("/own", StaticFiles(directory=STATIC))

    @ui.page("/", title="Live · multiview")
    def live(request: Request) -> None:
        live_page(backstage, request.state.session)
