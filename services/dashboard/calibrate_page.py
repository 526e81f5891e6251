"""The Calibrate page: print a board, film it, solve, look at the result, and use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from nicegui import ui
from nicegui.events import GenericEventArguments

from multiview.body.skeleton import load_skeleton
from multiview.cameras.rig_file import load_rig
from multiview.errors import MultiviewError, one_line
from multiview.studio.config import SyntheticSource
from services.dashboard.access import Role, Session
from services.dashboard.backstage import Backstage
from services.dashboard.calibration import BOARD, Sheet, Solved
from services.dashboard.film_view import FilmView, RigView
from services.dashboard.floor_view import FloorView
from services.dashboard.layout import act, page_frame
from services.dashboard.people_panel import PeoplePanel
from services.dashboard.room import room
from services.dashboard.take_list import find_take
from services.dashboard.take_videos import find_video, frame_at, video_span_s
from services.dashboard.walk_panel import WalkPanel

__all__ = ["calibrate_page"]

REFRESH_S = 0.5
PAPERS = {"a4": "A4", "a3": "A3", "letter": "Letter", "plate": "a plate, of the size beside"}
KINDS = {"charuco": "ChArUco: a part of it in view is enough", "chessboard": "chessboard", "circles": "grid of circles"}
COUNTS = {"charuco": "7x5", "chessboard": "10x7", "circles": "4x11"}  # as `multiview calibrate board` has them
LARGE_MM, SIMULATED_MM = (900.0, 650.0), (1500.0, 1050.0)  # the larger, the farther away it is found
COLOURS = {"usable": "mv-good", "good": "mv-good", "record again": "mv-alarm"}


def calibrate_page(backstage: Backstage, session: Session) -> None:
    """Build the page for one browser.

    Args:
        backstage: What the pages share.
        session: Who looks.
    """
    backstage.refresh()
    with page_frame("Calibrate", backstage, session), ui.element("main").classes("mv-page mv-wide"):
        ui.label("Calibrate the cameras").classes("text-h5")
        if backstage.studio is None:
            ui.label(backstage.fault or "There is no studio here yet: make one on the page Live.").classes("mv-quiet")
            return
        page = _Calibrate(backstage, session)
    ui.timer(REFRESH_S, page.refresh)


class _Calibrate:
    """The steps, of which each shows when its turn is."""

    def __init__(self, backstage: Backstage, session: Session) -> None:
        self._backstage, self._session = backstage, session
        self._calibration, self._filming = backstage.calibration, backstage.filming
        self._controls = session.role is Role.CONTROL
        self._shown: tuple[Any, ...] = ()
        studio = backstage.studio
        self._simulated = studio is not None and isinstance(studio.source, SyntheticSource)
        self._rig = ui.label("").props('role="status"')
        self._walk: WalkPanel | None = None
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>1. A board to show to the cameras</h2>", sanitize=False)
            self._board_cell = ui.element("div").classes("mv-cell")
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>2. Film it</h2>", sanitize=False)
            ui.label(
                "Walk through the room with the board. Hold it where a picture is still red, tilted each time, and "
                "where two cameras see it at once. Lay it on the floor once, face up, and say so: there is the origin."
            ).classes("mv-quiet")
            self._film_buttons()
            self._state = ui.label("").classes("mv-figures").props('role="status"')
            self._scene = ui.label("").classes("mv-good")
            self._film_cell = ui.element("div").classes("mv-cell")
            self._pairs = ui.element("div").classes("mv-pairs")
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>Or from people</h2>", sanitize=False)
            if not backstage.calibrated:
                self._walk = WalkPanel(backstage.control, session)
                ui.html("<h2>Or from a recording of people</h2>", sanitize=False)
            self._people = PeoplePanel(backstage, session, self.refresh)
        with ui.element("section").classes("mv-cell"):
            ui.html("<h2>3. Calibrations</h2>", sanitize=False)
            self._progress = ui.label("").classes("mv-command").props('role="status"')
            self._checked = ui.label("").classes("mv-command").props('role="status"')
            self._result_cell = ui.element("div").classes("mv-cell")
        self.refresh()

    def _film_buttons(self) -> None:
        with ui.element("div").classes("mv-row"):
            self._film = ui.button("Film the board", icon="videocam").props("no-caps")
            self._film.on_click(self._begin)
            self._floor = ui.button("The board lies on the floor now", icon="south").props("no-caps outline")
            self._floor.on_click(self._mark_floor)
            self._solve = ui.button("Enough: solve", icon="check", color="green-8").props("no-caps")
            self._solve.on_click(self._end)
            self._leave = ui.button("Stop without solving", icon="close").props("no-caps flat")
            self._leave.on_click(self._give_up)
            self._check = ui.button("Check the rig in use", icon="rule").props("no-caps outline")
            self._check.tooltip("Some seconds of the board tell whether a camera was displaced")
            self._check.on_click(self._check_rig)

    def refresh(self) -> None:
        """Show how things are."""
        filming, calibration = self._filming, self._calibration
        active = filming.running and filming.what == BOARD
        has_board = calibration.has_board
        self._film.set_visibility(self._controls and not active)
        self._film.set_enabled(has_board and not calibration.solving)
        self._solve.set_enabled(bool(filming.report.cameras) and not filming.report.lacks)
        self._floor.set_enabled(calibration.records)
        for button in (self._solve, self._leave):
            button.set_visibility(self._controls and active)
        self._floor.set_visibility(self._controls and active and not calibration.is_wand)
        self._check.set_visibility(self._controls and active and self._backstage.calibrated)
        self._check.set_enabled(calibration.records)
        self._people.refresh()
        self._rig.set_text(self._rig_words())
        if self._walk is not None:
            self._walk.refresh()
        solved = calibration.solved()
        state = (active, has_board, tuple(one.folder for one in solved), self._rig_in_use())
        if state != self._shown:
            changed = [not self._shown or a != b for a, b in zip(state, self._shown or state, strict=True)]
            self._shown = state
            if changed[1]:
                self._show_board(has_board)
            if changed[0]:
                self._show_film(active)
            if changed[2] or changed[3]:
                self._show_results(solved)
        self._say(active)

    def _say(self, active: bool) -> None:
        filming, calibration, report = self._filming, self._calibration, self._filming.report
        if active:
            floor = " · the floor is known" if calibration.floor else ""
            warning = f" · {report.warning}" if report.warning else ""
            words = report.lacks or report.note if report.cameras else "cameras are opening ..."
            self._state.set_text(f"● {report.seconds:.0f} s{floor} · {words}{warning}")
            self._scene.set_text(report.scene)
            self._show_pairs()
        else:
            self._scene.set_text("")
            fault = filming.fault if filming.what == BOARD else ""
            waits = "" if calibration.has_board else "Make the board first."
            self._state.set_text(fault or waits)
        alarm = not active and filming.what == BOARD and filming.fault
        self._state.classes(replace=f"mv-figures {'mv-alarm' if alarm else '' if active else 'mv-quiet'}")
        last = calibration.lines[-1] if calibration.lines else "detecting the board ..."
        self._progress.set_text(f"Solving {calibration.solving}: {last}" if calibration.solving else calibration.fault)
        self._checked.set_text("\n".join(calibration.checked))
        wrong = any(line.startswith("NOT RIGHT") for line in calibration.checked)
        self._checked.classes(replace=f"mv-command {'mv-alarm' if wrong else 'mv-good'}")
        self._progress.classes(replace=f"mv-command {'mv-alarm' if calibration.fault else ''}")

    def _show_pairs(self) -> None:
        report = self._filming.report
        self._pairs.clear()
        with self._pairs:
            for a, b, count in report.pairs:
                enough = count >= report.enough_boards
                words = f"{a} - {b}: {count}" + ("" if enough else f" of {report.enough_boards}")
                ui.label(words).classes(f"mv-pair {'mv-enough' if enough else ''}")

    def _show_board(self, there: bool) -> None:
        self._board_cell.clear()
        with self._board_cell:
            if there:
                if self._calibration.sheet.is_file():  # a board of one's own, or a wand, has only its file
                    ui.link("board.pdf, to print at 100 %", "/board.pdf", new_tab=True)
                todo = "Build it as the file says" if self._calibration.is_wand else "Glue it on a flat plate"
                ui.label(f"{todo}, and measure it: if a length differs, write the true one into ")
                ui.label(str(self._calibration.board)).classes("mv-command")
            elif self._controls:
                self._board_form()
            else:
                ui.label("There is no board yet.").classes("mv-quiet")

    def _board_form(self) -> None:
        ui.label("The larger the room, the larger the board: A4 up to 2 m, A3 up to 3 m, a plate beyond.")
        with ui.element("div").classes("mv-form"):
            paper = ui.select(PAPERS, label="Paper", value="plate" if self._simulated else "a4")
            plate = SIMULATED_MM if self._simulated else LARGE_MM
            width = ui.number("Plate's width, mm", value=plate[0], min=50, max=3000)
            height = ui.number("Plate's height, mm", value=plate[1], min=50, max=3000)
            squares = ui.input("Columns x rows", value="5x4" if self._simulated else COUNTS["charuco"]).props(
                "maxlength=7"
            )
            # The simulated cameras show a ChArUco board, whatever is printed.
            kind = ui.select({"charuco": KINDS["charuco"]} if self._simulated else KINDS, label="Kind", value="charuco")
        kind.on_value_change(lambda event: squares.set_value("5x4" if self._simulated else COUNTS[event.value]))
        for field in (width, height):
            field.bind_visibility_from(paper, "value", value="plate")
        button = ui.button("Make the board", icon="grid_on").props("no-caps").style("align-self: flex-start")

        async def make() -> None:
            size = float(width.value or 0), float(height.value or 0)
            sheet = Sheet(paper.value, size, squares.value or "", kind.value)
            said = await act(button, self._calibration.make_board, self._session, sheet)
            if said:
                ui.notify(said, type="positive")
            self.refresh()

        button.on_click(make)

    def _show_film(self, active: bool) -> None:
        self._film_cell.clear()
        self._pairs.clear()
        if active:
            with self._film_cell:
                FilmView("The cameras are opening ...")

    def _show_results(self, solved: list[Solved]) -> None:
        self._result_cell.clear()
        with self._result_cell:
            if not solved:
                ui.label("None yet.").classes("mv-quiet")
            for number, one in enumerate(solved):
                with ui.expansion(self._title(one), value=number == 0).classes("mv-solved"):
                    self._show_result(one)

    def _title(self, one: Solved) -> str:
        used = " · in use" if self._rig_in_use() == str(one.rig) else ""
        return f"{one.folder.name}: {one.report.get('verdict', 'unreadable')}{used}"

    def _rig_words(self) -> str:
        """Where the studio has its rig from, and so what to do here."""
        if self._simulated and not self._rig_in_use():
            return "These cameras are simulated, and know where they stand: nothing has to be calibrated, but can be."
        if not self._backstage.calibrated:
            return (
                "There is no rig yet: nobody knows where the cameras stand. Measure it with a printed board (1 and 2), "
                "which is more exact, or from people who walk."
            )
        return f"The rig in use: {self._rig_in_use()}. Calibrate again when a camera was moved."

    def _rig_in_use(self) -> str:
        studio = self._backstage.studio
        return studio.rig if studio is not None else ""

    def _show_result(self, one: Solved) -> None:
        report = one.report
        verdict = str(report.get("verdict", ""))
        ui.label(verdict.upper()).classes(f"text-h6 {COLOURS.get(verdict, '')}")
        for text in (*report.get("reasons", ()), *report.get("advice", ())):
            ui.label(str(text))
        _table(report)
        with ui.element("div").classes("mv-row"):
            name = quote(one.folder.name, safe="")
            ui.link("The whole report", f"/calibrations/{name}/report.html", new_tab=True)
            if self._controls and self._rig_in_use() != str(one.rig):
                use = ui.button("Use these cameras", icon="check").props("no-caps")
                use.on_click(lambda one=one, use=use: self._use(use, one))
            if self._controls and one.corners.is_file():
                floor = ui.button("Set the floor", icon="south").props("no-caps outline")
                floor.tooltip("Where the board lies on the floor in the recording")
                floor.on_click(lambda one=one: self._ask_floor(one))
        try:
            shape = room(load_rig(one.rig), load_skeleton("coco17"))
        except MultiviewError as error:
            ui.label(one_line(error)).classes("mv-alarm")
            return
        RigView(shape)

    def _ask_floor(self, one: Solved) -> None:
        """A dialog with the recording of the board, to click on a picture in which it lies on the floor."""
        take = find_take(self._backstage.takes, one.take)
        videos = [] if take is None else [(camera, find_video(take, camera, 0)) for camera in self._cameras_of(one)]
        known = {camera: path for camera, path in videos if path is not None}
        if not known:
            ui.notify(f"The recording {one.take} is not here any more: film the board again.", type="warning")
            return
        spans = {camera: video_span_s(path) for camera, path in known.items()}
        with ui.dialog(value=True) as dialog, ui.card().classes("mv-large-dialog"):
            ui.label("Where does the board lie on the floor?").classes("text-h6")
            ui.label(
                "Go to a moment at which it lies there, face up, and click on a picture that shows it well: there is "
                "the origin, and z is up."
            ).classes("mv-quiet")
            cameras = [{"name": name, "begins": begins, "ends": ends} for name, (begins, ends) in spans.items()]
            view = FloorView(quote(one.take, safe=""), cameras)
            cancel = ui.button("Cancel", on_click=dialog.close).props("flat no-caps")

        async def pick(event: GenericEventArguments) -> None:
            camera, seconds = _picked(event.args)
            if camera in known and await act(cancel, self._set_floor, one, camera, known[camera], seconds):
                dialog.close()
                self.refresh()

        view.on("pick", pick)
        dialog.on("hide", dialog.delete)

    def _set_floor(self, one: Solved, camera: str, video: Path, seconds: float) -> bool:
        self._calibration.set_floor(self._session, one, camera, frame_at(video, seconds))
        return True

    def _cameras_of(self, one: Solved) -> tuple[str, ...]:
        try:
            return tuple(load_rig(one.rig).names)
        except MultiviewError:
            return ()

    async def _check_rig(self) -> None:
        await act(self._check, self._calibration.check, self._session)
        self.refresh()

    async def _begin(self) -> None:
        await act(self._film, self._calibration.film, self._session)
        self.refresh()

    async def _mark_floor(self) -> None:
        cameras = await act(self._floor, self._calibration.mark_floor, self._session)
        if cameras is not None:
            ui.notify(f"Noted. {f'Seen by {cameras}' if cameras else 'Leave it there a moment'}", type="positive")

    async def _end(self) -> None:
        await act(self._solve, self._calibration.solve, self._session)
        self.refresh()

    async def _give_up(self) -> None:
        take = await act(self._leave, self._calibration.leave, self._session)
        if take:
            ui.notify(f"What was filmed is take {take}", type="positive")
        self.refresh()

    async def _use(self, button: ui.button, one: Solved) -> None:
        await act(button, self._calibration.use, self._session, one)
        self._backstage.refresh()
        self.refresh()


def _picked(args: Any) -> tuple[str, float]:
    """Camera and moment that a browser says; it may say anything."""
    found = args if isinstance(args, dict) else {}
    seconds = found.get("seconds")
    return str(found.get("camera", "")), float(seconds) if isinstance(seconds, int | float) else 0.0


def _table(report: dict[str, Any]) -> None:
    """What is known of each camera."""
    cameras = report.get("cameras", {})
    error = report.get("expected_error_mm", {}).get("median")
    if error is not None:
        ui.label(f"{error:.2f} mm expected in the volume, {report.get('rms_px') or 0:.3f} px left over")
    columns = [
        {"name": key, "label": label, "field": key, "align": "left" if key == "name" else "right"}
        for key, label in (
            ("name", "camera"),
            ("rms", "px"),
            ("frames", "boards"),
            ("covered", "covered"),
            ("lens", "lens"),
        )
    ]
    rows = [
        {
            "name": name,
            "rms": f"{one.get('rms_px') or 0:.3f}",
            "frames": one.get("frames"),
            "covered": f"{100 * (one.get('coverage') or 0):.0f} %",
            "lens": one.get("model"),
        }
        for name, one in cameras.items()
    ]
    ui.table(columns=columns, rows=rows, row_key="name").props("flat dense")
