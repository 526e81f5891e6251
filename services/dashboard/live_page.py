"""The Live page: people in 3D, how everything is, and the buttons of whoever runs the studio."""

from __future__ import annotations

import time
from urllib.parse import quote

from nicegui import ui

from multiview.common.counted import counted
from multiview.common.names import file_name
from multiview.common.palette import hex_colours
from multiview.studio.config import CameraSource
from multiview.wire.messages import LEFT_OUT
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.bridge_rows import BridgeRows
from services.dashboard.camera_row import CameraRow
from services.dashboard.layout import SHOWN, act, page_frame
from services.dashboard.live_view import LiveView
from services.dashboard.pictures_view import PicturesView
from services.dashboard.welcome import welcome

__all__ = ["live_page"]

REFRESH_S = 0.5
LATE_SHARE = 0.9  # of its frame rate, which a camera must reach
KEYS = (
    "drag: turn · right-drag: move · wheel: nearer · A: all · T: top · F: front · 1-9: through a camera · "
    "P: follow the next person · U: uncertainty"
)


def live_page(backstage: Backstage, session: Session) -> None:
    """Build the page for one browser.

    Args:
        backstage: What the pages share.
        session: Who looks.
    """
    backstage.refresh()
    version = backstage.version
    with page_frame("Live", backstage, session):
        if backstage.room is None:
            refresh = welcome(backstage, session)
        else:
            refresh = _Live(backstage, session).refresh

    def look() -> None:
        backstage.refresh()
        if backstage.version != version:
            ui.navigate.reload()
        else:
            refresh()

    ui.timer(REFRESH_S, look)


class _Live:
    """The page of a studio, running or not."""

    def __init__(self, backstage: Backstage, session: Session) -> None:
        assert backstage.room is not None
        self._backstage, self._control, self._session = backstage, backstage.control, session
        self._controls = session.role is Role.CONTROL
        self._names = [camera["name"] for camera in backstage.room["cameras"]]
        self._people: tuple[tuple[int, str], ...] = ()
        self._had_poses = False  # since the studio was started
        with ui.element("main").classes("mv-live"):
            with ui.element("section").classes("mv-stage mv-show-3d") as self._stage:
                self._view = LiveView(backstage.room)
                self._pictures_cell = ui.element("div").classes("mv-pictures-cell")
                with ui.element("div").classes("mv-headline").props('role="status"'):
                    self._headline = ui.label("")
                ui.label(KEYS).classes("mv-keys")
                with ui.element("div").classes("mv-choice"):
                    choice = ui.toggle(SHOWN, value="3D", on_change=lambda event: self._show(event.value))
                    choice.props('no-caps aria-label="What is shown"').classes("mv-toggle")
            with ui.element("section").classes("mv-panel"):
                self._studio_cell()
                if self._controls:
                    self._record_cell()
                with ui.element("div"):
                    ui.html("<h2>People</h2>", sanitize=False)
                    self._people_cell = ui.element("div").classes("mv-cell")
                    if self._controls:
                        self._anew = ui.button("New identities", icon="restart_alt").props("flat dense no-caps")
                        self._anew.tooltip("When people are mixed up: everybody gets a new number, and no name")
                        self._anew.on_click(self._begin_identities)
                with ui.element("div"):
                    ui.html("<h2>Cameras</h2>", sanitize=False)
                    with ui.element("div").classes("mv-cell"):
                        leave_out = self._leave_out if self._controls else None
                        self._cameras = {name: CameraRow(name, leave_out) for name in self._names}
                self._bridges = BridgeRows(backstage.bridges, session)
        self._show_people()
        self.refresh()

    def _show(self, what: str) -> None:
        """The room in 3D, the cameras' pictures, or both; pictures are asked for only while they are shown."""
        self._stage.classes(replace=f"mv-stage mv-show-{what.lower()}")
        self._pictures_cell.clear()
        if what != "3D" and self._backstage.room is not None:
            with self._pictures_cell:
                PicturesView(self._backstage.room)

    def _studio_cell(self) -> None:
        with ui.element("div").classes("mv-cell"):
            with ui.element("div").classes("mv-row"):
                self._dot = ui.element("span").classes("mv-dot")
                self._state = ui.label("").classes("mv-grow")
                if self._controls:
                    self._start = ui.button("Start", icon="play_arrow").props("no-caps")
                    self._start.on_click(self._start_studio)
                    self._stop = ui.button("Stop", icon="stop").props("no-caps outline")
                    self._stop.on_click(self._stop_studio)
            self._why = ui.label("").classes("mv-quiet")
            self._alarm = ui.label("").classes("mv-alarm").props('role="alert"')

    def _record_cell(self) -> None:
        with ui.element("div").classes("mv-cell"):
            ui.html("<h2>Record</h2>", sanitize=False)
            with ui.element("div").classes("mv-cell") as self._take_fields:
                self._take = ui.input("Take's name", placeholder="the studio's, with the time").props("dense outlined")
                self._take.props("maxlength=64 clearable").style("width: 100%")
                self._notes = ui.input("Notes").props("dense outlined maxlength=2000").style("width: 100%")
                self._video = ui.checkbox("With the cameras' videos").props("dense")
                self._video.tooltip("To look at, and to detect people in anew; they take disk, and some of the cores")
                studio = self._backstage.studio
                self._video.set_visibility(
                    studio is not None and any(isinstance(one, CameraSource) for one in studio.sources)
                )
            with ui.element("div").classes("mv-row"):
                self._record = ui.button("Record", icon="fiber_manual_record", color="red-8").props("no-caps")
                self._record.on_click(self._begin_take)
                self._finish = ui.button("Stop recording", icon="stop", color="red-8").props("no-caps")
                self._finish.on_click(self._end_take)
                self._recording = ui.label("").classes("mv-grow mv-figures").props('role="status"')
            self._saved = ui.element("div").classes("mv-row")

    def refresh(self) -> None:
        """Show how things are."""
        feed, control = self._backstage.feed, self._control
        if feed is None:
            return
        alive, started = feed.alive, control.started
        self._dot.classes(replace=f"mv-dot {'mv-alive' if alive else 'mv-late' if started else ''}")
        self._had_poses = started and (alive or self._had_poses)
        waits = "No poses come just now: see the page Health" if self._had_poses else "Starting ..."
        words = "Running" if alive else waits if started else "The studio is stopped"
        if alive and not started:
            words = "Running; started elsewhere"
        self._state.set_text(words)
        fusion, recorder = feed.service("fusion"), feed.service("recorder")
        self._why.set_text(fusion.texts.get("why", "") if fusion is not None else "")
        error = recorder.texts.get("error", "") if recorder is not None else ""
        failure = "" if alive or started else control.failure()
        self._alarm.set_text(f"NOT RECORDED: {error}" if error else failure)
        self._show_headline(alive)
        self._show_cameras(alive)
        self._bridges.refresh()
        if self._controls:
            self._anew.set_enabled(alive)
            self._start.set_visibility(not alive and not started)
            self._stop.set_visibility(started)
            self._show_recording(alive)
        people = feed.poses
        names = (people.names or [""] * len(people.people)) if alive and people is not None else []
        now = tuple(zip(people.people, names, strict=True)) if alive and people is not None else ()
        if now != self._people:
            self._people = now
            self._show_people()

    def _show_headline(self, alive: bool) -> None:
        feed = self._backstage.feed
        if feed is None or feed.poses is None or not alive:
            self._headline.set_text("")
            return
        poses = feed.poses
        drawn = f" · drawn {feed.drawn_ms:.0f} ms later" if feed.drawn_ms >= 0 else ""
        self._headline.set_text(
            f"{feed.rate_hz:.0f} poses/s · latency {feed.latency_ms:.0f} ms{drawn} · "
            f"{counted(len(poses.people), 'person', 'people')} · {len(poses.cameras)} of {len(self._names)} cameras"
        )

    def _show_cameras(self, alive: bool) -> None:
        feed = self._backstage.feed
        assert feed is not None
        missing = feed.poses.missing if alive and feed.poses is not None else []
        left_out = self._left_out()
        states = {}
        for name, row in self._cameras.items():
            health = feed.camera(name)
            if health is None:
                states[name], words = ("missing", "no answer") if alive else ("", "")
            else:
                rate_hz = feed.camera_rate_hz(name)
                slow = rate_hz < LATE_SHARE * health.expected_hz
                states[name] = "late" if slow or name in missing else "alive"
                words = f"{rate_hz:.0f} of {health.expected_hz:.0f} Hz"
                words += f", {health.dropped} dropped" if health.dropped else ""
                words += f", {health.detect_ms:.0f} ms a picture" if health.detect_ms >= 1 else ""
                words += f": {health.note}" if health.note else ""
            if name in left_out:
                states[name], words = "missing", "left out"
            row.show(states[name], words, name in left_out, alive)
        self._view.show_cameras(states)

    def _left_out(self) -> set[str]:
        """Cameras that fusion says it does without, because a user wants it so."""
        feed = self._backstage.feed
        fusion = feed.service("fusion") if feed is not None else None
        return {name for name in self._names if fusion is not None and fusion.texts.get(name) == LEFT_OUT}

    async def _leave_out(self, button: ui.button, name: str) -> None:
        """A camera, or take it in again if it is."""
        cameras = sorted(self._left_out() ^ {name})
        await act(button, self._control.leave_out, self._session, cameras)

    async def _begin_identities(self) -> None:
        await act(self._anew, self._control.begin_identities, self._session)

    def _show_recording(self, alive: bool) -> None:
        recording = self._control.recording
        self._take_fields.set_visibility(recording is None)
        self._record.set_visibility(recording is None)
        self._record.set_enabled(alive)
        self._finish.set_visibility(recording is not None)
        if recording is not None:
            began = recording.began
            passed = "starting ..." if began is None else f"{max(0.0, time.time() - began):.0f} s"
            self._recording.set_text(f"● {recording.take}  {passed}")
        else:
            waits = "as soon as the studio runs" if self._control.started else "Start the studio first"
            self._recording.set_text("" if alive else waits)

    def _show_people(self) -> None:
        self._people_cell.clear()
        with self._people_cell:
            if not self._people:
                ui.label("nobody").classes("mv-quiet")
            for person, name in self._people:
                with ui.element("div").classes("mv-row"):
                    colour = hex_colours()[person % len(hex_colours())]
                    ui.element("span").classes("mv-dot").style(f"background: {colour}")
                    ui.label(name or f"person {person}").classes("mv-grow")
                    if self._controls:
                        button = ui.button("Rename" if name else "Name", icon="edit").props("flat dense no-caps")
                        button.props(f'aria-label="Name person {person}"')
                        button.on_click(lambda person=person, name=name: self._ask_name(person, name))

    def _ask_name(self, person: int, name: str) -> None:
        with ui.dialog(value=True) as dialog, ui.card():
            ui.label(f"Who is person {person}?").classes("text-h6")
            field = ui.input("Name", value=name).props("autofocus outlined dense maxlength=64")
            with ui.row():
                button = ui.button("Give this name").props("no-caps")
                ui.button("Cancel", on_click=dialog.close).props("flat no-caps")

        async def give() -> None:
            await act(button, self._control.name_person, self._session, person, (field.value or "").strip())
            dialog.close()

        button.on_click(give)
        field.on("keydown.enter", give)
        dialog.on("hide", dialog.delete)

    async def _start_studio(self) -> None:
        await act(self._start, self._control.start_studio, self._session)
        self.refresh()

    async def _stop_studio(self) -> None:
        await act(self._stop, self._control.stop_studio, self._session)
        self.refresh()

    async def _begin_take(self) -> None:
        feed = self._backstage.feed
        reported = feed is not None and feed.service("recorder") is not None
        name, notes = self._take.value or "", self._notes.value or ""
        video = bool(self._video.value) and self._video.visible
        if await act(self._record, self._control.record, self._session, name, notes, reported, video) is not None:
            self._take.set_value("")
            self._notes.set_value("")
        self.refresh()

    async def _end_take(self) -> None:
        take = await act(self._finish, self._control.stop_recording, self._session)
        if take:
            ui.notify(f"Saved take {take}", type="positive")
            self._saved.clear()
            with self._saved:
                address = f"/takes/{quote(file_name(take), safe='')}"
                ui.link(f"Play, edit and export {take}", address).classes("mv-take-name")
        self.refresh()
