"""The first page where no studio can run yet: make one from cameras, videos or simulated people, or what is amiss."""

from __future__ import annotations

from nicegui import ui

from services.capture.new import Found
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.camera_finder import CameraFinder
from services.dashboard.layout import act

__all__ = ["welcome"]


def welcome(backstage: Backstage, session: Session) -> None:
    """The content of the page.

    Args:
        backstage: What the pages share.
        session: Who looks.
    """
    control = backstage.control
    with ui.element("main").classes("mv-page"):
        if not backstage.calibrated:
            ui.label("The cameras are not calibrated yet").classes("text-h5")
            ui.label(f"{control.file} has the cameras. Where they stand is found out with a board:")
            with ui.element("div").classes("mv-row"):
                ui.link("1. Are they all right? Cameras", "/cameras")
                ui.link("2. Calibrate", "/calibrate")
            ui.label("This page goes on by itself.").classes("mv-quiet")
        elif backstage.fault:
            ui.label("The studio file has a mistake").classes("text-h5")
            ui.label(backstage.fault).classes("mv-alarm")
            ui.label("Correct it; this page goes on by itself.").classes("mv-quiet")
        else:
            ui.label("No studio here yet").classes("text-h5")
            ui.label(f"There is no studio file in {control.folder}.")
            if session.role is Role.CONTROL:
                _Makers(backstage, session)


class _Makers:
    """Two ways to a studio: with cameras, or simulated."""

    def __init__(self, backstage: Backstage, session: Session) -> None:
        self._control, self._session = backstage.control, session
        ui.html("<h2>With cameras</h2>", sanitize=False)
        CameraFinder(self._control, session, "Make a studio of these", self._make)
        ui.html("<h2>Without</h2>", sanitize=False)
        ui.label("Four simulated cameras and two people, to try everything with.")
        self._simulate = ui.button("Make a simulated studio", icon="groups").props("no-caps")
        self._simulate.style("align-self: flex-start").on_click(lambda: self._make(self._simulate, []))

    async def _make(self, button: ui.button, cameras: list[Found]) -> None:
        await act(button, self._control.make_studio, self._session, cameras)
