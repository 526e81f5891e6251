"""The first page where no studio can run yet: make one from cameras, videos or simulated people, or what is amiss."""

from __future__ import annotations

from nicegui import ui

from multiview.common.counted import counted
from services.capture.new import Found, next_steps
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
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
            ui.label(f"{control.file} has the cameras. In a terminal, one command after the other:")
            cameras = [Found(name, "", "") for name in backstage.studio.cameras] if backstage.studio else []
            with ui.element("ol"):
                for step in next_steps(control.file, cameras, ""):
                    if step.startswith("multiview run"):  # the page does that
                        continue
                    with ui.element("li"):
                        ui.label(step).classes("mv-command")
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
        self._rows: list[tuple[Found, ui.checkbox, ui.input]] = []
        ui.html("<h2>With cameras</h2>", sanitize=False)
        ui.label("Videos in this folder, else the webcams of this machine; or cameras in the network:")
        self._addresses = ui.textarea("Addresses (rtsp:// or http://), one a line").props("outlined dense autogrow")
        self._addresses.style("width: 100%; max-width: 40rem")
        self._look = ui.button("Look for cameras", icon="videocam").props("no-caps").style("align-self: flex-start")
        self._look.on_click(self._find)
        self._found = ui.element("div").classes("mv-cell")
        ui.html("<h2>Without</h2>", sanitize=False)
        ui.label("Four simulated cameras and two people, to try everything with.")
        self._simulate = ui.button("Make a simulated studio", icon="groups").props("no-caps")
        self._simulate.style("align-self: flex-start").on_click(lambda: self._make(self._simulate, []))

    async def _find(self) -> None:
        addresses = [line.strip() for line in (self._addresses.value or "").splitlines() if line.strip()]
        found = await act(self._look, self._control.find_cameras, self._session, addresses)
        self._rows = []
        self._found.clear()
        if found is None:
            return
        with self._found:
            ui.label(counted(len(found), "camera") if found else "No camera and no video was found.")
            for camera in found:
                with ui.element("div").classes("mv-row"):
                    chosen = ui.checkbox(value=True).props('aria-label="use it"')
                    name = ui.input("Name", value=camera.name).props("dense outlined maxlength=64")
                    ui.label(f"{camera.what} ({camera.address})").classes("mv-quiet")
                    self._rows.append((camera, chosen, name))
            if found:
                button = ui.button("Make a studio of these", icon="check").props("no-caps")
                button.style("align-self: flex-start").on_click(lambda: self._make(button, self._chosen()))

    def _chosen(self) -> list[Found]:
        return [camera._replace(name=name.value or "") for camera, chosen, name in self._rows if chosen.value]

    async def _make(self, button: ui.button, cameras: list[Found]) -> None:
        if button is not self._simulate and not cameras:
            ui.notify("Choose at least one camera.", type="warning")
            return
        await act(button, self._control.make_studio, self._session, cameras)
