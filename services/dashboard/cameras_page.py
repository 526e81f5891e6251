"""The Cameras page: what each camera gives and what to do about it; add, name, turn and leave out cameras."""

from __future__ import annotations

from nicegui import ui

from multiview.common.secret import hide_secrets
from multiview.sources import WebcamMode, is_device, is_webcam
from multiview.studio.config import CameraSource, Source, SyntheticSource
from multiview.studio.derived import camera_names
from services.capture.new import Found
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.camera_finder import CameraFinder
from services.dashboard.film_view import FilmView
from services.dashboard.layout import act, called, page_frame

__all__ = ["cameras_page"]

REFRESH_S = 0.5
LOOK = "look at the cameras"


def cameras_page(backstage: Backstage, session: Session) -> None:
    """Build the page for one browser.

    Args:
        backstage: What the pages share.
        session: Who looks.
    """
    backstage.refresh()
    version = backstage.version
    with page_frame("Cameras", backstage, session), ui.element("main").classes("mv-page mv-wide"):
        ui.label("Cameras").classes("text-h5")
        if backstage.studio is None:
            ui.label(backstage.fault or "There is no studio here yet: make one on the page Live.").classes("mv-quiet")
            return
        page = _Cameras(backstage, session)

    def look() -> None:
        backstage.refresh()
        if backstage.version != version:
            ui.navigate.reload()
        else:
            page.refresh()

    ui.timer(REFRESH_S, look)


class _Cameras:
    """The page of a studio."""

    def __init__(self, backstage: Backstage, session: Session) -> None:
        self._backstage, self._control, self._session = backstage, backstage.control, session
        self._controls = session.role is Role.CONTROL
        self._active: bool | None = None
        with ui.element("div").classes("mv-row"):
            self._look = ui.button("Look at the cameras", icon="visibility").props("no-caps")
            self._look.on_click(self._begin)
            self._end = ui.button("Let go of them", icon="visibility_off").props("no-caps outline")
            self._end.on_click(self._stop)
            self._state = ui.label("").classes("mv-grow").props('role="status"')
        self._film_cell = ui.element("div").classes("mv-cell")
        studio = backstage.studio
        assert studio is not None
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>In this studio</h2>", sanitize=False)
            for name in camera_names(studio):
                self._camera_row(name, studio.source_of(name), name in studio.cameras)
            if not camera_names(studio):
                ui.label("None, before they are calibrated.").classes("mv-quiet")
        if self._controls and not isinstance(studio.source, SyntheticSource):
            with ui.element("section").classes("mv-cell"):
                ui.html("<h2>Add cameras</h2>", sanitize=False)
                CameraFinder(self._control, session, "Add these", self._add, tuple(camera_names(studio)))
        self.refresh()

    def _camera_row(self, name: str, source: Source, own: bool) -> None:
        with ui.element("div").classes("mv-row"):
            ui.label(name).style("font-weight: 600")
            if not isinstance(source, CameraSource):
                ui.label("simulated" if isinstance(source, SyntheticSource) else "recorded keypoints").classes(
                    "mv-quiet"
                )
                return
            rotation = f" · turned by {source.rotate}°" if source.rotate else ""
            ui.label(f"{hide_secrets(source.address)} · {source.detector}{rotation}").classes("mv-quiet mv-grow")
            if self._controls and own:
                self._buttons(name, source)

    def _buttons(self, name: str, source: CameraSource) -> None:
        rename = ui.button("Rename", icon="edit").props("flat dense no-caps")
        called(rename, f"Rename {name}").on_click(lambda: self._ask_name(name))
        turn = ui.button("Turn", icon="rotate_90_degrees_cw").props("flat dense no-caps")
        degrees = (source.rotate + 90) % 360
        called(turn, f"Turn {name}").on_click(
            lambda: act(turn, self._control.rotate_camera, self._session, name, degrees)
        )
        if is_webcam(source.address):
            mode = ui.button("Mode", icon="aspect_ratio").props("flat dense no-caps")
            called(mode, f"Mode of {name}").on_click(lambda: self._ask_mode(mode, name, source))
        if is_device(source.address) or is_webcam(source.address):
            expose = ui.button("Exposure", icon="exposure").props("flat dense no-caps")
            called(expose, f"Exposure of {name}").on_click(lambda: self._ask_exposure(name, source))
        leave = ui.button("Leave out", icon="delete").props("flat dense no-caps")
        called(leave, f"Leave out {name}").on_click(
            lambda: act(leave, self._control.remove_camera, self._session, name)
        )

    async def _ask_mode(self, opened: ui.button, name: str, source: CameraSource) -> None:
        modes = await act(opened, self._control.modes, self._session, source.address)
        if modes is None:
            return
        if not modes:
            ui.notify("This camera does not tell its modes.", type="warning")
            return
        words = {number: mode_words(mode) for number, mode in enumerate(modes)}
        now = (source.settings.size, source.settings.pixel_format)
        chosen = next((number for number, mode in enumerate(modes) if (list(mode.size), mode.pixel_format) == now), 0)
        with ui.dialog(value=True) as dialog, ui.card().classes("mv-dialog"):
            ui.label(f"Mode of {name}").classes("text-h6")
            ui.label(
                "MJPG leaves room for several cameras on one USB plug; a camera that is calibrated keeps its size."
            )
            field = ui.select(words, label="Size, rate and format", value=chosen)
            with ui.row():
                button = ui.button("Set it").props("no-caps")
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")

        async def give() -> None:
            await act(button, self._control.set_mode, self._session, name, modes[int(field.value)])
            dialog.close()

        button.on_click(give)
        dialog.on("hide", dialog.delete)

    def _ask_exposure(self, name: str, source: CameraSource) -> None:
        set_to = source.settings
        with ui.dialog(value=True) as dialog, ui.card():
            ui.label(f"Exposure of {name}").classes("text-h6")
            ui.label("Of people who move: 5 ms or less, with more light. What is left empty the camera chooses.")
            time_ms = ui.number("Exposure, ms", value=set_to.exposure_us / 1e3 or None, min=0, max=1e5)
            gain = ui.number("Gain, dB", value=None if set_to.gain_db < 0 else set_to.gain_db, min=0, max=100)
            gain.set_visibility(is_device(source.address))
            with ui.row():
                button = ui.button("Set it").props("no-caps")
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")

        async def give() -> None:
            exposure_us = 1e3 * float(time_ms.value or 0)
            gain_db = None if not is_device(source.address) else -1.0 if gain.value is None else float(gain.value)
            await act(button, self._control.set_exposure, self._session, name, exposure_us, gain_db)
            dialog.close()

        button.on_click(give)
        dialog.on("hide", dialog.delete)

    def _ask_name(self, name: str) -> None:
        with ui.dialog(value=True) as dialog, ui.card():
            ui.label(f"What is {name} called?").classes("text-h6")
            ui.label("A camera that is calibrated already has to be calibrated again by its new name.")
            field = ui.input("Name", value=name).props("autofocus outlined dense maxlength=64")
            with ui.row():
                button = ui.button("Rename it").props("no-caps")
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")

        async def give() -> None:
            await act(button, self._control.rename_camera, self._session, name, (field.value or "").strip())
            dialog.close()

        button.on_click(give)
        dialog.on("hide", dialog.delete)

    def refresh(self) -> None:
        """Show how things are."""
        filming = self._backstage.filming
        active = filming.running and filming.what == LOOK
        self._look.set_visibility(self._controls and not active)
        self._end.set_visibility(self._controls and active)
        running = self._control.started
        words = (
            "The studio runs, and its pictures are on the page Live; to look here, stop it there." if running else ""
        )
        fault = filming.fault if filming.what == LOOK and not active else ""
        self._state.set_text(words or fault or (f"The cameras are in use: {filming.what}" if filming.running else ""))
        self._state.classes(replace=f"mv-grow {'mv-alarm' if fault and not words else 'mv-quiet'}")
        self._look.set_enabled(not running and not filming.running)
        if active != self._active:
            self._active = active
            self._film_cell.clear()
            if active:
                with self._film_cell:
                    FilmView("The cameras are opening ...")

    async def _begin(self) -> None:
        await act(self._look, self._control.idle_for, self._session, self._watch)
        self.refresh()

    def _watch(self) -> None:
        self._backstage.filming.start(LOOK, [str(self._control.file), "--preview"])

    async def _stop(self) -> None:
        await act(self._end, self._backstage.filming.stop)
        self.refresh()

    async def _add(self, button: ui.button, cameras: list[Found]) -> None:
        await act(button, self._control.add_cameras, self._session, cameras)


def mode_words(mode: WebcamMode) -> str:
    """A webcam's mode in words."""
    rate = f" at {mode.fps:g} Hz" if mode.fps else ""
    return f"{mode.size[0]} x {mode.size[1]}{rate}, {mode.pixel_format}"
