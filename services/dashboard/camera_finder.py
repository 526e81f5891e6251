"""A form that looks for cameras and lets one choose among them: on the first page, and on the Cameras page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from multiview.common.counted import counted
from services.capture.new import Found
from services.dashboard.access import Session
from services.dashboard.control import Control
from services.dashboard.layout import act

__all__ = ["CameraFinder"]


class CameraFinder:
    """Where cameras may be, those that were found, and a button that takes the chosen ones.

    Args:
        control: Looks for them.
        session: Who asks.
        words: Of the button.
        take: What it does.
        known: Names that are taken already.
    """

    def __init__(
        self,
        control: Control,
        session: Session,
        words: str,
        take: Callable[[ui.button, list[Found]], Awaitable[None]],
        known: tuple[str, ...] = (),
    ) -> None:
        self._control, self._session, self._words, self._take, self._known = control, session, words, take, known
        self._rows: list[tuple[Found, ui.checkbox, ui.input]] = []
        ui.label("Videos in this folder, else the webcams of this machine; or cameras in the network:")
        self._addresses = ui.textarea("Addresses (rtsp:// or http://), one a line").props("outlined dense autogrow")
        self._addresses.style("width: 100%; max-width: 40rem")
        self._look = ui.button("Look for cameras", icon="videocam").props("no-caps").style("align-self: flex-start")
        self._look.on_click(self._find)
        self._found = ui.element("div").classes("mv-cell")

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
                    chosen = ui.checkbox(value=camera.name not in self._known).props('aria-label="use it"')
                    name = ui.input("Name", value=camera.name).props("dense outlined maxlength=64")
                    ui.label(f"{camera.what} ({camera.address})").classes("mv-quiet")
                    self._rows.append((camera, chosen, name))
            if found:
                button = ui.button(self._words, icon="check").props("no-caps").style("align-self: flex-start")
                button.on_click(lambda: self._use(button))

    async def _use(self, button: ui.button) -> None:
        cameras = [camera._replace(name=name.value or "") for camera, chosen, name in self._rows if chosen.value]
        if not cameras:
            ui.notify("Choose at least one camera.", type="warning")
            return
        await self._take(button, cameras)
