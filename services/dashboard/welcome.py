"""The first page where no studio can run yet: make one from cameras, videos or simulated people, or what is amiss."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from services.capture.new import Found
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.camera_finder import CameraFinder
from services.dashboard.layout import act
from services.dashboard.walk_panel import WalkPanel

__all__ = ["welcome"]


def welcome(backstage: Backstage, session: Session) -> Callable[[], None]:
    """The content of the page.

    Args:
        backstage: What the pages share.
        session: Who looks.

    Returns:
        What shows how things are.
    """
    control = backstage.control
    refresh: Callable[[], None] = lambda: None
    with ui.element("main").classes("mv-page"):
        if not backstage.calibrated:
            ui.label("The cameras are not calibrated yet").classes("text-h5")
            ui.label(f"{control.file} has the cameras, but not where they stand: that is the rig, which is measured.")
            with ui.element("div").classes("mv-row"):
                ui.label("First see whether each gives a good picture:")
                ui.link("Cameras", "/cameras")
            ui.html("<h2>From people who walk</h2>", sanitize=False)
            refresh = WalkPanel(control, session).refresh
            ui.html("<h2>Or with a printed board</h2>", sanitize=False)
            ui.label("More exact, true to scale, and the origin is where you lay the board.").classes("mv-quiet")
            ui.link("Make and film a board: Calibrate", "/calibrate")
            ui.label("This page goes on by itself as soon as there is a rig.").classes("mv-quiet")
        elif backstage.fault:
            ui.label("The studio file has a mistake").classes("text-h5")
            ui.label(backstage.fault).classes("mv-alarm")
            ui.label("Correct it; this page goes on by itself.").classes("mv-quiet")
        else:
            ui.label("No studio here yet").classes("text-h5")
            ui.label(f"There is no studio file in {control.folder}.")
            if session.role is Role.CONTROL:
                _Makers(backstage, session)
            else:
                ui.label("Whoever controls can make one; this page goes on by itself.").classes("mv-quiet")
    return refresh


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
